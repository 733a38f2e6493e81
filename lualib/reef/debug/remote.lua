-- The debugger inside a service (`debug address` of the console).
--
-- Lines arrive through a channel, output goes to the console in messages (what this service itself writes to a socket
-- would wait for the end of the message in which it is stopped). Between messages the debugger is a coroutine
-- that looks at the channel now and then. After `watch(protocol, condition)` the next message of that protocol that
-- meets the condition stops at its first line: there the worker waits in the line hook for commands, and the service
-- does nothing else. `s` steps, `n` steps over calls, `c` goes on, `cont` leaves the debugger; anything else is Lua,
-- evaluated with the locals of the stopped function.

local skynet = require "skynet"
local channel_module = require "skynet.debugchannel"
local evaluate = require "reef.debug.injectcode"

local M = {}

local PROMPT = "> "

---@class remotedebug.session
---@field channel userdata
---@field console integer address of who debugs
---@field fd integer its socket
---@field left boolean
---@field restore function[]

local session ---@type remotedebug.session?

local function write(text)
	if session then
		skynet.send(session.console, "lua", "OUTPUT", session.fd, text)
	end
end

local function print(...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = tostring(words[i])
	end
	write(table.concat(words, "\t") .. "\n")
end

local function show(ok, ...)
	if select("#", ...) > 0 or not ok then
		print(...)
	end
end

local function depth_of(level)
	local depth = 0
	while debug.getinfo(level + depth, "l") do
		depth = depth + 1
	end
	return depth
end

local hook_globals = { print = print, skynet = skynet }

---Waits in the stopped function, which is at `level` of the caller, for a command that goes on.
---@return "step"|"next"|"continue"
local function stopped(level)
	local info = debug.getinfo(level + 1, "Sl")
	print(("%s:%d"):format(info.short_src, info.currentline))
	while true do
		write(PROMPT)
		local line
		repeat
			line = session.channel:read(1000)
		until line
		line = line:match "^%s*(.-)%s*$"
		if line == "s" then
			return "step"
		elseif line == "n" then
			return "next"
		elseif line == "c" then
			return "continue"
		elseif line == "cont" then
			session.left = true
			return "continue"
		elseif line ~= "" then
			show(evaluate(line, coroutine.running(), level + 1, hook_globals))
		end
	end
end

---Stops the running coroutine at the next line of `f`, and then as the user says.
local function break_in(f)
	local wanted -- depth above which `next` does not stop
	local entered = false
	debug.sethook(function()
		if not entered then
			if debug.getinfo(2, "f").func ~= f then
				return
			end
			entered = true
		end
		if wanted and depth_of(2) > wanted then
			return
		end
		local how = stopped(2)
		if how == "continue" then
			debug.sethook()
		else
			wanted = how == "next" and depth_of(2) or nil
		end
	end, "l")
end

---Stops at the next message of that protocol, or the next one for which condition(...) is true.
---@param protocol? string "lua" by default
---@param condition? fun(...): any the message's values
local function watch(protocol, condition)
	protocol = protocol or "lua"
	local old = skynet.dispatch(protocol)
	if not old then
		error("no handler of protocol " .. protocol)
	end
	local function restore()
		skynet.dispatch(protocol, old)
	end
	table.insert(session.restore, restore)
	skynet.dispatch(protocol, function(message_session, source, ...)
		if not session or condition and not condition(...) then
			return old(message_session, source, ...)
		end
		restore()
		print(("watched message %s from %s, session %d"):format(protocol, skynet.address(source), message_session))
		local function finish(...)
			debug.sethook()
			return ...
		end
		break_in(old)
		return finish(old(message_session, source, ...))
	end)
end

---Debugs this service until the user leaves or the console is gone.
---@param fd integer the console's socket
---@param address lightuserdata of its channel
function M.start(fd, address)
	if session then
		error("somebody debugs this service already", 0)
	end
	local _, console = skynet.context()
	session = { channel = channel_module.connect(address), console = console, fd = fd, left = false, restore = {} }
	local globals = setmetatable({ print = print, skynet = skynet, watch = watch }, { __index = _ENV })
	print "s: step  n: next  c: continue  watch(protocol, condition)  cont: leave"
	write(PROMPT)
	while not session.left do
		local line = session.channel:read(0)
		if not line then
			skynet.sleep(5)
		else
			line = line:match "^%s*(.-)%s*$"
			if line == "cont" then
				break
			elseif line ~= "" then
				local f, reason = load("return " .. line, "=(debug)", "t", globals)
				if not f then
					f, reason = load(line, "=(debug)", "t", globals)
				end
				if f then
					show(pcall(f))
				else
					print(reason)
				end
			end
			write(PROMPT)
		end
	end
	for _, restore in ipairs(session.restore) do
		restore()
	end
	session = nil
end

return M
