-- What a reply has to be before somebody takes it apart: a server, or a proxy in front of it, may say anything.
local errors = require "reef.channel.error"

local expect = {}

local function refuse(value, what, command)
	local kind = math.type(value) or type(value)
	error(errors.new({ code = "protocol", outcome = "maybe applied", command = command },
		("the reply is %s%s, not %s"):format(kind == "integer" and "an " or "a ", kind, what)), 0)
end

---@param value any
---@param command string  for the error
---@return integer value
function expect.integer(value, command)
	if math.type(value) ~= "integer" then
		refuse(value, "an integer", command)
	end
	return value
end

---@param value any
---@param command string
---@return string value  digits: of a cursor, which may be larger than integers are
function expect.number(value, command)
	value = math.type(value) == "integer" and tostring(value) or value
	if type(value) ~= "string" or not value:find "^%d+$" then
		refuse(value, "a number", command)
	end
	return value
end

---@param value any
---@param command string
---@return string value
function expect.text(value, command)
	if type(value) ~= "string" then
		refuse(value, "a string", command)
	end
	return value
end

---Where to go on has to be elsewhere, or it would never end.
---@param before string
---@param value any
---@param command string
---@return string value
function expect.another(before, value, command)
	if expect.text(value, command) == before then
		refuse(value, ("one that comes after %q"):format(before), command)
	end
	return value
end

---@param value any
---@param command string
---@param n integer|nil  so many integers
---@return table value
function expect.list(value, command, n)
	if type(value) ~= "table" then
		refuse(value, "a list", command)
	end
	for i = 1, n or 0 do
		expect.integer(value[i], command)
	end
	return value
end

return expect
