-- Several services share a pool of connections to a Redis that is late, goes away and comes back. Promised: who
-- gets a reply gets his own, what one service increments grows in its order, nobody waits for ever, and in calm all
-- are answered.
local pool = require "reef.pool"
local sim = require "reef.sim"
local skynet = require "skynet"

local CALLERS <const> = 4
local REQUESTS <const> = 40
local LONGEST <const> = 30

local me = ...

local function caller()
	local db = pool.redis("redis://redis:6379/0", { size = 2, timeout = 2, queue_timeout = 2 })
	local last = 0
	for i = 1, REQUESTS do
		local since, token = sim.elapsed(), ("%s.%d"):format(me, i)
		local ok, reply = pcall(db.echo, db, token)
		sim.check(not ok or reply == token, "%s was answered by %s", token, tostring(reply))
		local counted, n = pcall(db.incr, db, "n" .. me)
		if counted then
			sim.check(n > last, "%s: %s came after %s", token, n, last)
			last = n
		end
		sim.check(sim.elapsed() - since < 2 * LONGEST, "%s took %.3f s", token, sim.elapsed() - since)
		skynet.sleep(math.random(0, 20))
	end
	return db
end

if me then
	skynet.start(function()
		skynet.dispatch("lua", function()
			local db = caller()
			skynet.retpack(true)
			skynet.fork(function()
				skynet.sleep(100)
				return db
			end)
		end)
	end)
	return
end

skynet.start(function()
	skynet.newservice("redis_peer", "redis", 6379)
	sim.network { delay = { 0.0001, sim.random(1, 50) / 1000 }, stall = 0.01, stall_most = 3, reset = 0.003,
		refuse = 0.1, lose = 0.05, slow = 0.05 }
	local done = 0
	for i = 1, CALLERS do
		local address = skynet.newservice("pool", i)
		skynet.fork(function()
			skynet.call(address, "lua")
			done = done + 1
		end)
	end
	skynet.fork(function()
		for _ = 1, 3 do
			skynet.sleep(sim.random(1, 1000))
			if sim.fault(0.5) then
				sim.partition("localhost", "redis", sim.random(1, 50) / 10)
			end
		end
	end)
	sim.eventually(CALLERS * REQUESTS * LONGEST, "all have asked", function()
		return done == CALLERS
	end)
	sim.network { delay = { 0.0001, 0.001 }, stall = 0, reset = 0, refuse = 0, lose = 0, slow = 0 }
	sim.heal()
	local db = pool.redis("redis://redis:6379/0")
	sim.eventually(60, "a request in calm is answered", function()
		return pcall(db.ping, db)
	end)
	sim.finish()
end)
