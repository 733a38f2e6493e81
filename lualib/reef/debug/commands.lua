-- The debug protocol: what every Lua service answers about itself. Loaded when the first debug message arrives, or when
-- a service adds a command of its own.

local skynet = require "skynet"

local M = {}

local commands = {} ---@type table<string, function>
local links = {} -- responses that are owed until the service ends

---Answers a command that has no reply, for those who call it all the same.
local function done()
	local session = skynet.context()
	if session and session ~= 0 then
		skynet.ret()
	end
end

function commands.PING()
	skynet.ret()
end

function commands.MEM()
	skynet.retpack(collectgarbage "count")
end

function commands.GC()
	local before, start = collectgarbage "count", skynet.hpc()
	collectgarbage "collect"
	skynet.error(("GC %.2f Kb -> %.2f Kb, cost %.2f sec"):format(
		before, collectgarbage "count", (skynet.hpc() - start) / 1e9))
	done()
end

function commands.STAT()
	skynet.retpack {
		task = skynet.task(),
		mqlen = skynet.stat "mqlen",
		cpu = skynet.stat "cpu",
		message = skynet.stat "message",
	}
end

---For the page and its API (reef.look).
function commands.LOOK()
	skynet.retpack(require "reef.look.inside"())
end

function commands.TASK(session)
	if session then
		return skynet.retpack(skynet.task(session))
	end
	local tasks = {}
	skynet.task(tasks)
	skynet.retpack(tasks)
end

function commands.UNIQTASK()
	skynet.retpack(skynet.uniqtask())
end

function commands.KILLTASK(name)
	local thread = skynet.killthread(name)
	if thread then
		skynet.error(("task %s was ended by the debug command KILLTASK"):format(tostring(thread)))
		skynet.ret()
	else
		skynet.retpack "Not found"
	end
end

function commands.INFO(...)
	local f = skynet.info_func()
	if f then
		skynet.retpack(f(...))
	else
		skynet.retpack(nil)
	end
end

-- Samples by allocated bytes: one for each so many; nil: no more, unless somebody else wants them. No reply.
function commands.ALLOCATIONS(every)
	local sampler = require "reef.profile.sampler"
	if every then
		sampler.watch(every)
	else
		sampler.unwatch()
	end
	done()
end

-- What is in this service's memory, see reef.profile.heap. Other messages have their turn meanwhile.
function commands.HEAP(options)
	local ended <const> = skynet.hpc() + options.seconds * 1e9
	local walk <close> = require("reef.profile.heap").begin(options.objects)
	while not walk:step(options.slice) and skynet.hpc() < ended do
		skynet.yield()
	end
	skynet.retpack(walk:result(options.paths, options.least))
end

function commands.EXIT()
	skynet.exit()
end

function commands.RUN(source, filename, ...)
	local inject = require "reef.debug.inject"
	local ok, lines = inject(skynet, source, filename, table.pack(...), skynet.dispatch_message, skynet._proto)
	skynet.retpack(ok, table.concat(lines, "\n"))
end

function commands.TERM(address)
	skynet.term(address)
	done()
end

function commands.SUPPORT(protocol)
	skynet.retpack(skynet.dispatch(protocol) ~= nil)
end

function commands.LINK()
	links[#links + 1] = skynet.response()
end

function commands.TRACELOG(protocol, flag)
	if type(protocol) ~= "string" then
		protocol, flag = "lua", protocol
	end
	skynet.traceproto(protocol, flag)
	skynet.ret()
end

function commands.REMOTEDEBUG(...)
	require("reef.debug.remote").start(...)
	skynet.ret()
end

---Adds a debug command to this service, or replaces one. f answers with skynet.ret.
---@param name string
---@param f fun(...)
function M.reg_debugcmd(name, f)
	commands[name] = f
end

---Handler of the debug protocol.
---@param name string a command
---@param ... any what it takes
function M.dispatch(_, _, name, ...)
	local f = commands[name]
	if not f then
		error(("unknown debug command %s"):format(tostring(name)), 0)
	end
	f(...)
end

return M
