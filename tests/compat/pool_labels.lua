-- Each pool has a label of its own, whatever it differs in: in statistics and in metrics.
local metrics = require "reef.metrics"
local pool = require "reef.pool"
local skynet = require "skynet"
local test = require "test"

local random = math.random

local function some(field, ...)
	local values = { ... }
	return { field, values[random(#values)] }
end

-- What a pool may differ in, by kind; the first are the target's, others the pool's.
local VARY <const> = {
	redis = {
		target = { { "username", "a", "b" }, { "auth", "p", "q" }, { "resp", 2, 3 }, { "db", 0, 1 }, { "name", "x", "y" } },
	},
	mongo = {
		target = { { "username", "a", "b" }, { "password", "p", "q" }, { "appName", "x", "y" }, { "tls", true, false } },
	},
	mysql = {
		target = { { "user", "a", "b" }, { "password", "p", "q" }, { "database", "x", "y" }, { "charset", "utf8", "utf8mb4" },
			{ "timeout", 1, 2 } },
	},
	postgres = {
		target = { { "user", "a", "b" }, { "password", "p", "q" }, { "database", "x", "y" },
			{ "application_name", "x", "y" }, { "timeout", 1, 2 } },
	},
}

local function open(kind)
	local target = { host = "127.0.0.1", port = 1 }
	for _, choice in ipairs(VARY[kind].target) do
		if random(2) == 1 then
			local one = some(table.unpack(choice))
			target[one[1]] = one[2]
		end
	end
	local given = { pool = some("pool", nil, "n", "n #2", "#2", "a\nb", "a\rb")[2] }
	if kind == "mongo" then
		target.lazy, target.serverSelectionTimeoutMS, target.connectTimeoutMS = true, 1, 100
		given.connect_timeout = 0.1
	end
	local db = pool[kind](target, given)
	if kind == "mongo" then
		pcall(function()
			return rawget(db, "_core").pools["127.0.0.1:1"]:check_out()
		end)
		return db, rawget(db, "_core").pools["127.0.0.1:1"].key
	end
	if kind ~= "redis" then
		pcall(db.query, db, "SELECT 1")
	end
	return db, db[2].key
end

-- The series of a family by what its label `pool` says; a strict reader takes each once.
local function series(family)
	local found, n = {}, 0
	for line in metrics.text():gmatch "[^\n]+" do
		local label = line:match("^" .. family .. '{pool="(.*)"} %d+$')
		if label then
			test.equal(found[label], nil)
			found[label], n = true, n + 1
		end
	end
	return found, n
end

test.case("pools that differ in anything have labels that differ", { timeout = 300 }, function()
	for i = 1, test.count(10) do
		math.randomseed(test.seed + i)
		local keys, dbs, n = {}, {}, 0
		for _ = 1, random(20) do
			local kinds = { "redis", "mongo", "mysql", "postgres" }
			local db, key = open(kinds[random(#kinds)])
			dbs[#dbs + 1] = db
			if not keys[key] then
				keys[key], n = true, n + 1
			end
		end
		local labels = 0
		for _ in pairs(pool.stat()) do
			labels = labels + 1
		end
		local what = ("seed %d"):format(test.seed + i)
		test.equal(labels, n, what)
		local _, shown = series "reef_pool_connections"
		test.equal(shown, n, what)
		for _, db in ipairs(dbs) do
			pcall(pool.close, db)
		end
		test.eventually("all pools are gone", 10, function()
			return next(pool.stat()) == nil
		end)
	end
end)

test.case("the word nil is a name and a password as others are", function()
	local target = { host = "127.0.0.1", port = 1 }
	local dbs = {
		pool.redis(target), pool.redis(target, { pool = "nil" }),
		pool.redis { host = "127.0.0.1", port = 1, auth = "nil" },
		pool.redis { host = "127.0.0.1", port = 1, auth = "nil", username = "nil" },
	}
	local n = 0
	for _ in pairs(pool.stat()) do
		n = n + 1
	end
	test.equal(n, #dbs)
	for _, db in ipairs(dbs) do
		pool.close(db)
	end
	test.eventually("all pools are gone", 10, function()
		return next(pool.stat()) == nil
	end)
end)

test.case("the number of a pool that has ended is the next one's", function()
	local function labels()
		return require "reef.base.sorted".keys(pool.stat())
	end
	local target = { host = "127.0.0.1", port = 1 }
	local a = pool.redis({ host = "127.0.0.1", port = 1, auth = "a" })
	local b = pool.redis({ host = "127.0.0.1", port = 1, auth = "b" })
	test.equal(labels(), { "redis 127.0.0.1:1/0", "redis 127.0.0.1:1/0 #2" })
	pool.close(a)
	test.equal(labels(), { "redis 127.0.0.1:1/0 #2" })
	local c = pool.redis(target)
	test.equal(labels(), { "redis 127.0.0.1:1/0", "redis 127.0.0.1:1/0 #2" })
	local d = pool.mysql({ host = "127.0.0.1", port = 1 }, { pool = "mine" })
	pcall(d.query, d, "SELECT 1")
	test.equal(labels(), { "mysql 127.0.0.1:1/ mine", "redis 127.0.0.1:1/0", "redis 127.0.0.1:1/0 #2" })
	for _, db in ipairs { b, c, d } do
		pool.close(db)
	end
	skynet.sleep(1)
end)

-- A counter that falls has begun anew, for whoever reads it.
test.case("who gets the label of a pool that has ended is counted from nothing", function()
	local function shown(family, label)
		return tonumber(metrics.text():match("\n" .. family .. "{pool=\"" .. label .. "\"[^}]*} (%d+)"))
	end
	for kind, label in pairs { redis = "redis 127.0.0.1:1/0", mysql = "mysql 127.0.0.1:1/" } do
		local function open_and_ask(password, times)
			local secret = kind == "redis" and "auth" or "password"
			local db = pool[kind] { host = "127.0.0.1", port = 1, [secret] = password }
			for _ = 1, times do
				pcall(db[kind == "redis" and "get" or "query"], db, "x")
			end
			return db
		end
		local db = open_and_ask("a", 5)
		local before = shown("reef_pool_requests_total", label)
		test.equal(before, 5, kind)
		pool.close(db)
		db = open_and_ask("b", 2)
		test.equal(shown("reef_pool_requests_total", label), 2, kind)
		test.truthy(shown("reef_pool_connections", label), kind)
		pool.close(db)
		for _, family in ipairs { "reef_pool_requests_total", "reef_pool_failed_total", "reef_pool_connections" } do
			test.equal(shown(family, label), nil, family)
		end
	end
end)

test.run()
