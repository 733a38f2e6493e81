-- What a list of replies with errors inside says of itself; see reef.redis.partial.

local MOST = 3 -- errors that a message tells of

local function text_of(reply)
	if type(reply) ~= "table" then
		return tostring(reply)
	end
	for _, inner in pairs(reply) do
		local text = text_of(inner)
		if text:match "^%u[%u%d_]* " then
			return text
		end
	end
	return "an error inside"
end

local fields = {}

---In one sentence.
---@param list table
---@return string
function fields.message(list)
	local meta = getmetatable(list)
	local parts = {}
	for i = 1, math.min(#meta.failed, MOST) do
		local place = meta.failed[i]
		local name = meta.names and meta.names[place]
		parts[i] = ("%s %d%s failed: %s"):format(meta.names and "command" or "part", place,
			name and " (" .. name .. ")" or "", text_of(list[place]))
	end
	if #meta.failed > MOST then
		parts[#parts + 1] = ("and %d more failed"):format(#meta.failed - MOST)
	end
	local rest = meta.names and ("; the other %d of %d commands were applied"):format(#meta.names - #meta.failed,
		#meta.names) or ""
	return (meta.names and "EXEC: " or "redis: ") .. table.concat(parts, ", ") .. rest
end

function fields.code(list)
	return text_of(list[getmetatable(list).failed[1]]):match "^%u[%u%d_]*%f[ \0]" or "error"
end

function fields.outcome()
	return "applied in part"
end

function fields.command(list)
	return getmetatable(list).names and "EXEC" or nil
end

function fields.failed(list)
	return getmetatable(list).failed
end

return fields
