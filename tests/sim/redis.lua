-- Many coroutines use one connection of the Redis driver while its server is late, its connections break and its
-- network is parted. Promised: who gets a reply gets his own, what is acknowledged was done once and what is "not sent"
-- was not, deadlines come in time, and nobody waits for ever.
local sim = require "reef.sim"
local skynet = require "skynet"

local redis = require "skynet.db.redis"

local CALLERS <const> = 8
local REQUESTS <const> = 40
local TIMEOUT <const> = 2
local LATE <const> = 0.2 -- seconds by which a deadline may be found late
local LONGEST <const> = 20 -- seconds that any request may take: its deadline, and those of connecting again

local function faults()
	sim.network { delay = { 0.0001, sim.random(1, 100) / 1000 }, stall = 0.01, stall_most = 3, reset = 0.005,
		refuse = 0.1, lose = 0.05, slow = 0.1 }
	skynet.fork(function()
		for _ = 1, 5 do
			skynet.sleep(sim.random(1, 1000))
			if sim.fault(0.5) then
				sim.partition("app", "redis", sim.random(1, 50) / 10)
			elseif sim.fault(0.5) then
				sim.half_close { to = "redis" }
			end
		end
	end)
end

skynet.start(function()
	sim.no_errors()
	sim.place "app"
	local peer = skynet.newservice("redis_peer", "redis", 6379)
	faults()
	local db
	sim.eventually(600, "a first connection", function()
		local ok, it = pcall(redis.connect, { host = "redis", port = 6379, timeout = TIMEOUT })
		db = ok and it
		return ok
	end)
	local waiting, done, answered, acknowledged, unsure = {}, 0, 0, 0, 0
	sim.always("nobody waits for ever", function()
		for who, since in pairs(waiting) do
			if sim.elapsed() - since > LONGEST then
				return false, ("%s has waited since %.3f"):format(who, since)
			end
		end
		return true
	end)
	for caller = 1, CALLERS do
		skynet.fork(function()
			for i = 1, REQUESTS do
				local token = ("%d.%d"):format(caller, i)
				waiting[token] = sim.elapsed()
				local ok, reply = pcall(db.echo, db, token)
				waiting[token] = nil
				answered = answered + (ok and 1 or 0)
				sim.check(not ok or reply == token, "%s was answered by %s", token, tostring(reply))
				ok, reply = pcall(db.incr, db, "n")
				local err = not ok and redis.error(reply)
				if ok then
					acknowledged = acknowledged + 1
				elseif err.outcome ~= "not sent" then
					unsure = unsure + 1
				end
				sim.check(ok or err.code ~= "timeout" or err.waited < TIMEOUT + LATE, "a deadline that came late: %s", err)
				if math.random(4) == 1 then
					skynet.sleep(math.random(0, 30))
				end
			end
			done = done + 1
		end)
	end
	sim.eventually(3600, "all have asked", function()
		return done == CALLERS
	end)
	sim.check(answered > 0, "nobody had an answer")
	sim.calm()
	skynet.send(peer, "lua")
	local n = tonumber(sim.eventually(60, "a request in calm is answered", function()
		local ok, value = pcall(db.get, db, "n")
		return ok and value
	end))
	sim.check(acknowledged <= n and n <= acknowledged + unsure,
		"%d increments, of which %d are acknowledged and %d unsure", n, acknowledged, unsure)
	skynet.error(("%d of %d requests were answered"):format(answered, CALLERS * REQUESTS))
	sim.finish()
end)
