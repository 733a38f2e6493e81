-- Replies with errors inside, as of an EXEC of which one command failed: what was raised says so.
--
-- What is raised is the list of all replies, where errors are strings; it prints as a sentence, and has the fields
-- `code`, `outcome`, `message`, `command` and `failed` (places of the errors) besides. The C half notes the places.
local core = require "reef.redis.core"

local partial = {}

local MOST = 3 -- errors that a message tells of

-- The metatable that the C half gives such a list has `failed`, and what is in here. `names`: commands of the
-- transaction.
local common = {}

---@param value any
---@return boolean
function partial.is(value)
	local meta = type(value) == "table" and getmetatable(value)
	return meta and meta.__tostring == common.__tostring or false
end

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

local function message(list)
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

common.__tostring = message

local fields = {
	code = function(list, meta)
		return text_of(list[meta.failed[1]]):match "^%u[%u%d_]*%f[ \0]" or "error"
	end,
	outcome = function()
		return "applied in part"
	end,
	message = message,
	command = function(_, meta)
		return meta.names and "EXEC" or nil
	end,
	failed = function(_, meta)
		return meta.failed
	end,
}

function common.__index(list, key)
	local field = fields[key]
	return field and field(list, getmetatable(list))
end

core.partial(common)

---Says which commands a transaction had.
---@param value any  nothing happens to what is no such list
---@param names string[]|nil
function partial.name(value, names)
	if names and partial.is(value) then
		getmetatable(value).names = names
	end
end

-- A to-be-closed value around a pipeline: names what each EXEC of it ran, in its results or in what was raised.
local naming = {
	__close = function(self, err)
		if type(err) == "string" and err:find("nothing was sent", 1, true) then
			return
		end
		local names = self.binding and self.binding.queued
		for i, op in ipairs(self.ops) do
			local word = tostring(type(op) == "table" and op[1]):upper()
			if word == "MULTI" then
				names = names or {}
			elseif word == "EXEC" then
				local result = self.results and self.results[self.before + i]
				partial.name(result and result.out, names)
				if i == #self.ops then
					partial.name(err, names)
				end
				names = nil
			elseif word == "DISCARD" then
				names = nil
			elseif names then
				names[#names + 1] = word
			end
		end
		if self.binding then
			self.binding.queued = names
		end
	end,
}

---@param ops table[]
---@param results table|nil  that they go to
---@param binding table|nil  of the coroutine: its `queued` are the commands of an open transaction
function partial.naming(ops, results, binding)
	return setmetatable({ ops = ops, results = results, before = results and #results, binding = binding }, naming)
end

return partial
