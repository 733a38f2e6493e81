-- Tables that all services of the process read without copying them, and that come in versions.
--
-- A load makes a new version of a name. Whoever asked for the name before keeps the version he has until he calls
-- `update`, which puts the new data in the place of the old wherever his VM refers to it. Shared tables are ordinary
-- tables to read, and cannot be written.

local skynet = require "skynet"
local core = require "reef.sharetable"

local sharetable = {}

local function check_name(what, name)
	if type(name) ~= "string" then
		error(("sharetable.%s: the name is a %s, not a string"):format(what, type(name)))
	end
end

-- Loads run in a service of their own: they may take a while, and whoever ends a load that takes for ever may kill it.
local function load(what, name, is_file, ...)
	check_name(what, name)
	local loader = skynet.uniqueservice "sharetable_loader"
	local number, request = core.freeze(...)
	local _ <close> = request
	local reason = skynet.call(loader, "lua", name, is_file, number)
	if reason then
		error(("sharetable.%s '%s': %s"):format(what, name, reason))
	end
end

---Runs a file, which has to return a table; the file's name becomes the table's. If it fails, what was loaded before
---stays.
---@param filename string
---@param ... any arguments of the chunk: whatever may be shared
function sharetable.loadfile(filename, ...)
	load("loadfile", filename, true, filename, ...)
end

---Runs source text (or, if it begins with `@`, the file it names), which has to return a table.
---@param name string
---@param source string
---@param ... any arguments of the chunk
function sharetable.loadstring(name, source, ...)
	if type(source) ~= "string" then
		error(("sharetable.loadstring '%s': the source is a %s, not a string"):format(name, type(source)))
	end
	if source:sub(1, 1) == "@" then
		load("loadstring", name, true, source:sub(2), ...)
	else
		load("loadstring", name, false, source, ...)
	end
end

---Shares a copy of a table.
---@param name string
---@param tbl table
function sharetable.loadtable(name, tbl)
	check_name("loadtable", name)
	if type(tbl) ~= "table" then
		error(("sharetable.loadtable '%s': a table is needed, not a %s"):format(name, type(tbl)))
	end
	local reason = core.publish(name, tbl)
	if reason then
		error(("sharetable.loadtable '%s': %s"):format(name, reason))
	end
end

---The current version.
---@param name string
---@return table? shared
function sharetable.query(name)
	check_name("query", name)
	return core.query(name)
end

---The current versions of the names in the list, or of all there are.
---@param names? string[]
---@return table<string, table>
function sharetable.queryall(names)
	local tables = {}
	if names then
		for _, name in ipairs(names) do
			check_name("queryall", name)
			tables[name] = core.query(name)
		end
	else
		for _, version in ipairs(core.stat()) do
			tables[version.name] = tables[version.name] or core.query(version.name)
		end
	end
	return tables
end

---Puts the current versions of these names in the place of those that this service asked for earlier: tables and
---functions become what is found at their path now, or nil. Strings that were copied out stay as they are.
---@param ... string
function sharetable.update(...)
	for i = 1, select("#", ...) do
		check_name("update", (select(i, ...)))
	end
	core.update(...)
end

---What there is, and who holds it. `bytes` and `versions` count every version once; `mapped` is all the memory that the
---process has mapped for tables, code and whatever loads are under way.
---@return table { bytes=, versions=, mapped=, names = { [name] = list of { version=, bytes=, current=, readers= } }
---}, where readers is a list of { address=, left=, pinned_by= }
function sharetable.stat()
	local records, mapped = core.stat()
	local stat = { bytes = 0, versions = 0, mapped = mapped, names = {} }
	local seen = {}
	for _, record in ipairs(records) do
		local version = seen[record.version]
		if not version then
			version = { version = record.version, bytes = record.bytes, current = record.current, readers = {} }
			seen[record.version] = version
			local list = stat.names[record.name] or {}
			stat.names[record.name] = list
			list[#list + 1] = version
			stat.bytes = stat.bytes + record.bytes
			stat.versions = stat.versions + 1
		end
		if record.address then
			version.readers[#version.readers + 1] =
				{ address = record.address, left = record.left, pinned_by = record.pinned_by }
		end
	end
	return stat
end

return sharetable
