-- timeout: 300
-- Scripts of skynet.db.redis against a real server: each is sent once, and runs once.
local redis = require "skynet.db.redis"
local client_of = require "test.redis_client"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"

local function connect(options)
	local s = server.start()
	return client_of(s, options), s
end

test.case("scripts are sent once and run by their hash", function()
	local db = connect()
	local add = redis.script 'return {KEYS[1], ARGV[1] + ARGV[2]}'
	test.equal(add(db, { "k" }, 1, 2), { "k", 3 })
	test.equal(add(db, { "k" }, 3, 4), { "k", 7 })
	db:script "flush"
	test.equal(add(db, { "k" }, 5, 6), { "k", 11 })
	local bad = redis.script 'return redis.error_reply("MINE no")'
	test.raises("MINE no", bad, db)
	test.raises("argument 5 is nil", add, db, { "k" }, 1, nil)
	test.raises("the source of a script is a string", redis.script, 7)
end)

test.case("a script runs once, whatever it says", function()
	local db = connect()
	for _, source in ipairs {
		"redis.call('INCR', 'ran') return redis.error_reply('NOSCRIPT No matching script. Please use EVAL.')",
		"redis.call('INCR', 'ran') return redis.error_reply('MINE: NOSCRIPT')",
		"redis.call('INCR', 'ran') error('NOSCRIPT')",
		"redis.call('INCR', 'ran') return {err = ARGV[1]}",
	} do
		local run = redis.script(source)
		for i = 1, 3 do
			local before = tonumber(db:get "ran" or 0)
			if i == 2 then
				db:script "flush"
			end
			test.raises("NOSCRIPT", run, db, {}, "NOSCRIPT No matching script. Please use EVAL.")
			test.equal(tonumber(db:get "ran"), before + 1, source)
		end
	end
end)

test.case("a server that has lost its scripts gets them again, from many at once", function()
	local one = connect()
	local count = redis.script [[
		if ARGV[1] == "no" then return redis.error_reply("not today") end
		return redis.call("INCR", KEYS[1])
	]]
	one:del "counted"
	for round = 1, 20 do
		one:script "flush"
		local done = 0
		for _ = 1, 50 do
			skynet.fork(function()
				count(one, { "counted" }, "yes")
				done = done + 1
			end)
		end
		test.eventually("all have run", 10, function()
			return done == 50
		end)
		test.equal(one:get "counted", tostring(50 * round))
	end
	test.raises("not today", count, one, { "counted" }, "no")
end)

test.case("scripts in a transaction are applied with the rest of it", function()
	local db = connect()
	local give = redis.script [[ return redis.call("INCRBY", KEYS[1], ARGV[1]) ]]
	db:set("points:7", 100)
	for round = 1, 3 do
		db:script "flush"
		db:multi()
		test.equal(db:decrby("points:7", 10), "QUEUED")
		test.equal(give(db, { "points:8" }, 10), "QUEUED")
		test.equal(db:exec(), { 100 - 10 * round, 10 * round })
	end
	db:script "flush"
	db:pipeline { { "MULTI" }, { "INCR", "n" } }
	give(db, { "points:8" }, 10)
	test.equal(db:exec(), { 1, 40 })
	db:script "flush"
	db:watch "points:8"
	test.equal(give(db, { "points:9" }, 1), 1)
	db:unwatch()
end)

test.run()
