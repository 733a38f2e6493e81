-- Transactions on a cluster: whatever is said in them, and in whatever way, is a part of them or refused, and they are
-- over for the client when they are over for the server.
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local test = require "test"

local resp = scripted.resp

-- Two masters, each with a half of the slots, that answer as real ones would; `log` has what each was sent in MULTI and
-- outside, and `values` what was set.
local function cluster()
	local nodes = { log = {} }
	for i = 1, 2 do
		local state = {}
		nodes[i] = scripted.start(function(words, _, _, id)
			local word = words[1]
			state[id] = state[id] or {}
			local mine = state[id]
			if word == "CLUSTER" then
				return words[2] == "SLOTS" and resp({ { 0, 8191, { "127.0.0.1", nodes[1].port, "a" } },
					{ 8192, 16383, { "127.0.0.1", nodes[2].port, "b" } } }):sub(1, -3) or "-ERR unknown"
			elseif word == "MULTI" then
				mine.queue = {}
				return "+OK"
			elseif word == "EXEC" then
				local queue = mine.queue
				mine.queue = nil
				return queue and ("*%d%s"):format(#queue, ("\r\n+done"):rep(#queue)) or "-ERR EXEC without MULTI"
			elseif word == "WATCH" or word == "UNWATCH" or word == "PING" or word == "HELLO" then
				return word == "PING" and not mine.queue and "+PONG" or mine.queue and "+QUEUED" or "+OK"
			elseif mine.queue then
				table.insert(mine.queue, words)
				return "+QUEUED"
			end
			table.insert(nodes.log, word)
			return "+now"
		end)
	end
	local db = redis.connect { hosts = { "127.0.0.1:" .. nodes[1].port }, timeout = 5 }
	test.defer(db.disconnect, db)
	return db, nodes
end

local LOW, HIGH = scripted.name_in("k", 0, 8191), scripted.name_in("k", 8192, 16383)

test.case("a command without a key is a part of the transaction, or refused", { timeout = 30 }, function()
	local db, nodes = cluster()
	for round = 1, 6 do
		local key = round % 2 == 0 and LOW or HIGH
		db:multi()
		test.equal(db:set(key, 1), "QUEUED")
		test.equal(db:publish("news", "x"), "QUEUED")
		test.raises("goes to all masters", db.flushall, db)
		test.equal(db:get(key), "QUEUED")
		test.equal(db:exec(), { "done", "done", "done" })
	end
	test.equal(nodes.log, {})
	for _, ops in ipairs { { { "SET", LOW, 1 } }, { { "SET", LOW, 1 }, { "SET", HIGH, 1 } } } do
		db:multi()
		db:set(LOW, 1)
		test.raises("a transaction is of one slot", db.batch, db, ops)
		test.equal(db:exec(), { "done" })
	end
	test.equal(nodes.log, {})
	db:multi()
	test.raises("begins with a command that has a key", db.publish, db, "news", "x")
	db:discard()
	test.equal(db:publish("news", "x"), "now")
end)

test.case("a transaction that a pipeline ends is over", { timeout = 30 }, function()
	local db = cluster()
	for _ = 1, 2 do
		db:multi()
		db:set(LOW, 1)
		local results = db:pipeline({ { "SET", LOW, 2 }, { "EXEC" } }, {})
		test.equal(results[2], { ok = true, out = { "done", "done" } })
		test.equal(db:status().bound, 0)
		test.equal(db:set(HIGH, 1), "now")
		db:watch(LOW)
		results = db:pipeline({ { "MULTI" }, { "SET", LOW, 2 }, { "EXEC" } }, {})
		test.equal(results[3], { ok = true, out = { "done" } })
		test.equal(db:status().bound, 0)
		test.equal(db:set(HIGH, 1), "now")
	end
end)

test.case("a transaction that a pipeline begins goes on", { timeout = 30 }, function()
	local db = cluster()
	db:watch(LOW)
	db:pipeline({ { "MULTI" }, { "SET", LOW, 1 } }, {})
	test.equal(db:set(LOW, 2), "QUEUED")
	test.equal(db:exec(), { "done", "done" })
	test.equal(db:set(LOW, 3), "now")
	test.equal(db:status().bound, 0)
end)

test.run()
