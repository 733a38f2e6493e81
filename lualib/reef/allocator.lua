-- Memory of the process and of its services.

local skynet = require "skynet"
local core = require "reef.memory"
local sorted = require "reef.base.sorted"

local memory = {}

---Bytes that the process has allocated; 0 in builds without jemalloc.
---@return integer
function memory.total()
	local allocated = core.number "stats.allocated"
	return allocated and allocated + select(6, core.images()) or 0
end

---Living allocations; 0 in builds without jemalloc.
---@return integer
function memory.block()
	return core.blocks() or 0
end

---Bytes of the Lua services.
---@return table<integer, integer> by handle
function memory.info()
	return core.services()
end

---Bytes of this service.
---@return integer
function memory.current()
	return core.services()[skynet.self()] or 0
end

---Logs the bytes of each service.
function memory.dump()
	local info = memory.info()
	for _, handle in ipairs(sorted.keys(info)) do
		skynet.error(("%s -> %d"):format(skynet.address(handle), info[handle]))
	end
	skynet.error(("+total: %d"):format(memory.total()))
end

---Prints the allocator's own report.
---@param options? string as malloc_stats_print(3) takes them
function memory.dumpinfo(options)
	io.stdout:write(core.report(options))
	io.stdout:flush()
end

---The allocator's main figures, in bytes.
---@return table<string, integer>
function memory.jestat()
	local result = {}
	for _, name in ipairs { "allocated", "resident", "retained", "mapped", "active" } do
		result["stats." .. name] = core.number("stats." .. name)
	end
	return result
end

---One figure of the allocator by its mallctl(3) name.
---@param name string
---@return integer
function memory.mallctl(name)
	return core.number(name) or error("no figure " .. name)
end

---Writes a heap profile.
function memory.dumpheap()
	core.dump()
end

---Is the allocator's profile on? With an argument it is switched.
---@param on? boolean
---@return boolean was
function memory.profactive(on)
	return core.profile(on)
end

return memory
