-- skynet.datasheet.builder: publishing sheets. See reef.datasheet, whose `publish` does several at one moment.

local skynet = require "skynet"
local datasheet = require "reef.datasheet"

local builder = {}

local function value_of(name, v)
	if type(v) == "string" then
		v = skynet.unpack(v)
	end
	if type(v) ~= "table" then
		error(("datasheet '%s': a table is needed, not a %s"):format(name, type(v)), 3)
	end
	return v
end

---Publishes a sheet that does not exist yet.
---@param name string
---@param v table|string a table, or what `compile` made of one
function builder.new(name, v)
	if datasheet.exists(name) then
		error(("datasheet.new: there is a sheet '%s' already"):format(name), 2)
	end
	return datasheet.publish { [name] = value_of(name, v) }
end

---Publishes new data of a sheet.
---@param name string
---@param v table|string
function builder.update(name, v)
	if not datasheet.exists(name) then
		error(("datasheet.update: there is no sheet '%s'"):format(name), 2)
	end
	return datasheet.publish { [name] = value_of(name, v) }
end

---@param v table
---@return string
function builder.compile(v)
	return skynet.packstring(v)
end

return builder
