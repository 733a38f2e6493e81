-- skynet.datasheet.builder: publishing sheets. See reef.datasheet, whose `publish` does several at one moment.

local skynet = require "skynet"
local checks = require "reef.options"
local datasheet = require "reef.datasheet"

local builder = {}

local function value_of(name, v)
	if type(v) == "string" then
		v = skynet.unpack(v)
	end
	if type(v) ~= "table" then
		error(("datasheet '%s': a table is needed, not a %s"):format(name, type(v)))
	end
	return v
end

-- Errors are in the name of what the user has called.
local function publish(what, name, v)
	v = value_of(name, v)
	local ok, reason = pcall(datasheet.publish, { [name] = v })
	if not ok then
		error((reason:gsub("datasheet%.publish", "datasheet." .. what, 1)), 0)
	end
	return reason
end

---Publishes a sheet that does not exist yet.
---@param name string
---@param v table|string a table, or what `compile` made of one
function builder.new(name, v)
	checks.needs("datasheet.new: the name", name, "string")
	if datasheet.exists(name) then
		error(("datasheet.new: there is a sheet '%s' already"):format(name))
	end
	return publish("new", name, v)
end

---Publishes new data of a sheet.
---@param name string
---@param v table|string
function builder.update(name, v)
	checks.needs("datasheet.update: the name", name, "string")
	if not datasheet.exists(name) then
		error(("datasheet.update: there is no sheet '%s'"):format(name))
	end
	return publish("update", name, v)
end

---@param v table
---@return string
function builder.compile(v)
	return skynet.packstring(v)
end

return builder
