-- A profile as speedscope reads it (https://www.speedscope.app/file-format-schema.json): of the kind "sampled", each
-- stack once, with its weight.
local encode = require("reef.json").encode
local frame_of = require("reef.profile.result").frame
local sorted = require "reef.base.sorted"

---@param profile reef.profile.result
---@param title string|nil
---@return string
return function(profile, title)
	local frames, ids, samples, weights = {}, {}, {}, {}
	for i, stack in ipairs(sorted.keys(profile.stacks)) do
		local list = {}
		for word in stack:gmatch "[^;]+" do
			if not ids[word] then
				ids[word] = #frames
				local frame = frame_of(word)
				frames[#frames + 1] = encode { name = frame.name, file = frame.file, line = frame.line }
			end
			list[#list + 1] = ids[word]
		end
		samples[i] = "[" .. table.concat(list, ",") .. "]"
		weights[i] = profile.stacks[stack]
	end
	local name = encode(title or "reef")
	return ('{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"reef","name":%s,'
		.. '"activeProfileIndex":0,"shared":{"frames":[%s]},"profiles":[{"type":"sampled","name":%s,"unit":"%s",'
		.. '"startValue":0,"endValue":%d,"samples":[%s],"weights":[%s]}]}\n'):format(name, table.concat(frames, ","), name,
		profile.unit, profile:total(), table.concat(samples, ","), table.concat(weights, ","))
end
