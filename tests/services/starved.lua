-- For compat/no_memory.lua: raises, in all the ways that there are, after it has said which allocation is to fail.
local failing = require "failing"
local skynet = require "skynet"

local long = ("x"):rep(3000)
local ways = {}

function ways.text()
	error(long)
end

function ways.table()
	error {}
end

function ways.tostring()
	error(setmetatable({}, { __tostring = function()
		return long .. "tostring"
	end }))
end

function ways.broken()
	error(setmetatable({}, { __tostring = function()
		error "in tostring"
	end }))
end

function ways.fork()
	skynet.fork(error, long)
	error "and this"
end

function ways.timeout()
	skynet.timeout(0, function()
		error(long)
	end)
end

function ways.gc()
	setmetatable({}, { __gc = function()
		error(long)
	end })
	collectgarbage()
end

function ways.answer()
	return long:rep(100)
end

function ways.unpackable()
	return ways.unpackable
end

function ways.log()
	skynet.error(long)
	error "logged"
end

function ways.send()
	skynet.send(skynet.self(), "lua", "echo", long)
	error "sent"
end

function ways.echo(...)
	return ...
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, way, mode, n)
		if way == "off" then
			skynet.retpack(failing.off())
			return
		end
		local f = ways[way]
		if mode then
			failing[mode](n)
		end
		local value = f()
		if session ~= 0 then
			skynet.retpack(value)
		end
	end)
end)
