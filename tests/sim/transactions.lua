-- More coroutines want a connection for a transaction than there may be, while these are late, break, and are given
-- back in any state. Promised: each transaction is its own, and in calm everybody gets one, but never more than two
-- at a time.
--
--     reef sim transactions.lua [MODULE FILE]   FILE takes the place of the module
local sim = require "reef.sim"
local skynet = require "skynet"

local module, file = ...
if module then
	package.loaded[module] = dofile(file)
end
local redis = require "skynet.db.redis"

local CALLERS <const> = 6
local TRANSACTIONS <const> = 15
local MOST <const> = 2

local calm, used, committed = false, 0, 0

local function commit(db, token)
	local ok, why = pcall(db.multi, db)
	if not ok then
		return false, why
	end
	used = used + 1
	-- In a storm, what has a coroutine may be lost already without its knowing.
	sim.check(not calm or used <= MOST, "%d connections are lent", used)
	local queued, replies
	queued, why = pcall(db.echo, db, token)
	if queued then
		skynet.sleep(math.random(0, 5))
		ok, replies = pcall(db.exec, db)
		if ok then
			sim.check(replies[1] == token, "%s was answered by %s", token, tostring(replies[1]))
			committed = committed + 1
		end
		why = replies
	else
		pcall(db.discard, db)
	end
	used = used - 1
	return queued and ok, why
end

skynet.start(function()
	sim.no_errors()
	sim.place "app"
	local peer = skynet.newservice("redis_peer", "redis", 6379)
	local db
	sim.eventually(60, "a first connection", function()
		local ok, it = pcall(redis.connect, { host = "redis", port = 6379, timeout = 2, pool = MOST })
		db = ok and it
		return ok
	end)
	sim.network { delay = { 0.0001, sim.random(1, 50) / 1000 }, stall = 0.01, stall_most = 2, reset = 0.005, refuse = 0.1,
		lose = 0.05 }
	local function all_commit()
		local done = 0
		for caller = 1, CALLERS do
			skynet.fork(function()
				for i = 1, TRANSACTIONS do
					local ok, why = commit(db, ("%d.%d"):format(caller, i))
					sim.check(ok or not calm, "in calm: %s", tostring(why))
					skynet.sleep(math.random(0, 20))
				end
				done = done + 1
			end)
		end
		sim.eventually(3600, "all have done", function()
			return done == CALLERS
		end)
	end
	all_commit()
	sim.check(committed > 0, "nothing was committed")
	sim.calm()
	skynet.send(peer, "lua")
	sim.eventually(60, "a transaction in calm is committed", function()
		return commit(db, "calm")
	end)
	calm = true
	all_commit()
	sim.finish()
end)
