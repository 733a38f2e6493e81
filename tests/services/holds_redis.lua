-- A service that has a transaction of a Redis Cluster, a subscriber and a lock, until it is killed.
local lock = require "reef.redis.lock"
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, kind, uri)
		local db = kind == "pool" and pool.redis(uri) or redis.connect(uri)
		local done = {}
		skynet.fork(function()
			local held = lock.acquire(db, "mine" .. kind, { ttl = 3 })
			local w = kind == "pool" and pool.watch(db) or redis.watch(uri)
			w:subscribe "news"
			skynet.fork(w.message, w)
			db:watch "k"
			db:multi()
			db:incr "k"
			skynet.wakeup(done)
			skynet.wait()
			error(held)
		end)
		skynet.wait(done)
		skynet.retpack(true)
	end)
end)
