-- timeout: 400
-- reef.pool.mongo with a real server: sharing, fairness, limits, deadlines, changes while it works.
local fault = require "test.proxy"
local pool = require "reef.pool"
local server = require "test.mongo"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local function open(target, options)
	local db = pool.mongo(target, options)
	test.defer(function()
		pool.close(db)
		db:disconnect()
	end)
	return db
end

local function callers(n, target, options)
	local list = {}
	for i = 1, n do
		list[i] = test.service "mongo_caller"
		skynet.call(list[i], "lua", "open", target, options)
	end
	return list
end

-- Calls all of them with f's arguments and waits for all results.
local function ask_all(list, f)
	local results = {}
	test.together(#list, function(i)
		results[i] = table.pack(pcall(skynet.call, list[i], "lua", f(i)))
	end)
	return results
end

local function fill(db, n)
	local docs = {}
	for i = 1, n do
		docs[i] = { _id = "d" .. i, text = ("x"):rep(i % 50) }
	end
	db.db.c:insertMany(docs)
end

-- Of the only server.
local function stat(db)
	local _, s = next(pool.stat(db))
	return s
end

test.case("the driver's methods give the driver's results", function()
	local db = open(server.start():uri(), { size = 3 })
	local c = db.db.c
	test.equal(c:insertOne({ _id = 1, n = 1 }).insertedId, 1)
	test.equal(c:updateOne({ _id = 1 }, { ["$inc"] = { n = 2 } }).modifiedCount, 1)
	test.equal(c:findOne { _id = 1 }, { _id = 1, n = 3 })
	local err = test.raises("duplicate key", c.insertOne, c, { _id = 1 })
	test.equal({ err.code, err.outcome }, { 11000, "rejected" })
	local docs = {}
	for i = 1, 500 do
		docs[i] = { _id = 1000 + i, text = ("x"):rep(1000) }
	end
	test.equal(c:insertMany(docs).insertedCount, 500)
	local seen = 0
	for doc in c:findWith({ _id = { ["$gt"] = 1000 } }, { batchSize = 7 }):each() do
		seen = seen + 1
		test.equal(#doc.text, 1000)
	end
	test.equal(seen, 500)
	test.equal(c:countDocuments(), 501)
	local result = c:bulkWrite { { insertOne = { document = { _id = 2 } } }, { deleteOne = { filter = { _id = 1 } } } }
	test.truthy(result.deletedCount == 1 and result.insertedCount == 1)
	test.truthy(db.db:runCommand("ping").ok == 1)
	local session = db:startSession()
	local after = { session = session, returnDocument = "after" }
	test.equal(c:findOneAndUpdate({ _id = 2 }, { ["$set"] = { n = 5 } }, after).n, 5)
	session:endSession()
	c:insertOne({ _id = 3 }, { writeConcern = { w = 0 } })
	test.eventually("the write that nobody waits for", 10, function()
		return c:findOne { _id = 3 }
	end)
	local large = ("large\0"):rep(1000000)
	c:insertOne { _id = "large", text = large }
	test.truthy(c:findOne({ _id = "large" }).text == large)
end)

test.case("writes that nobody waits for cost no connection, whatever the server answers", function()
	local db = open(server.start():uri(), { size = 1 })
	for i = 1, 20 do
		db.db.c:insertOne({ _id = i }, { writeConcern = { w = 0 } })
	end
	test.equal(db.db.c:countDocuments(), 20)
	test.equal(stat(db).connects, 1)
end)

test.case("credentials are the connections' own business", function()
	local s = server.start { username = "ada", password = "secret" }
	local db = open(s:uri())
	db.db.c:insertOne { _id = 1 }
	test.equal(db.db.c:findOne({})._id, 1)
	local err = test.raises(".", pool.mongo, (s:uri():gsub("secret", "wrong")))
	test.equal({ err.code, err.outcome }, { "auth", "not sent" })
	test.equal(tostring(err):find("wrong", 1, true), nil)
end)

test.case("128 services share the connections, and one watch of the server", { timeout = 120 }, function()
	local s = server.start()
	local proxy = fault.start(s.port)
	local target = { host = "127.0.0.1", port = proxy.port }
	local list = callers(128, target, { size = 6 })
	local db = open(target)
	fill(db, 128 * 20)
	for i, result in ipairs(ask_all(list, function(i)
		return "find", 20, (i - 1) * 20 + 1
	end)) do
		test.truthy(result[1], result[2])
		test.equal({ result[2].answered, result[2].wrong }, { 20, nil }, "caller " .. i)
	end
	local now = stat(db)
	test.equal(now.options.size, 6)
	test.truthy(now.requests >= 128 * 20)
	-- Six, and one that asks how the server is.
	test.equal(proxy:stats().living, 7)
	test.truthy(pool.stat()[("mongo 127.0.0.1:%d"):format(proxy.port)])
end)

test.case("who asks for little does not wait for who asks for much", { timeout = 120 }, function()
	local s = server.start()
	local options = { size = 2, queue = 100000, queue_timeout = 60 }
	local list = callers(2, s:uri(), options)
	local db = open(s:uri())
	fill(db, 20)
	local n = 3000
	-- However slowly it comes, the server does not keep pace.
	s:freeze()
	skynet.send(list[1], "lua", "flood", n, 1)
	test.eventually("the flood", 20, function()
		return stat(db).queued > n / 10
	end)
	s:thaw()
	test.equal(skynet.call(list[2], "lua", "find", 20, 1).answered, 20)
	test.truthy(stat(db).queued > 0)
end)

test.case("overload is answered at once and says how long the queue is", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s:uri(), { size = 2, queue = 10, queue_timeout = 30 })
	local c = db.db.c
	fill(db, 1)
	s:freeze()
	local errors, done = {}, 0
	for _ = 1, 30 do
		skynet.fork(function()
			local ok, err = pcall(c.findOne, c, { _id = "d1" })
			done = done + 1
			errors[#errors + 1] = not ok and err or nil
		end)
	end
	test.eventually("the refusals", 10, function()
		return #errors >= 18
	end)
	test.equal({ errors[1].code, errors[1].outcome, errors[1].attempts }, { "overload", "not sent", 1 })
	test.matches(errors[1].message, "the queue is full: %d+ requests waiting")
	s:thaw()
	test.eventually("the others", 20, function()
		return done == 30
	end)
	test.equal(stat(db).overload, #errors)
end)

test.case("nobody waits in the queue, or for a reply, for longer than he said", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s:uri(), { size = 1, queue_timeout = 0.3 })
	local c = db.db.c
	fill(db, 1)
	s:freeze()
	local function find(timeout)
		return select(2, pcall(function()
			return c:findWith({ _id = "d1" }, { timeoutMS = timeout }):toArray()
		end))
	end
	local sent, waiting
	skynet.fork(function()
		sent = find(1000)
	end)
	skynet.sleep(5)
	skynet.fork(function()
		waiting = find(20000)
	end)
	test.eventually("both errors", 20, function()
		return sent and waiting
	end)
	test.equal({ sent.code, sent.outcome }, { "timeout", "maybe applied" })
	test.equal({ waiting.code, waiting.outcome }, { "overload", "not sent" })
	s:thaw()
	-- The connection in doubt is gone; the next request has another.
	test.eventually("an answer", 20, function()
		local ok, doc = pcall(c.findOne, c, { _id = "d1" })
		return ok and doc._id == "d1"
	end)
	test.equal(#stat(db).connections, 1)
	test.truthy(stat(db).timeouts >= 1)
end)

test.case("a pool changes its size while it works, and loses nothing", { timeout = 120 }, function()
	local s = server.start()
	local list = callers(8, s:uri(), { size = 8 })
	local db = open(s:uri())
	fill(db, 8 * 200)
	local results
	skynet.fork(function()
		results = ask_all(list, function(i)
			return "find", 200, (i - 1) * 200 + 1
		end)
	end)
	local sizes = { 1, 5, 2, 8, 3 }
	local i = 0
	while not results do
		i = i % #sizes + 1
		pool.set(db, { size = sizes[i] })
		skynet.sleep(3)
	end
	for _, result in ipairs(results) do
		test.equal({ result[2].answered, result[2].wrong, result[2].last }, { 200 })
	end
	pool.set(db, { size = 2 })
	test.eventually("two at most are left", 10, function()
		return #stat(db).connections <= 2
	end)
end)

test.case("what was accepted is finished when a pool is closed, and what comes later gets another", { timeout = 60 },
	function()
		local s = server.start()
		local list = callers(4, s:uri(), { size = 2 })
		local db = open(s:uri())
		fill(db, 400)
		local results
		skynet.fork(function()
			results = ask_all(list, function(i)
				return "find", 100, (i - 1) * 100 + 1
			end)
		end)
		local before = stat(db).address
		test.eventually("all to be at it", 30, function()
			return stat(db).requests > 20
		end)
		pool.close(db)
		test.eventually("all", 30, function()
			return results
		end)
		for _, result in ipairs(results) do
			test.equal({ result[2].answered, result[2].wrong, result[2].last }, { 100 })
		end
		db.db.c:findOne {}
		test.different(stat(db).address, before)
	end)

test.case("a service that is killed while it waits takes a connection with it, and nothing else", { timeout = 60 },
	function()
		local s = server.start()
		local db = open(s:uri(), { size = 2 })
		fill(db, 10)
		for _ = 1, 5 do
			local list = callers(2, s:uri(), {})
			s:freeze()
			local before = stat(db).requests
			skynet.call(list[1], "lua", "hold", 1)
			skynet.call(list[2], "lua", "hold", 2)
			test.eventually("both requests", 10, function()
				return stat(db).requests >= before + 2
			end)
			skynet.kill(list[1])
			skynet.kill(list[2])
			s:thaw()
			test.equal(db.db.c:findOne({ _id = "d3" })._id, "d3")
		end
	end)

test.case("the watch of the deployments and the directory of pools may be killed: new ones take over", { timeout = 60 },
	function()
	local s = server.start()
	local db = open(s:uri(), { size = 2 })
	db.db.c:insertOne { _id = "a", n = 1 }
	for _, name in ipairs { "reef_mongo", "reef_pools" } do
		local old = skynet.uniqueservice(name)
		skynet.kill(old)
		test.equal(db.db.c:findOne({ _id = "a" }).n, 1)
		local other = open(s:uri "appName=after-" .. name, { size = 2 })
		test.equal(other.db.c:findOne({ _id = "a" }).n, 1)
		test.different(skynet.uniqueservice(name), old)
	end
	-- The old one follows the new watch, too: a server that comes back is found.
	s:restart()
	test.eventually("it works again", 30, function()
		return pcall(db.db.c.findOne, db.db.c, { _id = "a" })
	end)
end)

test.case("a slow request is told to whoever asked", { timeout = 60 }, function()
	local s = server.start()
	local slow = {}
	local db = open(s:uri(), { slow = 0.2, on_slow = function(command, seconds)
		slow[#slow + 1] = { command, seconds }
	end })
	fill(db, 1)
	s:freeze()
	skynet.timeout(50, function()
		s:thaw()
	end)
	db.db.c:findOne { _id = "d1" }
	test.equal(slow[#slow][1], "find")
	test.truthy(slow[#slow][2] > 0.2)
	test.truthy(stat(db).slow >= 1)
end)

test.run()
