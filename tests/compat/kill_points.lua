-- timeout: 240
-- A service ends at every point of a call, in every way a service can end: its callers always go on.
local skynet = require "skynet"
local manager = require "skynet.manager"
local test = require "test"

-- How the callee ends, as text that it runs.
local ENDS = {
	exit = "require('skynet').exit()",
	kill_itself = "require('skynet.manager').kill(require('skynet').self()) require('skynet').wait()",
	killed_by_other = "require('skynet').send(require('skynet').newservice 'actor', 'lua', "
		.. "[[require('skynet.manager').kill(...) require('skynet').exit()]], require('skynet').self()) "
		.. "require('skynet').wait()",
	debug_exit = "require('skynet').send(require('skynet').self(), 'debug', 'EXIT') require('skynet').wait()",
	exit_in_fork = "require('skynet').fork(require('skynet').exit) require('skynet').wait()",
	exit_in_timer = "require('skynet').timeout(1, require('skynet').exit) require('skynet').wait()",
	kill_in_close = "local _ <close> = setmetatable({}, { __close = function() "
		.. "require('skynet.manager').kill(require('skynet').self()) end }) error 'closing'",
}

-- Where the caller's request is when the callee ends.
local POINTS = {
	["before it is dispatched"] = function(callee, ending, ask)
		-- The callee is busy for a moment, then ends; the request waits in its mailbox.
		skynet.send(callee, "lua", "local s = require 'skynet' local e = s.hpc() + 2e7 while s.hpc() < e do end " .. ending)
		ask "return 'too late'"
	end,
	["while its handler sleeps"] = function(callee, ending, ask)
		ask "require('skynet').sleep(1000000)"
		skynet.send(callee, "lua", ending)
	end,
	["while its handler waits"] = function(callee, ending, ask)
		ask "require('skynet').wait()"
		skynet.send(callee, "lua", ending)
	end,
	["while its handler calls a third"] = function(callee, ending, ask)
		ask "require('skynet').call(require('skynet').self(), 'debug', 'LINK')"
		skynet.send(callee, "lua", ending)
	end,
	["in its handler"] = function(_, ending, ask)
		ask(ending)
	end,
	["after the reply was detached"] = function(callee, ending, ask)
		ask "KEPT = KEPT or {} KEPT[#KEPT + 1] = require('skynet').response() require('skynet').wait()"
		skynet.send(callee, "lua", ending)
	end,
	["while it waits for a lock"] = function(callee, ending, ask)
		for _ = 1, 2 do
			ask "LOCK = LOCK or require 'skynet.queue' () return LOCK(require('skynet').wait)"
		end
		skynet.send(callee, "lua", ending)
	end,
	["in a coroutine of its handler"] = function(callee, ending, ask)
		ask "return require('skynet.coroutine').wrap(function() require('skynet').wait() end)()"
		skynet.send(callee, "lua", ending)
	end,
}

for point, arrange in pairs(POINTS) do
	for way, ending in pairs(ENDS) do
		test.case(("%s: %s"):format(point, way), function()
			local callee = test.service "actor"
			local asked, failed, answered = 0, 0, {}
			local function ask(code)
				asked = asked + 1
				skynet.fork(function()
					local result = table.pack(pcall(skynet.call, callee, "lua", code))
					if result[1] then
						answered[#answered + 1] = result
					else
						failed = failed + 1
					end
				end)
				skynet.yield()
			end
			arrange(callee, ending, ask)
			test.eventually("no caller waits", 20, function()
				return failed + #answered == asked
			end)
			-- One that waits in the mailbox may still be served before the end.
			if point ~= "before it is dispatched" then
				test.equal(answered, {})
			end
		end)
	end
end

test.case("a reply that was given before the end arrives", function()
	for way, ending in pairs(ENDS) do
		local callee = test.service "actor"
		test.equal(skynet.call(callee, "lua", "require('skynet').retpack(...) " .. ending, way), way)
	end
end)

test.case("an error, a memory limit and an interrupt fail the call and keep the service", function()
	local callee = test.service("starts", "memory_limit")
	test.raises("call failed: .*not enough memory", skynet.call, callee, "lua", "grow", 1 << 26)
	test.equal(skynet.call(callee, "lua", "grow", 1), 1)
	local actor = test.service "actor"
	test.raises("call failed: .*as intended", skynet.call, actor, "lua", "error 'as intended'")
	test.raises("call failed: .*in a fork", skynet.call, actor, "lua",
		"require('skynet').sleep(1) error 'in a fork'")
	test.equal(skynet.call(actor, "lua", "return 1"), 1)
end)

test.case("a call to a service that is killed at any moment ends", { timeout = 120 }, function()
	math.randomseed(test.seed)
	local n = test.count(3000)
	local ended = 0
	for _ = 1, n do
		local callee = skynet.newservice "actor"
		skynet.fork(function()
			pcall(skynet.call, callee, "lua", "return 1")
			ended = ended + 1
		end)
		skynet.fork(function()
			local killer = math.random(3)
			if killer == 1 then
				manager.kill(callee)
			elseif killer == 2 then
				skynet.yield()
				manager.kill(callee)
			else
				pcall(skynet.send, callee, "debug", "EXIT")
			end
			pcall(skynet.call, callee, "lua", "return 2")
			ended = ended + 1
		end)
		if math.random(4) == 1 then
			skynet.yield()
		end
	end
	test.eventually("all calls have ended", 60, function()
		return ended == 2 * n
	end)
end)

test.run()
