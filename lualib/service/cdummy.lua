-- `.cslave` of a process without a network (harbor = 0): binds global names and tells those who wait for one.

local skynet = require "skynet"
local core = require "skynet.core"
require "reef.manager"
local process = require "reef.process"
local waits = require "reef.waits"

local waiting = {} ---@type table<string, function[]>

local command = {}

function command.REGISTER(name, handle)
	local address = skynet.address(handle)
	if not core.command("NAME", name .. " " .. address) then
		skynet.error(("cannot give the global name %s to %s: it is taken by %s"):format(
			name, address, tostring(core.command("QUERY", name))))
		return skynet.ret()
	end
	skynet.ret()
	for _, response in ipairs(waiting[name] or {}) do
		response(true, handle)
	end
	waiting[name] = nil
end

function command.QUERYNAME(name)
	local handle = core.addresscommand("QUERY", name)
	if handle then
		return skynet.retpack(handle)
	end
	if not waiting[name] then
		waiting[name] = {}
		waits.tell(function()
			return waiting[name] and ("harbor.queryname(%q): nobody has that global name"):format(name)
		end)
	end
	table.insert(waiting[name], skynet.response())
end

skynet.dispatch("lua", function(_, _, cmd, ...)
	local f = command[cmd]
	if not f then
		error(("harbor = 0: no network, %s is not possible"):format(tostring(cmd)), 0)
	end
	f(...)
end)

-- From the engine: a message waits for that name.
skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	unpack = skynet.tostring,
	dispatch = function(_, _, name)
		waits.tell(function()
			local count, source = (core.command("WAITING", name) or ""):match "^(%d+) (.*)$"
			return count and ("nobody has the global name %s: %d messages wait for it, the first is from %s"):format(
				name, count, source)
		end)
	end,
}

skynet.start(process.daemon)
