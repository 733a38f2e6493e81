-- timeout: 200
-- Servers whose replies are of other types than they should be, too long, too deep or cut off, wherever a client asks
-- by itself or takes replies apart: logins, maps of clusters, Sentinels, transactions, scans, scripts, subscriptions,
-- tracking. One part of one kind of reply is changed, as a seed says. Whoever asked gets a value, or an error that is
-- told as one of the server's or of the connection, in time; nobody trips over what has come; and when the server has
-- come to its senses, it is used again.
local errors = require "reef.channel.error"
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local test = require "test"
local wrong_redis = require "test.wrong_redis"

local TRIALS = test.count(tonumber(os.getenv "REEF_TEST_ROUNDS") or 300)
local AT_ONCE = 16
local TIMEOUT = 0.4 -- seconds

-- ---- what is asked ----

local script = redis.script "return 1"

local function scan(db)
	for _ in db:scan_iter() do end
end

local function hash_scan(db)
	for _ in db:hscan_iter "h" do end
end

local function transact(db)
	db:multi()
	db:set("a", 1)
	db:incr "a"
	return db:exec()
end

local function pipeline(db)
	return db:pipeline({ { "GET", "a" }, { "INCR", "a" } }, {})
end

local function lock(db)
	local held = require("reef.redis.lock").acquire(db, "name", { ttl = 1, extend = false, wait = 0 })
	held:release()
end

local function limit(db)
	return require("reef.redis.limiter").new(db, { rate = 5, per = 1 }):take "x"
end

local function stream(db)
	local group = require("reef.redis.stream").group(db, "s", "g", { consumer = "c", block = 0.1 })
	for _, message in ipairs(group:read()) do
		group:ack(message.id)
	end
end

local function plain(db)
	db:get "a"
	db:mget("a", "b", "{x}c")
	return db:exists "a"
end

local function blocking(db)
	return db:blpop("a", 0.1)
end

local function everywhere(db)
	db:dbsize()
	db:keys "*"
	db:wait(1, 10)
	return db:del("a", "b", "c")
end

local all = { plain, transact, pipeline, scan, hash_scan, lock, limit, stream, blocking, function(db)
	return script(db, { "a" }, 1)
end }
local distributed = { plain, transact, pipeline, scan, lock, everywhere, function(db)
	return db:batch({ { "GET", "a" }, { "GET", "b" } }, {})
end }

local function options(more)
	local list = { timeout = TIMEOUT, connect_timeout = TIMEOUT, errors = "object" }
	for name, value in pairs(more or {}) do
		list[name] = value
	end
	return list
end

local function at(scheme, path)
	return function(self)
		return ("%s://127.0.0.1:%d%s"):format(scheme, self.port, path or "")
	end
end

local function over(uri, more, asks)
	return { asks = asks, open = function(self)
		return redis.connect(uri(self), options(more))
	end, close = function(db)
		db:disconnect()
	end }
end

local function pooled(uri, more, asks)
	return { asks = asks, open = function(self)
		local db = pool.redis(uri(self), options(more))
		db:get "a"
		return db
	end, close = pool.close }
end

local uses = {
	over(at "redis", { name = "x", auth = "y", db = 1 }, all),
	over(at "redis", { resp = 3, name = "x", auth = "y", info = true }, all),
	over(at "redis+cluster", nil, distributed),
	over(at("redis+sentinel", "/m"), nil, all),
	over(at("redis+sentinel", "/m"), { read = "zone", zone = "a" }, { plain }),
	pooled(at "redis", { auth = "y" }, all),
	pooled(at "redis+cluster", nil, distributed),
	pooled(at("redis+sentinel", "/m"), nil, all),
	{ asks = { function(watch)
		watch:subscribe "news"
	end }, open = function(self)
		return redis.watch(at "redis"(self), options { name = "x" })
	end, close = function(watch)
		watch:disconnect()
	end },
}

for _, scheme in ipairs { "redis", "redis+cluster" } do
	table.insert(uses, { asks = { plain }, open = function(self)
		local target = at(scheme)(self)
		return require("reef.redis.cache").open(target, { heartbeat = 0.2, db = redis.connect(target, options()) })
	end, close = function() end })
end

-- ---- one trial ----

-- Chance of its own, since trials take turns as it happens.
local function dice(seed)
	local state = seed * 2654435761 + 1
	return function(n)
		state = state * 6364136223846793005 + 1442695040888963407
		return (state >> 33) % n + 1
	end
end

local function is_told(err)
	return errors.is(err) or type(err) == "table" and err.outcome ~= nil
		or type(err) == "string" and not err:find "%.lua:%d+:" and not err:find "attempt to"
end

local function ask_all(use, self, seen)
	local db
	local function try(f, ...)
		local since = skynet.hpc()
		local ok, err = pcall(f, ...)
		seen(ok, err, (skynet.hpc() - since) / 1e9)
		return ok and err
	end
	db = try(use.open, self)
	for _, ask in ipairs(db and use.asks or {}) do
		try(ask, db)
	end
	if db then
		use.close(db)
	end
end

-- What a client asks when all is well.
local function names_of(use)
	local self, names = wrong_redis.start(), {}
	-- A busy machine may take longer than the client's deadline.
	test.eventually("all is well", 60, function()
		local wrong
		ask_all(use, self, function(ok, err)
			wrong = wrong or not ok and tostring(err)
		end)
		return not wrong, wrong
	end)
	for name in pairs(self.names) do
		names[#names + 1] = name
	end
	table.sort(names)
	return names
end

local function trial(number, names)
	local seed = test.seed * 100000 + number
	local random = dice(seed)
	-- Caches stay as long as the process, which has only so many of them.
	local which = random(number <= 800 and #uses or #uses - 2)
	local use, self = uses[which], wrong_redis.start()
	self.wrong, self.at = names[which][random(#names[which])], random(1000)
	self.bytes = wrong_redis.replies[random(#wrong_redis.replies)]
	local what = ("seed %d: use %d, %s, part %d: %q"):format(seed, which, self.wrong, self.at, self.bytes)
	local told = 0
	ask_all(use, self, function(ok, err, seconds)
		told = told + (ok and 0 or 1)
		test.truthy(ok or is_told(err), what .. ": " .. test.show(err))
		test.truthy(seconds < 8 * (test.sanitizer and 5 or 1), what .. ": took " .. seconds)
	end)
	self.wrong = nil
	test.eventually(what .. ": a server in its right mind", 10, function()
		local well = true
		ask_all(use, self, function(ok)
			well = well and ok
		end)
		return well
	end)
	return self.used, told
end

test.case("replies of wrong types are errors that are told, wherever they come", { timeout = 180 }, function()
	local names = {}
	for i, use in ipairs(uses) do
		names[i] = names_of(use)
	end
	local used, told, nextone = 0, 0, 0
	local failures = {}
	test.together(AT_ONCE, function()
		while nextone < TRIALS do
			nextone = nextone + 1
			local ok, hit, n = pcall(trial, nextone, names)
			if ok then
				used, told = used + (hit and 1 or 0), told + n
			else
				failures[#failures + 1] = tostring(hit)
			end
		end
	end)
	skynet.error(("%d trials, %d wrong replies were seen, %d errors were told"):format(TRIALS, used, told))
	test.equal(failures, {})
	test.truthy(used > TRIALS // 2 and told > TRIALS // 4)
end)

test.run()
