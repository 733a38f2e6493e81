-- timeout: 400
-- State that stays on a connection: whatever somebody does to his, everybody else sees it as it was configured.
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local core = require "reef.redis.core"
local connect = require "test.redis_client"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"

-- Commands of a server with their categories, subcommands as "client|setname".
local function commands(db)
	local list = {}
	local function add(entry)
		list[entry[1]] = {}
		for _, category in ipairs(entry[7]) do
			list[entry[1]][category] = true
		end
		for _, part in ipairs(entry[10] or {}) do
			add(part)
		end
	end
	for _, entry in ipairs(db:command()) do
		add(entry)
	end
	return list
end

-- Those that the server counts among the ones about connections, messages and transactions, and that leave no trace.
local innocent = {}
for name in ([[ping echo command publish spublish pubsub client|getname client|getredir client|help client|id
	client|info client|kill client|list client|pause client|trackinginfo client|unblock client|unpause]]):gmatch "%S+" do
	innocent[name] = true
end

test.case("what the server counts among connections, messages and transactions is called harmless nowhere", function()
	local db = connect(server.start())
	local known, doubtful = 0, {}
	for name, categories in pairs(commands(db)) do
		local word, part = name:match "^([^|]+)|?(.*)$"
		part = part ~= "" and part or nil
		local harmless = core.harmless(word, part)
		if core.classify(word, part) ~= "ordinary" and core.classify(word, part) ~= "container" then
			test.equal(harmless, categories["@blocking"] or name:find "^wait" ~= nil, name)
		elseif categories["@connection"] or categories["@pubsub"] or categories["@transaction"] then
			test.equal(harmless, innocent[name] or innocent[word] or false, name)
		elseif not harmless then
			doubtful[#doubtful + 1] = name
		end
		known = known + (harmless and 1 or 0)
	end
	test.truthy(known > 200, known)
	-- CLIENT and SCRIPT without a word, and what nobody needs in a transaction.
	for _, name in ipairs(doubtful) do
		test.truthy(name:find "^debug" or name == "client" or name == "script", name)
	end
end)

-- What a connection looks like to the server, without what is different for each.
local function state_of(db)
	local info = db:client "info"
	local fields = {}
	for _, name in ipairs { "name", "db", "sub", "psub", "ssub", "multi", "user", "redir", "resp", "flags" } do
		fields[name] = (" " .. info):match(" " .. name .. "=(%S*)")
	end
	return fields
end

-- Not those that end, change or copy the server, nor the server's test of itself, which takes seconds.
local never = { shutdown = true, failover = true, replicaof = true, slaveof = true, migrate = true, sync = true,
	psync = true, restore = true, debug = true, client = true, acl = true, config = true, module = true, cluster = true,
	script = true, ["function"] = true, pfselftest = true }

test.case("each command that is called harmless leaves its connection as it was", { timeout = 60 }, function()
	local s = server.start()
	local db = connect(s, { resp = 3, name = "arena", db = 2, timeout = 5 })
	local names = {}
	for name in pairs(commands(db)) do
		if not name:find("|", 1, true) and core.harmless(name) and not never[name] then
			names[#names + 1] = name
		end
	end
	table.sort(names)
	math.randomseed(test.seed)
	local before, errors = state_of(db), 0
	-- All go to one and the same connection.
	local own = db[2].own
	for _, name in ipairs(names) do
		for given = 0, 4 do
			local arguments = {}
			for i = 1, given do
				arguments[i] = ({ "k" .. math.random(3), math.random(0, 3), "v", 0.01 })[math.random(4)]
			end
			if core.classify(name):find "block" and given > 0 then
				arguments[#arguments] = 0.01
			end
			local lease <close> = own:lease(db, 5)
			local what = name .. " " .. table.concat(arguments, " ")
			local ok, err = pcall(core.command(name:upper()), lease.db, table.unpack(arguments))
			-- There would be no connection any more to look at.
			test.truthy(ok or err.code ~= "timeout", what)
			errors = errors + (ok and 0 or 1)
			lease.done = true
			test.equal(state_of(lease.db), before, what)
		end
	end
	test.truthy(#names > 180 and errors < #names * 5, #names)
end)

-- ---- whatever somebody does ----

-- Things to do to a connection; `db` is in a transaction, or not.
local deeds = {
	function(db) return db:select(math.random(0, 9)) end,
	function(db) return db:auth("bob", "secret") end,
	function(db) return db:auth "wrong" end,
	function(db) return db:auth("nobody", "wrong") end,
	function(db) return db:client("setname", "mallory") end,
	function(db) return db:client { "SetName", "mallory" } end,
	function(db) return db:client("tracking", "on", "bcast") end,
	function(db) return db:client("no-evict", "on") end,
	function(db) return db:client("caching", "yes") end,
	function(db) return db:client("reply", "off") end,
	function(db) return db:hello(2) end,
	function(db) return db:hello(3, "AUTH", "bob", "secret") end,
	function(db) return db:reset() end,
	function(db) return db:quit() end,
	function(db) return db:monitor() end,
	function(db) return db:subscribe "x" end,
	function(db) return db:unsubscribe("x", "y") end,
	function(db) return db:ssubscribe "x" end,
	function(db) return db:readonly() end,
	function(db) return db:asking() end,
	function(db) return db:replconf("capa", "eof") end,
	function(db) return db:script("debug", "yes") end,
	function(db) return db:multi() end,
	function(db) return db:multi "x" end,
	function(db) return db:exec() end,
	function(db) return db:exec "x" end,
	function(db) return db:discard() end,
	function(db) return db:discard "x" end,
	function(db) return db:watch "touched" end,
	function(db) return db:unwatch() end,
	function(db) return db:unwatch "x" end,
	function(db) return db:eval("redis.call('select', 7) redis.setresp(3) return redis.call('set', 'x', 1)", 0) end,
	function(db) return db:set("k", 1) end,
	function(db) return db:incr "touched" end,
	function(db) return db:nosuchcommand(1) end,
	function(db) return db:blpop("none", 0.01) end,
	function(db) return db:with({ timeout = 0.02 }):blpop("none", 0) end,
	function(db) return db:xread("BLOCK", 10, "STREAMS", "none", "$") end,
}

-- The same as operations of pipelines.
local operations = {
	{ "SELECT", 5 }, { "AUTH", "bob", "secret" }, { "AUTH", "wrong" }, { "client", "setname", "mallory" },
	{ "CLIENT", "TRACKING", "ON", "BCAST" }, { "CLIENT", "CACHING", "YES" }, { "CLIENT", "REPLY", "SKIP" }, { "HELLO", 2 },
	{ "RESET" }, { "SUBSCRIBE", "x" }, { "UNSUBSCRIBE", "x", "y" }, { "ASKING" }, { "READONLY" }, { "MULTI" }, { "MULTI" },
	{ "MULTI", "x" }, { "EXEC" }, { "EXEC" }, { "EXEC", "x" }, { "DISCARD" }, { "DISCARD", "x" }, { "WATCH", "touched" },
	{ "UNWATCH" }, { "SET", "k", 1 }, { "INCR", "touched" }, { "NOSUCH" }, { "BLPOP", "none", 0.01 }, { "GET", "k" },
	{ "SCRIPT", "DEBUG", "YES" }, { "EVAL", "redis.call('select', 7) return 1", 0 },
}

local function pipeline(db)
	local ops = {}
	for i = 1, math.random(5) do
		ops[i] = operations[math.random(#operations)]
	end
	return db:pipeline(ops, math.random(2) == 1 and {} or nil)
end

-- A number of things in turn, by a coroutine that may forget what it has begun or fail in between.
local function misbehave(db, log)
	local function try(name, f)
		local ok, err = pcall(f, db)
		log[#log + 1] = name .. (ok and "" or " " .. tostring(err))
	end
	local begin, finish = ({ "watch", "multi" })[math.random(3)], ({ "exec", "unwatch", "discard" })[math.random(4)]
	if begin then
		try(begin, function() return db[begin](db, begin == "watch" and "touched" or nil) end)
	end
	for _ = 1, math.random(5) do
		local i = math.random(#deeds + 8)
		try(tostring(i), deeds[i] or pipeline)
	end
	if finish then
		try(finish, db[finish])
	end
end

local function check(db, want, log)
	local who = db:pipeline({ { "CLIENT", "INFO" }, { "ECHO", "mine" }, { "INCR", "touched" } }, {})
	local text = table.concat(log, "; ")
	test.equal(who[2], { ok = true, out = "mine" }, text)
	test.equal(math.type(who[3].out), "integer", text)
	for name, value in pairs(want) do
		test.equal((" " .. who[1].out):match(" " .. name .. "=(%S*)"), value, name .. " after " .. text)
	end
end

local function everybody_is_as_configured(db, rounds)
	local want = { db = "3", name = "arena", user = "alice", resp = "3", multi = "-1", sub = "0", psub = "0" }
	for _ = 1, rounds do
		local log, over = {}, 0
		for _ = 1, 2 do
			skynet.fork(function()
				misbehave(db, log)
				over = over + 1
			end)
		end
		test.eventually("their end", 30, function()
			return over == 2
		end)
		check(db, want, log)
		-- Transactions and blocking commands, too, on several connections at a time.
		local inside = 0
		test.together(3, function()
			db:watch "mine"
			inside = inside + 1
			for _ = 1, 50 do
				if inside < 3 then
					skynet.yield()
				end
			end
			local state = state_of(db)
			for name, value in pairs(want) do
				test.equal(state[name], value, name .. " in a transaction after " .. table.concat(log, "; "))
			end
			db:multi()
			db:incr "touched"
			test.equal(math.type((test.truthy(db:exec(), "somebody else's WATCH"))[1]), "integer")
		end)
		test.equal(db:blpop("none", 0.01), nil)
	end
	skynet.sleep(110)
end

local function start()
	local s = server.start()
	local admin = connect(s)
	for _, name in ipairs { "alice", "bob" } do
		admin:acl("setuser", name, "on", ">secret", "allcommands", "allkeys", "allchannels")
	end
	return s, ("redis://alice:secret@127.0.0.1:%d/3?resp=3&name=arena"):format(s.port)
end

test.case("whatever happens on connections of a service's own", { timeout = 150 }, function()
	local _, uri = start()
	local db = redis.connect(uri, { pool = 8 })
	test.defer(pcall, db.disconnect, db)
	math.randomseed(test.seed)
	-- What is said plainly, outside of a transaction, is meant for all: not here.
	local changing = {}
	for name, plain in pairs { select = 1, auth = 1, client = 1, readonly = 1 } do
		local method = redis.methods[name]
		changing[name] = plain and method
		rawset(redis.methods, name, function(self, ...)
			if not self[2].own:current() then
				error "not here"
			end
			return method(self, ...)
		end)
	end
	test.defer(function()
		for name, method in pairs(changing) do
			rawset(redis.methods, name, method)
		end
	end)
	rawset(redis.methods, "client", function(self, word, ...)
		if word ~= "info" and not self[2].own:current() then
			error "not here"
		end
		return changing.client(self, word, ...)
	end)
	everybody_is_as_configured(db, test.count(80))
	test.equal(db:status().bound, 0)
end)

test.case("whatever happens through pools", { timeout = 150 }, function()
	local _, uri = start()
	local db = pool.redis(uri, { pinned = 8, size = 2, queue_timeout = 30 })
	test.defer(pcall, pool.close, db)
	math.randomseed(test.seed)
	everybody_is_as_configured(db, test.count(60))
end)

test.case("what is said plainly on a connection of one's own holds for all that follow", { timeout = 60 }, function()
	local s, uri = start()
	local db = redis.connect(uri)
	test.defer(pcall, db.disconnect, db)
	local function all(field, value)
		test.equal(state_of(db)[field], value)
		db:watch "k"
		test.equal(state_of(db)[field], value)
		db:unwatch()
		db[2].link.connection:close()
		test.equal(state_of(db)[field], value)
	end
	db:watch "k"
	db:unwatch()
	db:select(4)
	all("db", "4")
	db:client("setname", "other")
	all("name", "other")
	db:auth("bob", "secret")
	all("user", "bob")
	db:client("no-evict", "on")
	all("flags", "e")
	db:client("tracking", "on", "bcast")
	all("flags", "tBe")
	-- What was refused is not remembered.
	test.raises("WRONGPASS", db.auth, db, "bob", "wrong")
	test.raises("out of range", db.select, db, 99)
	all("user", "bob")
	all("db", "4")
	-- One that was lent before does not come back.
	local waiting = true
	skynet.fork(function()
		db:watch "k"
		while waiting do
			skynet.yield()
		end
		db:unwatch()
		waiting = nil
	end)
	test.eventually("the other's transaction", 10, function()
		return db:status().bound == 1
	end)
	db:select(5)
	waiting = false
	test.eventually("its end", 10, function()
		return waiting == nil
	end)
	all("db", "5")
	test.truthy(s)
end)

test.case("SELECT in a transaction or a pipeline ends with it", function()
	local db = connect(server.start())
	for _, change in ipairs {
		function() db:multi() db:select(1) db:set("a", 1) test.equal(#db:exec(), 2) end,
		function() db:watch "x" db:select(1) db:unwatch() end,
		function() db:pipeline { { "SELECT", 1 }, { "SET", "a", 1 } } end,
		function() db:pipeline { { "MULTI" }, { "SELECT", 1 }, { "SET", "a", 1 }, { "EXEC" } } end,
		function() db:pipeline { { "MULTI" }, { "SELECT", 1 } } db:pipeline { { "SET", "a", 1 }, { "EXEC" } } end,
		function() db:multi() pcall(db.auth, db, "wrong") pcall(db.exec, db) end,
	} do
		change()
		db:multi()
		db:set("b", "mine")
		db:exec()
		test.equal(db:get "b", "mine")
		test.equal(db:exists "a", false)
		test.equal(db[2].conf.auth, nil)
		test.equal(state_of(db).db, "0")
		db:flushall()
	end
	-- What it was for does work.
	local out = db:pipeline({ { "SELECT", 1 }, { "SET", "a", 1 }, { "GET", "a" }, { "SELECT", 0 } }, {})
	test.equal(out[3], { ok = true, out = "1" })
	test.raises("put both into a pipeline", db.asking, db)
	test.raises("put both into a pipeline", db.client, db, "caching", "yes")
end)

test.case("a transaction that the server sees otherwise leaves nothing open", function()
	local db = connect(server.start())
	local admin = connect { port = db[2].conf.port }
	for _, mess in ipairs {
		function() db:watch "k" db:exec() end,
		function() db:watch "k" db:discard() end,
		function() db:watch "k" db:multi() db:discard "x" end,
		function() db:pipeline { { "MULTI" }, { "DISCARD", "x" } } end,
		function() db:pipeline { { "WATCH", "k" }, { "EXEC" } } end,
		function() db:pipeline({ { "MULTI" }, { "GET", "k" } }, {}) db:unwatch() db:exec "x" end,
		function() db:pipeline { { "MULTI" }, { "SET", "k", 1 }, { "EXEC", "x" } } end,
	} do
		pcall(mess)
		admin:set("k", math.random(1000))
		test.equal(db:echo "x", "x")
		for _ = 1, 3 do
			skynet.fork(function() pcall(db.discard, db) end)
			db:multi()
			db:echo "y"
			test.equal(db:exec(), { "y" })
		end
	end
	test.equal(db:status().bound, 0)
end)

test.run()
