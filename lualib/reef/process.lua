-- The process as a whole, seen from a service: how it ends and what keeps it alive.

local skynet = require "skynet"
local core = require "skynet.core"

local process = {}

---Ends the process in order: services that asked for it are told first (see reef.shutdown), then all are removed.
---Does not wait for that end.
---@param code? integer exit code, 0 to 255, 0 by default
function process.stop(code)
	code = code or 0
	if math.type(code) ~= "integer" or code < 0 or code > 255 then
		error(("process.stop: an exit code is an integer from 0 to 255, not %s"):format(tostring(code)))
	end
	core.command("STOP", tostring(code))
end

---Ends the process at once with exit code 1 and the reason on stderr. For a process that could not start.
---@param reason string
function process.fail(reason)
	if not core.command("FAILED", "") then
		return
	end
	-- In one piece: log lines go to the same stream from another thread.
	io.stderr:write(("reef: %s\n"):format(require("reef.text").clean(reason)))
	if skynet.getenv "reef_log_stream" ~= "stderr" then
		skynet.error(reason)
	end
	core.command "ABORT"
end

---Says that this service works for others and does not keep the process alive: a process started by `reef run` ends
---when nothing but such services is left.
function process.daemon()
	skynet.send(".launcher", "lua", "DAEMON")
end

---Says that this service keeps the process alive only while it has something to do by itself: coroutines that wait,
---timers, sockets. Waiting for messages is nothing of that kind.
function process.helper()
	require("reef.debug.commands").reg_debugcmd("IDLE", function()
		local socket = package.loaded["skynet.socket"]
		for _, info in ipairs(socket and socket.netstat() or {}) do
			if info.address == skynet.self() then
				return skynet.retpack(false)
			end
		end
		skynet.retpack(skynet.task() == 0)
	end)
	skynet.send(".launcher", "lua", "HELPER")
end

return process
