-- A profile as pprof reads it: the message `perftools.profiles.Profile` (github.com/google/pprof,
-- proto/profile.proto) in protobuf's encoding (protobuf.dev, "Encoding"), with gzip around it.
local frame_of = require("reef.profile.result").frame
local sampler = require "reef.profile.sampler"
local skynet = require "skynet"
local sorted = require "reef.base.sorted"

local function varint(n)
	local out = {}
	while n > 127 or n < 0 do -- a negative number is a large one
		out[#out + 1] = string.char(n & 127 | 128)
		n = n >> 7
	end
	out[#out + 1] = string.char(n)
	return table.concat(out)
end

-- Fields: a number, and bytes.
local function number(field, n)
	return varint(field << 3) .. varint(n)
end

local function bytes(field, content)
	return varint(field << 3 | 2) .. varint(#content) .. content
end

local function packed(field, numbers)
	local out = {}
	for i, n in ipairs(numbers) do
		out[i] = varint(n)
	end
	return bytes(field, table.concat(out))
end

-- Field numbers of the messages.
local PROFILE <const> = { sample_type = 1, sample = 2, location = 4, func = 5, text = 6, time = 9, duration = 10,
	period_type = 11, period = 12 }

---@param profile reef.profile.result
---@return string
return function(profile)
	local out, texts, text_ids = {}, {}, {}

	local function text(s)
		local id = text_ids[s]
		if not id then
			id = #texts
			texts[id + 1], text_ids[s] = s, id
		end
		return id
	end
	text "" -- number 0

	-- A function has one location, of the same number.
	local functions, count = {}, 0
	local function location(word)
		local id = functions[word]
		if not id then
			local frame = frame_of(word)
			count = count + 1
			id = count
			functions[word] = id
			local line = frame.line and frame.line > 0 and frame.line or 0
			out[#out + 1] = bytes(PROFILE.func, number(1, id) .. number(2, text(frame.name)) .. number(3, text(word))
				.. number(4, text(frame.file or "")) .. number(5, line))
			out[#out + 1] = bytes(PROFILE.location, number(1, id) .. bytes(4, number(1, id) .. number(2, line)))
		end
		return id
	end

	local by_bytes = profile.kind == "bytes"
	local function value_type(kind, unit)
		return number(1, text(kind)) .. number(2, text(unit))
	end
	out[#out + 1] = bytes(PROFILE.sample_type, value_type("samples", "count"))
	out[#out + 1] = bytes(PROFILE.sample_type, value_type(by_bytes and "alloc_space" or "cpu", profile.unit))
	for _, stack in ipairs(sorted.keys(profile.stacks)) do
		local locations, value = {}, profile.stacks[stack]
		for word in stack:gmatch "[^;]+" do
			table.insert(locations, 1, location(word)) -- innermost first
		end
		local samples = math.max(1, (value + profile.period // 2) // profile.period)
		out[#out + 1] = bytes(PROFILE.sample, packed(1, locations) .. packed(2, { samples, value }))
	end
	out[#out + 1] = number(PROFILE.time, math.floor(skynet.time() * 1e9))
	out[#out + 1] = number(PROFILE.duration, math.floor(profile.seconds * 1e9))
	out[#out + 1] = bytes(PROFILE.period_type, value_type(by_bytes and "space" or "cpu", profile.unit))
	out[#out + 1] = number(PROFILE.period, profile.period)
	for _, s in ipairs(texts) do
		out[#out + 1] = bytes(PROFILE.text, s)
	end
	local content = table.concat(out)
	return sampler.gzip(content) or content -- pprof reads it without, too
end
