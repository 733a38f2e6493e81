-- Calls and sends over a cluster, to a node whose network breaks and parts. Promised: who gets a reply gets his
-- own, what was sent comes once at most, and not at all if it was "not sent", nobody waits for ever, and in calm a call
-- is answered.
local outcomes = require "reef.cluster"
local cluster = require "skynet.cluster"
local sim = require "reef.sim"
local skynet = require "skynet"

local role = ...

local CALLERS <const> = 6
local REQUESTS <const> = 30
local LONGEST <const> = 300 -- seconds

if role then
	skynet.start(function()
		local seen, asked = {}, {}
		skynet.dispatch("lua", function(session, _, what, who, n)
			if what == "asked" then
				return skynet.retpack(asked)
			end
			if what == "count" then
				local token = who .. "." .. n
				sim.check(not seen[token], "%s came twice", token)
				seen[token] = true
				return
			end
			sim.check(not asked[who], "%.60s was asked twice", who)
			asked[who] = true
			if sim.fault(0.02) then
				skynet.sleep(sim.random(1, 300))
			end
			if session ~= 0 then
				skynet.retpack(who)
			end
		end)
	end)
	return
end

skynet.start(function()
	sim.no_errors()
	cluster.reload { far = "127.0.0.1:2528" }
	local echo = skynet.newservice("cluster", "echo")
	cluster.register("echo", echo)
	cluster.open "far"
	sim.network { delay = { 0.0001, sim.random(1, 50) / 1000 }, stall = 0.01, stall_most = 3, reset = 0.003, refuse = 0.1,
		slow = 0.05 }
	local waiting, done, unsent, answered = {}, 0, {}, {}
	sim.always("nobody waits for ever", function()
		for who, since in pairs(waiting) do
			if sim.elapsed() - since > LONGEST then
				return false, ("%.60s has waited since %.3f"):format(who, since)
			end
		end
		return true
	end, 1)
	for caller = 1, CALLERS do
		skynet.fork(function()
			for i = 1, REQUESTS do
				local token = ("%d.%d"):format(caller, i)
				if math.random(20) == 1 then
					token = token .. ("."):rep(math.random(30000, 120000)) -- which goes in parts
				end
				cluster.send("far", "@echo", "count", caller, i)
				waiting[token] = sim.elapsed()
				local ok, reply = pcall(cluster.call, "far", "@echo", "echo", token)
				waiting[token] = nil
				answered[token] = ok or nil
				unsent[token] = not ok and outcomes.error(reply).outcome == "not sent" or nil
				sim.check(not ok or reply == token, "%.60s was answered by %.60s", token, tostring(reply))
				skynet.sleep(math.random(0, 20))
			end
			done = done + 1
		end)
	end
	skynet.fork(function()
		for _ = 1, 3 do
			skynet.sleep(sim.random(1, 1000))
			if sim.fault(0.5) then
				sim.reset { port = 2528 }
			elseif sim.fault(0.5) then
				sim.half_close { port = 2528 }
			end
		end
	end)
	sim.eventually(36000, "all have asked", function()
		return done == CALLERS
	end)
	sim.calm()
	sim.eventually(120, "a call in calm is answered", function()
		return pcall(cluster.call, "far", "@echo", "echo", "calm" .. sim.elapsed())
	end)
	local asked = skynet.call(echo, "lua", "asked")
	for token in pairs(unsent) do
		sim.check(not asked[token], "%.60s was asked, and its caller told that it was not sent", token)
	end
	for token in pairs(answered) do
		sim.check(asked[token], "%.60s was answered, and has not been asked", token)
	end
	sim.finish()
end)
