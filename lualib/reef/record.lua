-- Records of services, which `reef replay` runs again: see docs/replay.md.
--
--     local record = require "reef.record"
--     record.start("arena", "arena.rec")
--     local arena = skynet.newservice "arena" -- is recorded, from its start on

local core = require "reef.record.core"

local record = {}

local function check_name(name, what)
	if type(name) ~= "string" or not name:find "^[^%s,]+$" then
		error(("record.%s: a service's name is needed, not %s"):format(what, tostring(name)))
	end
end

---Services of that name that start from now on are recorded, each from its start on. Those that run already are not.
---@param name string as given to newservice
---@param file string? the record of the next one; without, each has a file of its own in the folder `record_path`
function record.start(name, file)
	check_name(name, "start")
	core.want(name, file)
end

---Services of that name that start from now on are not recorded any more. Records of those that run go on.
---@param name string
---@return boolean done false: they were not recorded
function record.stop(name)
	check_name(name, "stop")
	return core.want_no_more(name)
end

---The names of the services that are recorded when they start next.
---@return string[]
function record.wanted()
	local names = core.wanted()
	table.sort(names)
	return names
end

---@class reef.record.state
---@field handle integer
---@field name string
---@field path string
---@field bytes integer so far
---@field stopped string|nil why nothing more is recorded

---The services of this process that are recorded now.
---@return reef.record.state[]
function record.list()
	return core.list()
end

return record
