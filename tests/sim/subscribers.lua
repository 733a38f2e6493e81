-- Somebody hears what is published, over a network that breaks and parts. Promised: messages come in order and once,
-- none is missing without his having been told of a gap before the next one, and in calm all come.
--
--     reef sim subscribers.lua [MODULE FILE]   FILE takes the place of the module
--     reef sim subscribers.lua pool            through a pool
local mode, file = ...
if file then
	package.loaded[mode] = dofile(file)
end
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local sim = require "reef.sim"
local skynet = require "skynet"

local MESSAGES <const> = 400
local CALM <const> = 50

local gaps = 0

local function connect()
	local function gap()
		gaps = gaps + 1
	end
	local conf = { host = "redis", port = 6379, timeout = 2, heartbeat = 1, gap = gap }
	if mode == "pool" then
		return pool.watch(conf, { gap = gap, heartbeat = 1 })
	end
	return redis.watch(conf)
end

skynet.start(function()
	sim.no_errors()
	sim.place "app"
	local peer = skynet.newservice("redis_peer", "redis", 6379)
	local w
	sim.eventually(600, "a first connection", function()
		local ok, it = pcall(connect)
		w = ok and it
		return ok
	end)
	w:subscribe "news"
	local last, told, missed = 0, 0, 0
	skynet.fork(function()
		while true do
			local data, channel = w:message()
			local n = sim.check(channel == "news" and tonumber(data), "%s of %s", data, channel)
			sim.check(n > last, "%d came after %d", n, last)
			-- What was published before the first subscription is nobody's.
			sim.check(n == last + 1 or last == 0 or gaps > told, "%d came after %d without a word", n, last)
			missed = missed + n - last - 1
			last, told = n, gaps
		end
	end)
	sim.network { delay = { 0.0001, sim.random(1, 50) / 1000 }, stall = 0.01, stall_most = 3, reset = 0.01,
		refuse = 0.1, lose = 0.05, slow = 0.05 }
	local calm = false
	skynet.fork(function()
		while true do
			skynet.sleep(sim.random(1, 1000))
			if calm then
				return
			elseif sim.fault(0.5) then
				sim.partition("app", "redis", sim.random(1, 50) / 10)
			elseif sim.fault(0.3) then
				sim.half_close { to = "redis" }
			elseif sim.fault(0.3) then
				sim.reset { to = "redis" }
			end
		end
	end)
	skynet.call(peer, "lua", "publish", MESSAGES)
	calm = true
	sim.calm()
	skynet.send(peer, "lua", "calm")
	sim.eventually(60, "he is connected again", function()
		local n = skynet.call(peer, "lua", "publish", 1)
		skynet.sleep(100)
		return last == n
	end)
	local before, so_far = missed, gaps
	local published = skynet.call(peer, "lua", "publish", CALM)
	sim.eventually(60, "all have come", function()
		return last == published
	end)
	sim.check(missed == before and gaps == so_far, "%d of %d are missing in calm", missed - before, CALM)
	skynet.error(("%d of %d are missing, in %d gaps"):format(missed, published, gaps))
	sim.finish()
end)
