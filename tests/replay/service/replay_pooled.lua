-- The service that is recorded: it uses pools, as chance says, and all that comes of it goes into its fingerprint:
-- `redis-port mongo-port mysql-port postgres-port`, 0 where there is none.
local fingerprint = require "fingerprint"
local pool = require "reef.pool"
local skynet = require "skynet"

local ports = {}
for i, port in ipairs { ... } do
	ports[i] = tonumber(port) ~= 0 and tonumber(port) or nil
end
local redis_port, mongo_port, mysql_port, postgres_port = ports[1], ports[2], ports[3], ports[4]

local note = fingerprint.note
local db, cached, collection, client, sql, heard

local plays = {}

function plays.commands(n)
	note(pcall(db.set, db, "key" .. n, n))
	note(pcall(db.get, db, "key" .. n))
	note(pcall(db.incrby, db, "sum", math.random(9)))
	note(pcall(db.lpush, db, "key" .. n, 1))
	note(pcall(db.exists, db, "none"))
end

function plays.large(n)
	local ok, value = pcall(db.echo, db, ("x"):rep(math.random(200000)) .. n)
	note(ok, ok and #value or value)
end

function plays.pipeline(n)
	local ok, replies = pcall(db.pipeline, db, { { "SET", "x", n }, { "GET", "x" }, { "LPUSH", "x", 1 } }, {})
	note(ok, replies)
	for _, reply in ipairs(ok and replies or {}) do
		note(reply.ok, reply.out)
	end
end

function plays.transaction(n)
	note(pcall(function()
		db:watch "sum"
		local sum = db:get "sum"
		db:multi()
		db:set("sum", tonumber(sum or 0) + n)
		if math.random(4) == 1 then
			error "given up"
		elseif math.random(4) == 1 then
			return db:discard()
		end
		return table.unpack(db:exec())
	end))
end

-- Values that services share.
function plays.cache(n)
	note(pcall(cached.get, cached, "key" .. n), pcall(cached.get, cached, "key" .. math.random(30)))
	note(pcall(cached.get, cached, "none"), pcall(cached.get, cached, n))
	note(pcall(cached.set, cached, "key" .. n, math.random(100)))
	note(pcall(cached.get, cached, "key" .. n))
	local ok, all = pcall(cached.mget, cached, "key1", "none", "key" .. n)
	note(ok, ok and all[1] or all, ok and all[3])
	note(cached:cache_stat().hits, cached:cache_stat().on)
end

-- A connection of its own, and a time-out of the server's or the caller's.
function plays.blocking(n)
	local view = db:with { timeout = 0.001 * math.random(20) }
	note(pcall(view.blpop, view, "list", 0.01))
	note(pcall(db.rpush, db, "list", n))
	note(pcall(db.blpop, db, "list", 0.01))
end

function plays.timeout()
	local view = db:with { timeout = 0.002 }
	note(pcall(view.eval, view, "local t = redis.call('TIME') for i = 1, 200000 do t[1] = i end return t", 0))
end

-- Whoever has asked goes away.
function plays.cancelled()
	local co = skynet.fork(function()
		db:brpop("nobody's", 0)
	end)
	skynet.sleep(math.random(0, 1))
	skynet.killthread(co)
end

function plays.publish(n)
	note(pcall(db.publish, db, "news", n))
end

function plays.views()
	note(db:status().in_flight, db:status().ready)
	local ok, stat = pcall(pool.stat, db)
	note(ok, ok and #stat.connections)
end

function plays.mongo(n)
	if not collection then
		return
	end
	note(pcall(collection.insertOne, collection, { _id = n .. " " .. math.random(1 << 40), n = n, x = math.random() }))
	local ok, cursor = pcall(collection.find, collection, { n = n })
	local found = 0
	note(ok, pcall(function()
		for doc in cursor:sort({ _id = 1 }):limit(50):each() do
			found = found + doc.x
		end
	end))
	note(found, pcall(collection.updateOne, collection, { n = n }, { ["$inc"] = { x = 1 } }))
	note(pcall(client.replay.runCommand, client.replay, "nonsense", 1))
	note(pcall(collection.insertMany, collection, { { _id = 1 }, { _id = 1 } }))
end

function plays.bulk(n)
	if not collection then
		return
	end
	local docs = {}
	for i = 1, 200 do
		docs[i] = { n = "bulk", i = i, x = math.random(), at = skynet.time() }
	end
	local ok, result = pcall(collection.insertMany, collection, docs)
	note(n, ok, ok and result.insertedCount or result)
	local count = 0
	note(pcall(function()
		for doc in collection:find({ n = "bulk" }, nil, { batchSize = 70 }):each() do
			count = count + doc.i
			if count > 30000 then
				break
			end
		end
	end))
	note(count)
end

function plays.sql(n)
	for _, one in ipairs(sql) do
		note(pcall(one.query, one, "INSERT INTO played VALUES (" .. n .. ", 'it''s " .. math.random(100) .. "')"))
		local ok, rows = pcall(one.query, one, "SELECT n, t FROM played WHERE n = " .. n)
		note(ok, #rows, ok and rows[1] and rows[1].t or rows)
		note(pcall(one.query, one, "SELECT nonsense FROM nowhere"))
		note(pcall(one.transaction, one, function(t)
			t:query("UPDATE played SET t = 'again' WHERE n = " .. n)
			if math.random(3) == 1 then
				error "given up"
			end
			return #t:query "SELECT * FROM played"
		end))
		local count = 0
		note(pcall(function()
			for row in one:rows "SELECT n FROM played" do
				count = count + tonumber(row.n)
			end
		end))
		note(count)
	end
end

local names = {}
for name in pairs(plays) do
	names[#names + 1] = name
end
table.sort(names)

local command = {}

function command.play(n)
	for _ = 1, math.random(3) do
		local name = names[math.random(#names)]
		note(name)
		plays[name](n)
	end
	skynet.retpack(fingerprint.hash())
end

function command.each(n)
	for _, name in ipairs(names) do
		plays[name](n)
	end
	skynet.retpack(fingerprint.hash())
end

function command.quit()
	note("heard", heard)
	fingerprint.print()
	skynet.retpack(true)
	skynet.exit()
end

skynet.start(function()
	db = pool.redis({ host = "127.0.0.1", port = redis_port }, { size = 3, errors = "object", pinned = 6,
		routing = "key", slow = 0.001, on_slow = function(what)
			note("slow", what)
		end })
	cached = require("reef.redis.cache").open({ host = "127.0.0.1", port = redis_port, errors = "object" }, { db = db })
	heard = 0
	local watch = pool.watch(db, { gap = function(info)
		note("gap", info.why)
	end })
	watch:subscribe "news"
	skynet.fork(function()
		while true do
			note("news", watch:message())
			heard = heard + 1
		end
	end)
	if mongo_port then
		client = pool.mongo({ host = "127.0.0.1", port = mongo_port, timeoutMS = 5000 }, { size = 2 })
		collection = client.replay.played
	end
	sql = {}
	if mysql_port then
		local target = { host = "127.0.0.1", port = mysql_port, user = "root", database = "played" }
		sql[#sql + 1] = pool.mysql(target, { size = 2 })
	end
	if postgres_port then
		sql[#sql + 1] = pool.postgres({ host = "127.0.0.1", port = postgres_port, user = "postgres" }, { size = 2 })
	end
	for _, one in ipairs(sql) do
		one:query "CREATE TABLE played (n INTEGER, t VARCHAR(100))"
	end
	skynet.dispatch("lua", function(_, _, what, ...)
		command[what](...)
	end)
end)
