-- A service that is looked at: it waits, fails, works and logs as it is told.
local log = require "reef.log"
local skynet = require "skynet"

local command = {}

function command.wait_for(other)
	skynet.fork(function()
		skynet.call(other, "lua", "hang")
	end)
end

function command.hang()
	skynet.wait()
end

function command.fail(text)
	error(text, 0)
end

function command.log(level, text)
	log[level](text)
end

function command.work(ns)
	local ends = skynet.hpc() + ns
	while skynet.hpc() < ends do -- luacheck: ignore 542
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
