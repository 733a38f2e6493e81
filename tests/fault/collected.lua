-- timeout: 300
-- Values are made of what a server sends while the collector works: it may come upon the connection that nobody holds
-- any more, or upon something whose finalizer disconnects. AddressSanitizer sees whether something is used after that.
local redis = require "reef.redis"
local redis_server = require "test.redis"
local skynet = require "skynet"
local test = require "test"

test.case("redis: a subscriber that nobody holds is closed, whatever comes meanwhile", { timeout = 100 }, function()
	local server = redis_server.start()
	local conf = { host = "127.0.0.1", port = server.port }
	local db = redis.connect(conf)
	test.defer(db.disconnect, db)
	for _ = 1, test.count(100) do
		redis.watch(conf):subscribe "news"
		for i = 1, 60 do
			db:publish("news", ("x"):rep(i))
		end
	end
	test.eventually("the end of all of them", 20, function()
		collectgarbage()
		return db:publish("news", "x") == 0
	end)
end)

local kinds = {}

function kinds.redis()
	local server = redis_server.start()
	local conf = { host = "127.0.0.1", port = server.port }
	local db = redis.connect(conf)
	local list = {}
	for i = 1, 3000 do
		list[i] = ("%d"):format(i):rep(5)
	end
	db:rpush("list", table.unpack(list))
	db:disconnect()
	return function()
		return redis.connect(conf)
	end, function(one)
		return #one:lrange("list", 0, -1)
	end
end

for kind, sql in pairs {
	mysql = "SELECT seq AS i, REPEAT('x', 50) AS s FROM seq_1_to_3000",
	postgres = "SELECT i, REPEAT('x', 50) AS s FROM generate_series(1, 3000) AS i",
} do
	kinds[kind] = function()
		local server = require("test." .. kind).start()
		local target = { host = "127.0.0.1", port = server.port }
		if kind == "mysql" then
			server:sql "CREATE DATABASE t"
			target.user, target.database = "root", "t"
		end
		return function()
			return require(kind == "mysql" and "skynet.db.mysql" or "reef.db.postgres").connect(target)
		end, function(one)
			return #one:query(sql)
		end
	end
end

for kind, start in pairs(kinds) do
	test.case(kind .. ": a finalizer disconnects while a result is made", { timeout = 100 }, function()
		local connect, ask = start()
		local whole, cut = 0, 0
		for _ = 1, test.count(200) do
			local db, result = connect(), nil
			skynet.fork(function()
				result = { pcall(ask, db) }
			end)
			skynet.yield()
			setmetatable({}, { __gc = function()
				db:disconnect()
			end })
			test.eventually("its end", 20, function()
				return result
			end)
			if result[1] then
				whole = whole + 1
				test.equal(result[2], 3000)
			else
				cut = cut + 1
				test.matches(tostring(result[2]), "disconnected")
			end
			collectgarbage()
		end
		test.truthy(cut > 0, "of " .. whole + cut)
	end)
end

test.run()
