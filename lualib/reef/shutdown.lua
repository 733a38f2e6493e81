-- Orderly end of the process.
--
-- On SIGTERM, SIGINT or reef.process.stop, every service that registered a hook here is told, and the process ends when
-- all hooks have returned or the deadline is over (`shutdown_timeout` in the configuration, in hundredths of a second,
-- 500 by default). A hook that raises, or is cut off, makes the exit code 3.
--
--	local shutdown = require "reef.shutdown"
--	shutdown.on(function() save_everything() end)

local skynet = require "skynet"
local core = require "skynet.core"
local debug = require "reef.debug.commands"

local shutdown = {}

local hooks = {} ---@type table<integer, function[]>

---Calls f when the process is about to end. It may yield (call a database, say).
---@param f fun()
---@param stage? integer hooks of a lower stage run first, all of one stage at the same time; default 0. Services that
---others need in order to end well (a connection pool) take 1.
function shutdown.on(f, stage)
	assert(type(f) == "function", "shutdown.on needs a function")
	stage = stage or 0
	if not hooks[stage] then
		hooks[stage] = {}
		core.command("HOOK", "1")
		skynet.send(".launcher", "lua", "SHUTDOWN_HOOK", stage)
	end
	table.insert(hooks[stage], f)
end

debug.reg_debugcmd("SHUTDOWN", function(stage)
	for _, f in ipairs(hooks[stage] or {}) do
		local ok, reason = xpcall(f, _G.debug.traceback)
		if not ok then
			core.command "DISORDER"
			skynet.error("shutdown hook failed: " .. tostring(reason))
		end
	end
	hooks[stage] = nil
	if not next(hooks) then
		core.command("HOOK", "0")
	end
	skynet.ret()
end)

return shutdown
