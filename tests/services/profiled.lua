-- Works as it is told, for the tests of profiles: functions whose shares are known.
local skynet = require "skynet"

local command = {}

local function work(n)
	local x = 0
	for i = 1, n do
		x = x + i % 7
	end
	return x
end

local function light(n)
	return (work(n)) -- in brackets: a tail call would leave no trace of light
end

local function heavy(n)
	return (work(3 * n))
end

-- Runs until it has used so much CPU time.
local function spend(seconds, f, ...)
	local ends = os.clock() + seconds
	while os.clock() < ends do
		f(...)
	end
end

function command.shares(seconds)
	spend(seconds, function()
		heavy(20000)
		light(20000)
	end)
end

local function deep(n)
	if n == 0 then
		return (work(200000))
	end
	return (deep(n - 1))
end

function command.deep(seconds, depth)
	spend(seconds, deep, depth)
end

function command.coroutine(seconds)
	local function generate()
		while true do
			coroutine.yield((work(20000)))
		end
	end
	spend(seconds, coroutine.wrap(generate))
end

function command.c(seconds)
	local text = ("x"):rep(100000)
	local function search()
		return text:find("y", 1, true) or (text:gsub(".", "%0"))
	end
	spend(seconds, search)
end

-- Four bytes of one function for each of another.
function command.allocate(n)
	local kept = {}
	local function large()
		kept[1] = ("x"):rep(400000 + #kept)
	end
	local function small()
		kept[1] = ("x"):rep(100000 + #kept)
	end
	for _ = 1, n do
		large()
		small()
	end
end

function command.grow(name, n)
	_G[name] = _G[name] or { list = {} }
	local list = _G[name].list
	for i = 1, n do
		list[#list + 1] = { number = i, text = ("entry %d of %s"):format(i, name) }
	end
end

function command.fail(text)
	error(text, 0)
end

function command.forever()
	while true do
		light(1000)
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
