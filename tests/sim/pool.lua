-- Several services share a pool of connections to a Redis that is late, goes away and comes back; two coroutines of
-- each ask at the same time. Promised: who gets a reply gets his own, what one coroutine increments grows in its order,
-- is done once if it is acknowledged and never if it is "not sent", transactions see nothing of others, nobody waits
-- for ever, and in calm all are answered.
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local sim = require "reef.sim"
local skynet = require "skynet"

local CALLERS <const> = 4
local COROUTINES <const> = 2
local REQUESTS <const> = 20
local LONGEST <const> = 30

local me = ...

-- An increment in a transaction; its reply, or nil and the error.
local function commit(db, key, token)
	local ok, why = pcall(db.multi, db)
	if not ok then
		return nil, why
	end
	for _, command in ipairs { { "incr", key }, { "echo", token } } do
		ok, why = pcall(db[command[1]], db, command[2])
		if not ok then
			pcall(db.discard, db)
			return nil, why
		end
		skynet.sleep(math.random(0, 3))
	end
	local replies
	ok, replies = pcall(db.exec, db)
	if not ok then
		return nil, replies
	end
	local said = type(replies) == "table" and replies[2] or replies
	sim.check(said == token, "%s was answered by %s", token, tostring(said))
	return replies[1]
end

local function increment(db, key)
	local ok, reply = pcall(db.incr, db, key)
	return ok and reply or nil, reply
end

---@return integer acknowledged, integer unsure
local function ask(db, who, calm)
	local key, last, acknowledged, unsure = "n" .. who, 0, 0, 0
	for i = 1, REQUESTS do
		local since, token = sim.elapsed(), ("%s.%d"):format(who, i)
		local ok, reply = pcall(db.echo, db, token)
		sim.check(not ok or reply == token, "%s was answered by %s", token, tostring(reply))
		sim.check(ok or not calm, "in calm: %s", tostring(reply))
		local n, why
		if math.random(4) == 1 then
			n, why = commit(db, key, token)
		else
			n, why = increment(db, key)
		end
		sim.check(n or not calm, "in calm: %s", tostring(why))
		if n then
			sim.check(math.type(n) == "integer", "%s was answered by %s", token, tostring(n))
			sim.check(n > last, "%s: %s came after %s", token, n, last)
			last, acknowledged = n, acknowledged + 1
		elseif redis.error(why).outcome ~= "not sent" then
			unsure = unsure + 1
		end
		sim.check(sim.elapsed() - since < 2 * LONGEST, "%s took %.3f s", token, sim.elapsed() - since)
		skynet.sleep(math.random(0, 20))
	end
	return acknowledged, unsure
end

local db

local function serve(calm)
	db = db or pool.redis("redis://redis:6379/0", { size = 2, pinned = 2, timeout = 2, queue_timeout = 2 })
	local counts, done = {}, 0
	for i = 1, COROUTINES do
		skynet.fork(function()
			local who = ("%s.%d"):format(me, i)
			counts[who] = table.pack(ask(db, who, calm))
			done = done + 1
		end)
	end
	sim.eventually(COROUTINES * REQUESTS * LONGEST, "all coroutines have asked", function()
		return done == COROUTINES
	end)
	skynet.retpack(counts)
end

if me then
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, calm)
			serve(calm)
		end)
	end)
	return
end

skynet.start(function()
	sim.no_errors()
	local peer = skynet.newservice("redis_peer", "redis", 6379)
	sim.network { delay = { 0.0001, sim.random(1, 50) / 1000 }, stall = 0.01, stall_most = 3, reset = 0.003,
		refuse = 0.1, lose = 0.05, slow = 0.05 }
	local addresses = {}
	for i = 1, CALLERS do
		addresses[i] = skynet.newservice("pool", i)
	end
	-- What each coroutine of each service knows of its increments.
	local function all_ask(calm)
		local done, counts = 0, {}
		for _, address in ipairs(addresses) do
			skynet.fork(function()
				for who, count in pairs(skynet.call(address, "lua", calm)) do
					counts[who] = count
				end
				done = done + 1
			end)
		end
		sim.eventually(COROUTINES * REQUESTS * LONGEST, "all have asked", function()
			return done == CALLERS
		end)
		return counts
	end
	local calm = false
	skynet.fork(function()
		while true do
			skynet.sleep(sim.random(1, 1000))
			if calm then
				return
			elseif sim.fault(0.5) then
				sim.partition("localhost", "redis", sim.random(1, 50) / 10)
			end
		end
	end)
	local counts = all_ask(false)
	calm = true
	sim.calm()
	skynet.send(peer, "lua")
	sim.reset { port = 6379 } -- what is slow stays so
	db = pool.redis("redis://redis:6379/0")
	sim.eventually(60, "a request in calm is answered", function()
		return pcall(db.ping, db)
	end)
	skynet.sleep(1000) -- the other connections come back, too
	for who, count in pairs(counts) do
		local n = tonumber(db:get("n" .. who)) or 0
		sim.check(count[1] <= n and n <= count[1] + count[2], "%s: %d increments, of which %d are acknowledged and %d unsure",
			who, n, count[1], count[2])
	end
	sim.eventually(60, "a transaction in calm is committed", function()
		return commit(db, "calm", "calm")
	end)
	all_ask(true)
	sim.finish()
end)
