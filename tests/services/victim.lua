-- Does what its messages say, and most of them say that it shall not answer. For tests of how calls end.

local skynet = require "skynet"
local core = require "skynet.core"
require "skynet.manager"

local mode, fifo = ...
local kept = {}
local behave = {}

---Sits in C until somebody writes into the fifo.
local function block()
	local f <close> = assert(io.open(fifo))
	f:read()
end

local function blocking()
	return setmetatable({}, { __close = block })
end

function behave.answer()
	skynet.retpack "answered"
end

function behave.raise()
	error "raised"
end

function behave.forget() end

function behave.ignore()
	skynet.ignoreret()
end

function behave.wait()
	skynet.wait()
end

function behave.sleep()
	skynet.sleep(1000000)
end

function behave.keep()
	kept[#kept + 1] = skynet.response()
	if math.random(2) == 1 then
		skynet.wait()
	end
end

function behave.drop()
	skynet.response()
	collectgarbage()
end

function behave.in_coroutine()
	coroutine.wrap(function()
		skynet.wait()
	end)()
end

function behave.ask_itself()
	skynet.call(skynet.self(), "lua", "wait")
end

function behave.swallow_exit()
	pcall(table.sort, { 3, 2, 1 }, function()
		skynet.exit()
	end)
end

---An interruption is caught again and again, for a while.
function behave.swallow_interrupts()
	local stop = os.time() + 2
	while os.time() < stop do
		pcall(function()
			while os.time() < stop do -- luacheck: ignore 542
			end
		end)
	end
end

behave.block = block

function behave.block_when_closed()
	local _ <close> = blocking()
	skynet.wait()
end

function behave.block_when_collected()
	kept[#kept + 1] = setmetatable({}, { __gc = block })
	skynet.wait()
end

-- How it ends.

function behave.exit()
	skynet.exit()
end

function behave.exit_later()
	skynet.timeout(1, skynet.exit)
end

function behave.kill_itself()
	skynet.kill(skynet.self())
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what)
		behave[what]()
	end)
	skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, unpack = skynet.tostring, pack = function(s)
		return s
	end }
	skynet.dispatch("text", function(_, _, what)
		behave[what]()
	end)
	if mode == "raw" then
		-- Some requests are swallowed, some make it raise.
		core.callback(function(kind, message, size, session, source)
			if kind == skynet.PTYPE_LUA and session ~= 0 then
				local what = skynet.unpack(message, size)
				if what == "ignore" then
					return
				elseif what == "raise" then
					error "raised"
				end
			end
			skynet.dispatch_message(kind, message, size, session, source)
		end)
	end
end)
