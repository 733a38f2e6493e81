-- skynet.sharedata: named data that all services read and that follow updates by themselves, on the heap of datasheets.
-- What `query` returns is an ordinary table that cannot be written.

local skynet = require "skynet"
local datasheet = require "reef.datasheet"

local sharedata = {}

local function ask(...)
	local ok, result = skynet.call(skynet.uniqueservice "sharedatad", "lua", ...)
	if not ok then
		error(result)
	end
	return result
end

---@param name string
---@param v table|string|nil a table, or source text (or `@` and a file's name) to run; nothing: an empty table
---@param ... any arguments of the source
function sharedata.new(name, v, ...)
	ask("new", name, v, ...)
end

---Replaces the data, or makes them.
---@param name string
---@param v table|string|nil
---@param ... any
function sharedata.update(name, v, ...)
	ask("update", name, v, ...)
end

---Forgets the name. Who holds the data keeps them as they are.
---@param name string
function sharedata.delete(name)
	ask("delete", name)
end

---@param name string
---@return table shared
function sharedata.query(name)
	return datasheet.query(ask("query", name))
end

-- `above`: the copies of the tables that this one lies in, which it may lead back to.
local function copy(t, above)
	if type(t) ~= "table" or above[t] then
		return above[t] or t
	end
	local c = {}
	above[t] = c
	for k, v in pairs(t) do
		c[k] = copy(v, above)
	end
	above[t] = nil
	return c
end

---A private copy of what the keys lead to. A table that leads back to itself does so in the copy, too.
---@param name string
---@param ... string|integer
function sharedata.deepcopy(name, ...)
	local v = datasheet.query(ask("query", name))
	for _, key in ipairs { ... } do
		if type(v) ~= "table" then
			return nil
		end
		v = v[key]
	end
	return copy(v, {})
end

---Updates need no help; this frees what they removed.
function sharedata.flush()
	collectgarbage()
	datasheet.collect()
end

return sharedata
