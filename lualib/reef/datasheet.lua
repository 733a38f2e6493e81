-- Datasheets: named trees of tables that all services read in place, and that change for all of them at one moment.
--
-- What `query` returns is an ordinary table that cannot be written. Publishing compares the new data with what is there
-- and switches the tables that changed, all of one publication together, while no service is running. References that
-- services hold stay valid, nested ones too; rows that are gone say so when they are used.

local skynet = require "skynet"
local core = require "reef.datasheet.core"

local datasheet = {}

local function address_text(address)
	return address and (":%08x"):format(address) or "a service"
end

-- One plan at a time: whoever has one keeps all others from publishing.
local function make_plan(how, tables)
	local plan, reason = core.plan(how, tables)
	while plan == nil do
		skynet.sleep(1)
		plan, reason = core.plan(how, tables)
	end
	return plan, reason
end

local function carry_out(how, tables)
	local plan <close>, reason = make_plan(how, tables)
	if not plan then
		error(("datasheet.%s: %s"):format(how, reason))
	end
	local tries = 0
	while true do
		local done, changed, added, removed = core.commit(plan)
		if done then
			return { changed = changed, added = added, removed = removed }
		end
		tries = tries + 1
		if tries % 100 == 0 then
			skynet.error(("datasheet: %s is in the way of a publication, which has been tried %d times"):format(
				address_text(changed), tries))
		end
		skynet.sleep(1)
	end
end

---Publishes all the tables of the argument at the same moment. Values may be numbers, strings, booleans and tables of
---these, keys anything but tables.
---@param tables table<string, table> name -> what the sheet is to hold; the name may be new
---@return { changed: integer, added: integer, removed: integer } rows
function datasheet.publish(tables)
	return carry_out("publish", tables)
end

---Publishes what the argument names and leaves the rest as it is, at the cost of what changes: tables are merged into
---those of the sheets, other values take the place of what is there.
---@param changes table<string, table> name -> changes of the sheet, which must exist
---@return { changed: integer, added: integer, removed: integer } rows
function datasheet.patch(changes)
	return carry_out("patch", changes)
end

---In a patch: takes away what its key leads to.
datasheet.nothing = core.nothing

---Forgets sheets. Who holds one keeps it as it is; a sheet that is published under that name later is another one.
---@param ... string names
---@return { changed: integer, added: integer, removed: integer } rows
function datasheet.delete(...)
	local names = {}
	for _, name in ipairs { ... } do
		names[name] = true
	end
	return carry_out("delete", names)
end

---@param name string
---@return table sheet it follows the publications by itself
function datasheet.query(name)
	if type(name) ~= "string" then
		error(("datasheet.query: the name is a %s, not a string"):format(type(name)))
	end
	return core.query(name) or error(("datasheet.query: there is no sheet '%s'"):format(name))
end

---@param name string
---@return boolean
function datasheet.exists(name)
	return core.exists(name)
end

---What there is: rows and strings of all sheets and their bytes. Of these, `retired` objects (`retired_bytes`) were
---removed by publications and may still be held by services; `readers` is how many services have asked for a sheet.
---@return table<string, integer> stat
function datasheet.stat()
	local stat = {}
	stat.rows, stat.strings, stat.bytes, stat.retired, stat.retired_bytes, stat.readers = core.stat()
	return stat
end

---Frees what no service holds any more; this happens by itself when there is enough of it.
function datasheet.collect()
	core.collect()
end

return datasheet
