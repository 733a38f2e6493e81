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

---Publishes all the tables of the argument at the same moment. Values may be numbers, strings, booleans and tables of
---these, keys anything but tables.
---@param tables table<string, table> name -> what the sheet is to hold; the name may be new
---@return { changed: integer, added: integer, removed: integer } rows
function datasheet.publish(tables)
	local plan = core.plan(tables)
	while not plan do
		skynet.sleep(1)
		plan = core.plan(tables)
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

---@param name string
---@return table sheet it follows the publications by itself
function datasheet.query(name)
	return core.query(name) or error(("datasheet.query: there is no sheet '%s'"):format(name), 2)
end

---@param name string
---@return boolean
function datasheet.exists(name)
	return core.exists(name)
end

---What was removed by publications, and may still be held by services.
---@return { retired: integer, bytes: integer, readers: integer }
function datasheet.stat()
	local retired, bytes, readers = core.stat()
	return { retired = retired, bytes = bytes, readers = readers }
end

---Frees what no service holds any more; this happens by itself when there is enough of it.
function datasheet.collect()
	core.collect()
end

return datasheet
