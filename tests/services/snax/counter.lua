-- A snax service that counts, and can be told to misbehave.
local skynet = require "skynet"

local count, step = 0, 1
local log = {}

local function note(what)
	log[#log + 1] = what
end

function helper(n) -- luacheck: ignore 111
	return n * 100
end

function accept.add(n)
	count = count + n * step
end

function response.get()
	return count, "text", { nested = { true } }
end

function response.scaled()
	return helper(count) -- luacheck: ignore 113
end

function response.fails()
	error "it fails on purpose"
end

function accept.fails()
	error "in silence"
end

function response.slow()
	skynet.sleep(5)
	return "slow"
end

function response.log()
	return log
end

function response.module()
	return (require "own_part")
end

function init(first, options)
	if first == "broken" then
		error "cannot start counting"
	end
	count = first or 0
	step = options and options.step or 1
	note "init"
end

function exit(word)
	skynet.send(".launcher", "lua", "STAT")
	count = word
end
