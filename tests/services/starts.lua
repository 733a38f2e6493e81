-- A service that starts in the way its first argument names.

local skynet = require "skynet"

-- luacheck: globals SERVICE_NAME SERVICE_PATH
local how = ...
local order = {}

local function note(text)
	order[#order + 1] = text
end

local ways = {}

function ways.slowly()
	skynet.sleep(20)
end

function ways.exits()
	skynet.exit()
end

function ways.raises()
	error "no luck today"
end

function ways.raises_object()
	error(setmetatable({ code = "E_LUCK" }, {
		__tostring = function()
			return "an object says no"
		end,
	}))
end

function ways.hangs()
	skynet.wait()
end

function ways.kills_itself()
	require("skynet.manager").kill(skynet.self())
	skynet.wait()
end

function ways.ordered()
	note "start"
end

if how == "raises_in_main_chunk" then
	error "the main chunk fails"
elseif how == "never_calls_start" then
	return
elseif how == "init_raises" then
	skynet.init(function()
		error "an init function fails"
	end)
elseif how == "memory_limit" then
	skynet.memlimit(2 * 1024 * 1024)
	assert(skynet.memlimit == nil)
end

skynet.init(function()
	note "first init"
	skynet.sleep(1)
end)
skynet.init(function()
	note "second init"
end)
note "main chunk"

local arguments = table.pack(...)

skynet.start(function()
	skynet.dispatch("lua", function(_, _, command, ...)
		if command == "order" then
			skynet.retpack(order)
		elseif command == "arguments" then
			skynet.retpack(SERVICE_NAME, SERVICE_PATH, arguments)
		elseif command == "grow" then
			skynet.retpack(#string.rep("x", (...)))
		elseif command == "init now" then
			skynet.init(print)
		end
	end)
	if ways[how] then
		ways[how]()
	end
end)
