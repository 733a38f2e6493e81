-- Replies with errors inside, as of an EXEC of which one command failed: what was raised says so.
--
-- What is raised is the list of all replies, where errors are strings; it prints as a sentence, and has the fields
-- `code`, `outcome`, `message`, `command` and `failed` (places of the errors) besides. The C half notes the places.
local core = require "reef.redis.core"

local partial = {}

-- The metatable that the C half gives such a list has `failed`, and what is in here. `names`: commands of the
-- transaction.
local common = {}

function common.__tostring(list)
	return require("reef.redis.partial_fields").message(list)
end

function common.__index(list, key)
	local field = require("reef.redis.partial_fields")[key]
	return field and field(list)
end

core.partial(common)

---@param value any
---@return boolean
function partial.is(value)
	local meta = type(value) == "table" and getmetatable(value)
	return meta and meta.__tostring == common.__tostring or false
end

---Says which commands a transaction had.
---@param value any  nothing happens to what is no such list
---@param names string[]|nil
function partial.name(value, names)
	if names and partial.is(value) then
		getmetatable(value).names = names
	end
end

return partial
