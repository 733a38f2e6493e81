-- timeout: 200
-- A real Redis Cluster of six nodes: the way of commands, what is taken apart, transactions, pipelines, redirections,
-- subscriptions, replicas; the same through pools, and by the contract's names.
local clusters = require "test.redis_cluster"
local lock = require "reef.redis.lock"
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local test = require "test"
local c

local function cluster()
	c = c or clusters.start()
	return c
end

local function direct(options)
	local db = redis.connect(cluster():uri(), options)
	test.defer(pcall, db.disconnect, db)
	return db
end

local function pooled(options)
	local db = pool.redis(cluster():uri(), options)
	test.defer(pcall, pool.close, db)
	return db
end

local function keys_of(n, prefix)
	local list = {}
	for i = 1, n do
		list[i] = prefix .. i
	end
	return list
end

-- Node 1, 2 or 3, as long as nothing has been moved.
local function owner(db, key)
	local slot = db:keyslot(key)
	return slot <= 5460 and 1 or slot <= 10922 and 2 or 3
end

test.case("everything, on one cluster", { timeout = 180 }, function()
	cluster()
	local checks = {}
	local function check(name, f)
		checks[#checks + 1] = { name, f }
	end

	for kind, open in pairs { direct = direct, pool = pooled } do
		check(kind .. ": commands go to the node that has their key", function()
			local db = open()
			local list = keys_of(200, "k")
			for i, key in ipairs(list) do
				test.equal(db:set(key, i), "OK")
			end
			for i, key in ipairs(list) do
				test.equal(db:get(key), tostring(i))
			end
			test.equal(db:dbsize(), 200)
			local seen = 0
			for _ in db:scan_iter { count = 20 } do
				seen = seen + 1
			end
			test.equal(seen, 200)
			test.equal(#db:keys "*", 200)
			test.equal(db:status().redirections, 0)
			test.equal(db:exists "k1", true)
			test.equal(db:exists "none", false)
			db:sadd("set", "x")
			test.equal(db:sismember("set", "x"), true)
			test.equal(db:hset("hash", "f", 1), 1)
			test.equal(db:hgetall "hash", { "f", "1" })
			test.equal(db:set { "listed", 1 }, "OK")
			test.equal(db:object("encoding", "listed"), "int")
			test.equal(db:flushall(), "OK")
			test.equal(db:dbsize(), 0)
		end)

		check(kind .. ": commands on many keys are taken apart where that changes nothing", function()
			local db = open()
			local list = keys_of(100, "m")
			local pairs_of = {}
			for i, key in ipairs(list) do
				table.insert(pairs_of, key)
				table.insert(pairs_of, i)
			end
			test.equal(db:mset(pairs_of), "OK")
			test.equal(db:mget("m7", "none", "m100", "m1"), { "7", nil, "100", "1" })
			test.equal(db:EXISTS(list), 100)
			test.equal(db:exists(list), true)
			test.equal(db:touch(list), 100)
			test.equal(db:unlink("m1", "m2", "m3", "none"), 3)
			test.equal(db:del(list), 97)
			-- Of one slot they stay whole.
			test.equal(db:mset("{t}1", 1, "{t}2", 2), "OK")
			for _, name in ipairs { "mset", "msetnx" } do
				test.raises(("wrong number of arguments for '%s' command: 3, but each key has a value %%(nothing was sent%%)")
					:format(name), db[name], db, "a", 1, "b")
			end
			test.equal(db:mget("{t}2", "{t}1"), { "2", "1" })
			for name, args in pairs {
				sunion = { "a", "b" }, msetnx = { "a", 1, "b", 2 }, rename = { "a", "b" }, sinterstore = { "a", "b", "c" },
				zunion = { 2, "a", "b" }, bitop = { "AND", "a", "b" }, xread = { "STREAMS", "a", "b", 0, 0 },
				eval = { "return 1", 2, "a", "b" }, watch = { "a", "b" }, zunionstore = { "a", 1, "b" },
				sort = { "a", "STORE", "b" },
			} do
				local err = test.raises("CROSSSLOT", db[name], db, table.unpack(args))
				test.matches(tostring(err), name:upper())
				test.matches(tostring(err), "nothing was sent")
			end
			db:set("m1", 1)
			test.equal(redis.error(test.raises("WRONGTYPE", db.lpush, db, "m1", 1)).outcome, "rejected")
			db:flushall()
		end)

		check(kind .. ": transactions are in one slot, or refused", function()
			local db = open()
			test.equal(db:multi(), "OK")
			test.equal(db:set("{x}1", 1), "QUEUED")
			test.equal(db:incr "{x}1", "QUEUED")
			test.equal(db:exec(), { "OK", 2 })
			db:watch "{x}1"
			test.equal(db:get "{x}1", "2")
			db:multi()
			db:incr "{x}1"
			local done = {}
			skynet.fork(function()
				db:set("{x}1", 10)
				skynet.wakeup(done)
			end)
			skynet.wait(done)
			test.equal(db:exec(), nil)
			test.equal(db:get "{x}1", "10")
			db:multi()
			db:incr "{x}1"
			local err = test.raises("CROSSSLOT", db.incr, db, "{y}1")
			test.matches(tostring(err), "{x}1.*{y}1")
			test.raises("EXECABORT", db.exec, db)
			test.equal(db:get "{x}1", "10")
			db:multi()
			test.equal(db:exec(), {})
			db:multi()
			db:incr "{x}1"
			test.equal(db:discard(), "OK")
			test.raises("EXEC without MULTI", db.exec, db)
			test.equal(db:status().bound, 0)
			-- A coroutine that ends in between leaves nothing behind.
			skynet.fork(function()
				db:multi()
				db:incr "{x}1"
			end)
			skynet.sleep(2)
			test.equal(db:incr "{x}1", 11)
			db:flushall()
		end)

		check(kind .. ": pipelines are in one slot, batches anywhere", function()
			local db = open()
			test.equal(db:pipeline { { "SET", "{p}", 1 }, { "INCR", "{p}" } }, 2)
			local got = db:pipeline({ { "SET", "{p}", 5 }, { "LPUSH", "{p}", 1 }, { "GET", "{p}" } }, {})
			test.equal({ got[1].out, got[2].ok, got[3].out }, { "OK", false, "5" })
			local err = test.raises("CROSSSLOT", db.pipeline, db, { { "SET", "a", 1 }, { "SET", "b", 2 } }, {})
			test.matches(tostring(err), "nothing was sent")
			test.equal(db:exists "a", false)
			got = db:pipeline({ { "MULTI" }, { "INCR", "{p}" }, { "INCR", "{p}" }, { "EXEC" } }, {})
			test.equal(got[4].out, { 6, 7 })
			local ops = {}
			for i = 1, 100 do
				ops[i] = { "SET", "batch" .. i, i }
				ops[100 + i] = { "GET", "batch" .. i }
			end
			ops[201] = { "LPUSH", "batch1", 1 }
			got = db:batch(ops, {})
			for i = 1, 100 do
				test.equal({ got[i].out, got[100 + i].out }, { "OK", tostring(i) })
			end
			test.equal(got[201].ok, false)
			db:flushall()
		end)

		check(kind .. ": what cannot be dispatched is refused by name", function()
			local db = open()
			for _, name in ipairs { "select", "auth", "scan", "shutdown", "slaveof", "monitor", "subscribe", "client" } do
				local err = test.raises("No way to dispatch this command to Redis Cluster: " .. name, db[name], db, "x")
				test.matches(tostring(err), "nothing was sent")
			end
			test.equal(db:ping(), "PONG")
			test.equal(db:echo "x", "x")
			test.matches(db:info "server", "redis_version")
			test.equal(#db:nodes(), 6)
		end)

		check(kind .. ": locks have any name, and nodes those that they have", function()
			local db = open()
			for _, name in ipairs { "", "}x", "a}b", "{", "{}", "plain" } do
				local held = lock.acquire(db, name, { ttl = 5, wait = 0 })
				test.raises("held", lock.acquire, db, name, { wait = 0 })
				test.equal({ held:extend(), held:release() }, { true, true })
			end
			test.raises("redis lock: a name", lock.acquire, db)
			for _, name in ipairs { "nowhere", "", ":7000", "127.0.0.1:70000", 7 } do
				test.raises("redis: a node is named by", db.node, db, name)
			end
			test.raises("redis: a node is named by", db.node, db)
		end)

		check(kind .. ": scripts and functions are everywhere", function()
			local db = open()
			local sha = db:script("LOAD", "return ARGV[1]")
			for i = 1, 20 do
				test.equal(db:evalsha(sha, 1, "s" .. i, i), tostring(i))
			end
			test.equal(db:script("EXISTS", sha, ("0"):rep(40)), { 1, 0 })
			db:script "FLUSH"
			local script = redis.script "return KEYS[1] .. ARGV[1]"
			for i = 1, 20 do
				test.equal(script(db, { "s" .. i }, "!"), "s" .. i .. "!")
			end
			test.equal(script(db, { "{s}1" }, "!"), "{s}1!")
			test.equal(redis.script "return 5"(db), 5)
			db:FUNCTION("LOAD", "REPLACE", "#!lua name=lib\nredis.register_function('f', function(k, a) return k[1] end)")
			for i = 1, 20 do
				test.equal(db:fcall("f", 1, "s" .. i), "s" .. i)
			end
			db:FUNCTION "FLUSH"
		end)

		check(kind .. ": commands that block delay nobody, and are redirected", function()
			local db = open()
			local got
			skynet.fork(function()
				got = db:blpop("list", 5)
			end)
			skynet.sleep(5)
			test.equal(db:ping(), "PONG")
			db:rpush("list", "x")
			test.eventually("the element", 5, function()
				return got
			end)
			test.equal(got, { "list", "x" })
			-- A key that is not there yet is asked for where its slot goes.
			local slot = db:keyslot "{moving}"
			local from, to = owner(db, "{moving}"), owner(db, "{moving}") % 3 + 1
			cluster():begin_move(slot, from, to)
			test.equal(db:blpop("{moving}1", 0.05), nil)
			local pushed, popped = db:rpush("{moving}2", "y"), db:blpop("{moving}2", 1)
			test.equal({ pushed, popped }, { 1, { "{moving}2", "y" } })
			test.equal(db:xread("BLOCK", 20, "STREAMS", "{moving}3", "$"), nil)
			test.equal(db:xread("STREAMS", "{moving}3", "0"), nil)
			local err = test.raises("ASK", function()
				local short = db:with { timeout = 0.3 }
				return short:watch "{moving}4"
			end)
			test.equal(redis.error(err).outcome, "rejected")
			-- Whoever has watched what is elsewhere then, and heard so, begins anew.
			db:set("{moving}5", 1)
			cluster():move_keys(slot, from, to)
			cluster():end_move(slot, from, to)
			db:watch "{moving}5"
			cluster():move(slot, to, from)
			test.raises("MOVED", db.get, db, "{moving}5")
			db:watch "{moving}5"
			test.equal(db:get "{moving}5", "1")
			db:multi()
			db:incr "{moving}5"
			test.equal(db:exec(), { 2 })
			test.equal(db:with { timeout = 5 }:wait(0, 100) >= 0, true)
		end)

		check(kind .. ": MOVED, ASK and TRYAGAIN", function()
			local db = open()
			local slot = db:keyslot "{mv}1"
			local from = owner(db, "{mv}1")
			local to = from % 3 + 1
			test.equal(db:mset("{mv}1", 1, "{mv}2", 2), "OK")
			c:begin_move(slot, from, to)
			-- Keys that are not there yet are asked for at the new node, others at the old one.
			test.equal(db:set("{mv}new", 3), "OK")
			test.equal(db:get "{mv}1", "1")
			test.equal(c.nodes[to]:cli("CLUSTER", "COUNTKEYSINSLOT", slot), "1")
			test.equal(db:pipeline({ { "GET", "{mv}1" }, { "GET", "{mv}new" }, { "EXISTS", "{mv}none" } }, {})[2].out, "3")
			local got
			skynet.fork(function()
				got = { pcall(db.mget, db, "{mv}1", "{mv}new", "{mv}2") }
			end)
			skynet.sleep(10)
			test.equal(got, nil, "TRYAGAIN is waited for")
			c:move_keys(slot, from, to)
			c:end_move(slot, from, to)
			test.eventually("the end of the move", 10, function()
				return got
			end)
			test.equal(got, { true, { "1", "3", "2" } })
			test.equal(db:exists "{mv}1", true)
			test.truthy(db:status().redirections > 0)
			local before = db:status().redirections
			test.eventually("the new map", 10, function()
				db:get "{mv}1"
				local now = db:status().redirections
				local same = now == before
				before = now
				return same
			end)
			local other = open()
			test.equal(other:pipeline({ { "MULTI" }, { "INCR", "{mv}1" }, { "EXEC" } }, {})[3].out, { 2 })
			c:move(slot, to, from)
			test.equal(other:pipeline({ { "MULTI" }, { "INCR", "{mv}1" }, { "EXEC" } }, {})[3].out, { 3 })
			db:flushall()
		end)

		check(kind .. ": replicas are read from where that was asked for", function()
			local writer = open()
			for i = 1, 30 do
				writer:set("r" .. i, i)
			end
			writer:wait(1, 1000)
			for _, read in ipairs { "replica", "any", "nearest" } do
				local db = open { read = read }
				for i = 1, 30 do
					test.equal(db:get("r" .. i), tostring(i))
				end
				db:set("r1", 1)
				test.equal(db:status().redirections, 0)
			end
			local reads = 0
			for i = 4, 6 do
				reads = reads + tonumber(c.nodes[i]:cli("INFO", "commandstats"):match "cmdstat_get:calls=(%d+)" or 0)
			end
			test.truthy(reads >= 30, "reads on replicas: " .. reads)
			writer:flushall()
		end)
	end

	check("a name: only a cluster is one, and there has to be one", function()
		test.raises("connect", redis.connect, { hosts = { "127.0.0.1:1" }, connect_timeout = 0.5 })
		test.raises("hosts are a list", redis.connect, { hosts = { "x:y:z" } })
		test.raises("read is", redis.connect, { hosts = { "x" }, read = "all" })
		local db = redis.connect { host = "127.0.0.1", port = c.nodes[5].port, cluster = true }
		test.equal(db:set("one seed", 1), "OK")
		db:disconnect()
	end)

	check("NAT: addresses are what we are told to use", function()
		local proxies, nat = {}, {}
		for i, node in ipairs(c.nodes) do
			proxies[i] = require("test.proxy").start(node.port)
			nat["127.0.0.1:" .. node.port] = "localhost:" .. proxies[i].port
		end
		local db = redis.connect { hosts = { "127.0.0.1:" .. proxies[1].port }, nat = nat }
		test.defer(db.disconnect, db)
		for i = 1, 30 do
			test.equal(db:set("n" .. i, i), "OK")
		end
		for _, node in ipairs(db:nodes()) do
			test.matches(node.address, "localhost")
		end
		test.truthy(proxies[2]:stats().connections > 0)
		db:flushall()
	end)

	check("subscriptions, sharded ones too, come from any node", function()
		local db = direct()
		for kind, w in pairs { direct = redis.watch(c:uri()), pool = pool.watch(pooled()) } do
			local got = {}
			skynet.fork(function()
				pcall(function()
					while true do
						local message = table.concat({ w:message() }, " ")
						table.insert(got, message)
					end
				end)
			end)
			w:subscribe "news"
			w:psubscribe "p*"
			for i = 1, 10 do
				w:ssubscribe("shard" .. i)
			end
			test.eventually("the subscriptions of " .. kind, 10, function()
				db:publish("news", "1")
				return #got > 0
			end)
			skynet.sleep(10)
			got = {}
			db:publish("news", 2)
			db:publish("pp", 3)
			for i = 1, 10 do
				db:spublish("shard" .. i, i)
			end
			test.eventually("messages", 10, function()
				return #got >= 12
			end)
			table.sort(got)
			test.equal(got[1], "1 shard1")
			test.equal(got[12], "9 shard9")
			w:disconnect()
		end
	end)

	check("a sharded channel is followed when its slot moves", function()
		local db = direct()
		local told = 0
		local w = redis.watch(c:uri(), { gap = function()
			told = told + 1
		end })
		local slot, from = db:keyslot "{ch}", owner(db, "{ch}")
		local to = from % 3 + 1
		w:ssubscribe "{ch}"
		local got
		skynet.fork(function()
			while got ~= "end" do
				got = w:message()
			end
		end)
		test.eventually("a message", 10, function()
			db:spublish("{ch}", "one")
			return got == "one"
		end)
		c:move(slot, from, to)
		test.eventually("a message from elsewhere", 10, function()
			db:spublish("{ch}", "two")
			return got == "two"
		end)
		test.truthy(w.gaps > 0)
		c:move(slot, to, from)
		test.eventually("a message from where it was", 10, function()
			db:spublish("{ch}", "end")
			return got == "end"
		end)
		w:disconnect()
	end)

	check("a pool is shared by all services, and its pools have statistics by address", function()
		local db = pooled()
		db:flushall()
		local callers = {}
		for i = 1, 10 do
			callers[i] = test.service "pool_caller"
			skynet.call(callers[i], "lua", "open", c:uri())
		end
		test.together(10, function(i)
			for j = 1, 20 do
				test.equal(skynet.call(callers[i], "lua", "call", "set", ("s%d:%d"):format(i, j), j), "OK")
			end
		end)
		db:dbsize()
		local masters = 0
		for address, stat in pairs(pool.stat(db)) do
			test.matches(address, "^127.0.0.1:%d+$")
			test.truthy(#stat.connections <= 4)
			masters = masters + 1
		end
		test.equal(masters, 3)
		-- Whoever closes it does not disturb others: what was not sent is sent through the next one.
		local done = 0
		for i = 1, 10 do
			skynet.fork(function()
				for j = 1, 50 do
					test.equal(skynet.call(callers[i], "lua", "call", "set", ("t%d:%d"):format(i, j), j), "OK")
				end
				done = done + 1
			end)
		end
		for _ = 1, 3 do
			pool.close(db)
			skynet.sleep(2)
		end
		test.eventually("all writes", 20, function()
			return done == 10
		end)
		test.equal(db:dbsize(), 700)
		db:flushall()
	end)

	check("the contract's names", function()
		local cluster_module = require "skynet.db.redis.cluster"
		local messages = {}
		local hosts = {}
		for i, node in ipairs(c.nodes) do
			hosts[i] = { host = "127.0.0.1", port = node.port }
		end
		local rc = cluster_module.new(hosts, { max_connections = 256, read_slave = true, db = 0 }, function(...)
			table.insert(messages, table.concat({ ... }, " "))
		end)
		for i = 1, 50 do
			test.equal(rc:set("c" .. i, i), "OK")
			test.equal(rc:call("get", "c" .. i), tostring(i))
			test.equal(rc:GET("c" .. i), tostring(i))
		end
		test.equal(rc:keyslot "foo", 12182)
		test.equal(rc:keyslot "{foo}bar", 12182)
		test.equal(rc:keyslot "{}bar", rc:keyslot "{}bar")
		test.equal(rc:exists "c1", true)
		for _, name in ipairs { "info", "multi", "exec", "slaveof", "config", "shutdown", "ping", "INFO", "dbsize" } do
			test.raises("^No way to dispatch this command to Redis Cluster: " .. name .. "$", rc[name], rc)
			test.raises("^No way to dispatch this command to Redis Cluster: " .. name .. "$", rc.call, rc, name)
		end
		test.raises("^No way to dispatch this command to Redis Cluster: config$", rc.config, rc, "get", "x")
		test.equal(rc:eval("return {KEYS[1],ARGV[1]}", 2, "{k}1", "{k}2", "a"), { "{k}1", "a" })
		test.raises("slot", rc.eval, rc, "return 1", 2, "a", "b")
		test.raises("No way to dispatch this command to Redis Cluster: eval", rc.eval, rc, "return 1", 0)
		rc:lpush("l", 1)
		test.raises("^WRONGTYPE", rc.get, rc, "l")
		local plain = rc:get_random_connection()
		test.matches(plain:info "server", "redis_version")
		test.equal(rc:get_connection_by_slot(rc:keyslot "c1"):get "c1", "1")
		test.truthy(next(rc.connections))
		rc:subscribe "world"
		rc:psubscribe "wo*"
		test.eventually("messages", 10, function()
			rc:publish("world", "hello")
			local all = table.concat(messages, "\n")
			return all:find "hello world\n" and all:find "hello world wo%*"
		end)
		rc:flush_slots_cache()
		test.equal(rc:get "c1", "1")
		rc:close_all_connection()
		test.equal(rc:get "c1", "1")
		rc:close_all_connection()
		local gone = cluster_module.new({ host = "127.0.0.1", port = 1 }, { timeout = 0.3, connect_timeout = 0.3 })
		local err = test.raises("socket", gone.get, gone, "a")
		test.equal(err.outcome, "not sent")
		test.raises("unknown option", cluster_module.new, hosts, { readslave = true })
	end)

	table.sort(checks, function(a, b)
		return a[1] < b[1]
	end)
	for _, one in ipairs(checks) do
		local ok, err = xpcall(one[2], debug.traceback)
		if not ok then
			test.fail(one[1] .. ": " .. tostring(err))
		end
	end
end)

test.run()
