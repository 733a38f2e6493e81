-- An account that reef.together may hold: its balance, and the order of what it was told.
local skynet = require "skynet"
local together = require "reef.together"

local balance, told = tonumber(... or 0), {}
local command = {}

function command.get()
	return balance
end

-- Waits between reading and writing: whoever comes in between is lost.
function command.add(n)
	local before = balance
	skynet.sleep(math.random(0, 2))
	balance = before + n
	return balance
end

function command.tell(word)
	told[#told + 1] = word
	return #told
end

function command.told()
	return told
end

-- Moves what it has on to another, in the name of whoever holds both.
function command.pass(other, n)
	balance = balance - n
	return together.call(other, "add", n)
end

-- Holds others until it is killed, or forever.
function command.hold(addresses, seconds, spin)
	return together.run(addresses, { seconds = seconds }, function()
		for _, address in ipairs(addresses) do
			together.call(address, "tell", "held")
		end
		while spin do -- luacheck: ignore
		end
		skynet.wait()
	end)
end

skynet.start(function()
	together.dispatch("lua", function(session, _, name, ...)
		local f = command[name] or error("no command " .. tostring(name))
		if session == 0 then
			f(...)
		else
			skynet.retpack(f(...))
		end
	end)
end)
