-- timeout: 300
-- Commands, replies and arguments of skynet.db.redis against a real server.
local core = require "reef.redis.core"
local redis = require "skynet.db.redis"
local client_of = require "test.redis_client"
local server = require "test.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local stream = require "test.stream"
local test = require "test"

local function connect(options)
	local s = server.start()
	return client_of(s, options), s
end

test.case("the old forms of a call mean what they meant", function()
	local db = connect()
	test.equal(db:set("k", "v"), "OK")
	test.equal(db:get "k", "v")
	test.equal(db:GET "k", "v")
	test.equal(db:get "none", nil)
	test.equal(db:ping(), "PONG")
	test.equal(db:ping(nil), "PONG")
	test.equal(db:mset { "a", 1, "b", 2 }, "OK")
	test.equal(db:mget { "a", "b", "c", n = 2 }, { "1", "2" })
	test.equal(db:config("get", "maxmemory"), { "maxmemory", "0" })
	test.equal(db:incr "n", 1)
	test.equal(db:rpush("l", "x", "y"), 2)
	test.equal(db:lrange("l", 0, -1), { "x", "y" })
	test.equal(db:lrange("none", 0, -1), {})
end)

test.case("numbers and booleans are sent as tostring prints them", function()
	local db = connect()
	db:mset("i", 7, "f", 1.0, "half", 0.5, "t", true, "no", false, "min", math.mininteger)
	local want = { "7", "1.0", "0.5", "true", "false", tostring(math.mininteger) }
	test.equal(db:mget("i", "f", "half", "t", "no", "min"), want)
end)

test.case("a command goes where it may when its arguments have become text", function()
	local forms = {
		function(db, arg) db:set("k", arg) end,
		function(db, arg) db:set { "k", arg } end,
		function(db, arg) db:pipeline { { "PING" }, { "SET", "k", arg } } end,
		function(db, arg)
			local one = { __index = { { "SET", "k", arg } }, __len = function() return 1 end }
			db:pipeline(setmetatable({}, one))
		end,
	}
	for _, form in ipairs(forms) do
		local db = connect()
		local calls = 0
		local arg = setmetatable({}, { __tostring = function()
			calls = calls + 1
			db:disconnect()
			return "v"
		end })
		local ok, err = pcall(form, db, arg)
		test.equal(ok, false)
		test.matches(tostring(err), "disconnected")
		test.equal(calls, 1)
	end
end)

test.case("what is sent without waiting for an answer is checked before it is known where it goes", function()
	local db = connect()
	local ends = setmetatable({}, { __tostring = function()
		db:disconnect()
		return "x"
	end })
	local handle = { db[1] }
	test.equal(core.send(handle, "PING"), true)
	test.equal(core.send(handle, "PING", ends), false)
	test.equal(core.send(handle, "PING"), false)
	test.raises("argument 2 is a table", core.send, handle, "PING", {})
end)

test.case("exists and sismember answer with booleans, other spellings with numbers", function()
	local db = connect()
	db:set("k", 1)
	db:sadd("s", "m")
	test.equal(db:exists "k", true)
	test.equal(db:exists "none", false)
	test.equal(db:exists { "k", "none" }, true)
	test.equal(db:exists("none", "k"), false)
	test.equal(db:sismember("s", "m"), true)
	test.equal(db:sismember("s", "x"), false)
	test.equal(db:EXISTS "k", 1)
	test.equal(db:SISMEMBER("s", "m"), 1)
end)

test.case("nulls in arrays are holes", function()
	local db = connect()
	db:set("a", 1)
	local reply = db:mget("none", "a", "none")
	test.equal(reply[1], nil)
	test.equal(reply[2], "1")
	test.equal(reply[3], nil)
end)

test.case("a nil argument is refused before anything is sent", function()
	local db = connect()
	local before = db:status().requests
	local err = test.raises("redis SET: argument 2 is nil %(nothing was sent%)", db.set, db, "a", nil, "EX", 10)
	test.equal(type(err), "string")
	test.raises("argument 1 is nil", db.set, db, nil, "v")
	test.raises("argument 2 is nil", db.mset, db, { "a", nil, "b", n = 3 })
	test.raises("argument 3 is nil", db.pipeline, db, { { "SET", "a", n = 3 } })
	test.equal(db:status().requests, before)
	test.equal(db:ping(), "PONG")
end)

test.case("what the server says no to is raised as a string, or as an object on request", function()
	local db, s = connect()
	db:set("k", "v")
	local err = test.raises("ERR value is not an integer", db.incr, db, "k")
	test.equal(type(err), "string")
	local _, where = pcall(function()
		local n = db:incr "k"
		return n
	end)
	test.matches(where, "^.*redis_commands.lua:%d+: ERR value is not an integer")
	local object = redis.error(where)
	test.equal({ object.code, object.outcome }, { "ERR", "rejected" })
	test.equal(redis.error(select(2, pcall(db.lpush, db, "k", 1))).code, "WRONGTYPE")

	local strict = redis.connect { host = "127.0.0.1", port = s.port, errors = "object" }
	local ok, e = pcall(strict.incr, strict, "k")
	test.equal(ok, false)
	test.equal({ e.code, e.outcome, e.command }, { "ERR", "rejected", "INCR" })
	test.matches(tostring(e), "^ERR value is not an integer")
	test.equal(e == socketchannel.error, false)
	test.equal(redis.error(e), e)
	strict:disconnect()
end)

test.case("an array with an error inside is raised as a whole", function()
	local db = connect()
	db:set("k", "v")
	db:multi()
	db:set("a", 1)
	db:incr "k"
	local ok, err = pcall(db.exec, db)
	test.equal(ok, false)
	test.equal(type(err), "table")
	test.equal(err[1], "OK")
	test.matches(err[2], "^ERR value is not an integer")
	test.equal(db:get "a", "1")
end)

test.case("an EXEC of which a command failed says which, and that the rest was applied", function()
	local s = server.start()
	local pool = require "reef.pool"
	local pooled = pool.redis { host = "127.0.0.1", port = s.port }
	test.defer(pcall, pool.close, pooled)
	local own = redis.connect { host = "127.0.0.1", port = s.port }
	test.defer(pcall, own.disconnect, own)
	for _, db in ipairs { own, pooled } do
		db:flushall()
		db:set("text", "ERR this is no error")
		local function check(err)
			test.equal({ err[1], err[2] }, { "OK", "ERR this is no error" })
			test.matches(err[3], "^WRONGTYPE")
			local want = "EXEC: command 3 %(LPUSH%) failed: WRONGTYPE .*; the other 3 of 4 commands were applied"
			test.matches(tostring(err), want)
			test.equal({ err.code, err.outcome, err.command, err.failed }, { "WRONGTYPE", "applied in part", "EXEC", { 3 } })
			local object = redis.error(err)
			test.equal({ object.code, object.outcome, object.failed }, { "WRONGTYPE", "applied in part", { 3 } })
			test.matches(tostring(object), "^" .. want)
			test.equal(object == socketchannel.error, false)
		end
		local ops = { { "SET", "a", 1 }, { "get", "text" }, { "lpush", "text", 1 }, { "INCR", "a" } }
		local function bracketed()
			return { { "MULTI" }, ops[1], ops[2], ops[3], ops[4], { "EXEC" } }
		end
		-- One after the other; what was refused before it was sent does not count.
		db:multi()
		db:set("a", 1)
		test.equal(pcall(db.set, db, "a", nil, 1), false)
		test.equal(pcall(db.pipeline, db, { { "SET", "a", {} } }), false)
		db:get "text"
		db:lpush("text", 1)
		db:incr "a"
		check(select(2, pcall(db.exec, db)))
		-- In pipelines, whole and in parts, with results and without.
		check(db:pipeline(bracketed(), {})[6].out)
		check(select(2, pcall(db.pipeline, db, bracketed())))
		db:multi()
		db:pipeline { ops[1], ops[2] }
		db:lpush("text", 1)
		check(db:pipeline({ ops[4], { "EXEC" } }, {})[2].out)
		db:pipeline { { "WATCH", "none" }, { "MULTI" }, ops[1] }
		db:get "text"
		check(select(2, pcall(db.pipeline, db, { ops[3], ops[4], { "EXEC" } })))
		test.equal(db:get "a", "2")
		test.equal(db:status().bound, 0)
		-- Several at once, and errors inside of what is no transaction.
		db:multi()
		for _ = 1, 5 do
			db:lpush("text", 1)
		end
		test.matches(select(2, pcall(db.exec, db)), "and 2 more failed; the other 0 of 5 commands were applied")
		local err = select(2, pcall(db.eval, db, "return {1, {err = 'MINE no'}}", 0))
		test.matches(err, "^redis: part 2 failed: MINE no")
		test.equal(redis.error(err).code, "MINE")
		-- One that the server refuses as a whole has applied nothing.
		db:multi()
		pcall(db.nosuchcommand, db)
		err = redis.error(select(2, pcall(db.exec, db)))
		test.equal({ err.code, err.outcome }, { "EXECABORT", "rejected" })
	end
end)

test.case("the code of an error is found wherever it was raised", function()
	local db = connect()
	db:set("k", "v")
	for code, f in pairs {
		ERR = function(...) return db:eval("error('boom: 12: here')", 0, ...) end,
		WRONGTYPE = function(...) return db:lpush("k", 1, ...) end,
		MY_CODE2 = function(...) return db:eval("return redis.error_reply('MY_CODE2 a:1: b')", 0, ...) end,
	} do
		local direct = select(2, pcall(function() local v = f() return v end))
		test.equal(redis.error(direct).code, code)
		test.equal(redis.error(select(2, pcall(f))).code, code)
	end
	test.equal(redis.error(select(2, pcall(db.eval, db, "error('boom')", 0))).code, "ERR")
	test.matches(redis.error(select(2, pcall(db.eval, db, "error('boom')", 0))).message, "^ERR .*boom")
	test.equal(redis.error(select(2, pcall(db.lpush, db, "k", 1))).code, "WRONGTYPE")
	test.equal(redis.error("MY DIR/file.lua:3: WRONGTYPE x").outcome, "rejected")
end)

test.case("a pipeline answers for each command, or with the last reply", function()
	local db = connect()
	local ops = { { "SET", "k", "v" }, { "incr", "k" }, { "GET", "k" }, { "get", "none" }, { "EXISTS", "k" } }
	local out = db:pipeline(ops, {})
	test.equal(#out, 5)
	test.equal(out[1], { ok = true, out = "OK" })
	test.equal(out[2].ok, false)
	test.matches(out[2].out, "^ERR value")
	test.equal(out[3], { ok = true, out = "v" })
	test.equal(out[4], { ok = true })
	test.equal(out[5], { ok = true, out = 1 })
	local given = { "before" }
	test.equal(db:pipeline({ { "PING" } }, given), given)
	test.equal(given, { "before", { ok = true, out = "PONG" } })
	test.equal(db:pipeline { { "SET", "k", 2 }, { "INCR", "k" } }, 3)
	test.raises("ERR value", db.pipeline, db, { { "SET", "k", "v" }, { "INCR", "k" } })
	test.equal(db:pipeline { { "INCR", "k" }, { "GET", "k" } }, "v")
	test.raises("pipeline is null", db.pipeline, db, {})
	test.raises("pipeline is null", db.pipeline, db)
end)

test.case("every type of reply in RESP2 and in RESP3", function()
	local s = server.start { "--enable-debug-command", "yes" }
	local want = {
		[2] = {
			string = "Hello World", integer = 12345, double = "3.141", array = { 0, 1, 2 }, set = { 0, 1, 2 },
			map = { 0, 0, 1, 1, 2, 0 }, bignum = "1234567999999999999999999999999999999",
			verbatim = "This is a verbatim\nstring", ["true"] = 1, ["false"] = 0,
		},
		[3] = {
			string = "Hello World", integer = 12345, double = 3.141, array = { 0, 1, 2 }, set = { 0, 1, 2 },
			map = { [0] = false, [1] = true, [2] = false }, bignum = "1234567999999999999999999999999999999",
			verbatim = "This is a verbatim\nstring", ["true"] = true, ["false"] = false,
		},
	}
	for resp = 2, 3 do
		local db = redis.connect { host = s.path, resp = resp }
		test.equal(db:status().resp, resp)
		for name, value in pairs(want[resp]) do
			local got = db:debug("protocol", name)
			if name == "map" and resp == 2 then
				test.equal(#got, 6, name)
			else
				test.equal(got, value, name .. " in RESP" .. resp)
			end
		end
		test.equal(db:debug("protocol", "null"), nil)
		test.matches(tostring(db:debug("protocol", "attrib")), "Some real reply")
		test.equal(db:ping(), "PONG")
		db:disconnect()
	end
	local db = redis.connect { host = s.path, resp = 3 }
	db:hset("h", "f", "v")
	db:zadd("z", 1.5, "m")
	db:sadd("s", "x")
	test.equal(db:hgetall "h", { f = "v" })
	test.equal(db:zscore("z", "m"), 1.5)
	test.equal(db:smembers "s", { "x" })
	db:disconnect()
end)

test.case("a push out of band disturbs nobody", function()
	local s = server.start()
	local db = redis.connect { host = s.path, resp = 3 }
	local other = redis.connect { host = s.path }
	db:set("k", 1)
	db:client("tracking", "on")
	for i = 1, 100 do
		test.equal(db:get "k", tostring(i))
		other:set("k", i + 1)
		test.equal(db:echo(i), tostring(i))
	end
	db:disconnect()
	other:disconnect()
end)

test.case("64 MB go there and back", { timeout = 120 }, function()
	local db = connect { timeout = 60 }
	local piece = {}
	for i = 1, 65536 do
		piece[i] = string.format("%016x", i * 2654435761)
	end
	local value = table.concat(piece):rep(64)
	test.equal(#value, 64 << 20)
	test.equal(db:set("big", value), "OK")
	test.truthy(db:get "big" == value)
	local both = db:mget("big", "none", "big")
	test.truthy(both[1] == value and both[3] == value)
end)

test.case("a pipeline of 100,000 commands", { timeout = 120 }, function()
	local n = test.count(100000)
	local db = connect { timeout = 60 }
	local ops = {}
	for i = 1, n do
		ops[i] = { "ECHO", i }
	end
	local out = db:pipeline(ops, {})
	test.equal(#out, n)
	for i = 1, n do
		if out[i].out ~= tostring(i) then
			test.fail("reply " .. i .. " is " .. tostring(out[i].out))
		end
	end
end)

test.case("8,192 coroutines on one connection each get their own reply", { timeout = 120 }, function()
	local db, s = connect { timeout = 60 }
	local width, each = test.count(8192), 20
	local left, wrong, me = width, 0, coroutine.running()
	for i = 1, width do
		skynet.fork(function()
			for j = 1, each do
				local mine = i .. ":" .. j
				if db:echo(mine) ~= mine then
					wrong = wrong + 1
				end
			end
			left = left - 1
			if left == 0 then
				skynet.wakeup(me)
			end
		end)
	end
	skynet.wait(me)
	test.equal(wrong, 0)
	-- Ours, and the one that counts.
	local _, connections = s:cli("CLIENT", "LIST"):gsub("id=", "")
	test.equal(connections, 2)
end)

test.case("what has no text is refused as nil is", function()
	local db = connect()
	for _, t in ipairs { { x = 1 }, { [2.5] = 1 }, { [print] = 1 }, { n = 0, x = 1 } } do
		test.raises("redis MSET: argument 1 is a table, and no list of arguments %(nothing was sent%)", db.mset, db, t)
	end
	for kind, v in pairs { table = {}, ["function"] = print, userdata = io.stdout, thread = coroutine.create(print) } do
		local before = db:status().requests
		test.raises("redis SET: argument 2 is a " .. kind .. " %(nothing was sent%)", db.set, db, "a", v)
		test.raises("argument 2 is a " .. kind, db.mset, db, { "a", v })
		test.raises("argument 3 is a " .. kind, db.pipeline, db, { { "PING" }, { "SET", "a", v } })
		test.raises("argument 3 is a " .. kind, redis.script "return 1", db, { v })
		test.equal(db:status().requests, before)
	end
	test.equal(db:exists "a", false)
	local w = redis.watch { host = db[2].conf.host, port = db[2].conf.port }
	test.raises("argument 2 is a table", w.subscribe, w, {})
	w:disconnect()
end)

test.case("numbers come back as they went", function()
	local db = connect()
	math.randomseed(test.seed)
	for _ = 1, 500 do
		local v = string.unpack("d", string.pack("j", math.random(0)))
		if v - v == 0 then
			db:set("f", v)
			test.truthy(tonumber(db:get "f") == v, v)
			db:zadd("z", v, "m")
			for _, score in db:zscan_iter "z" do
				test.truthy(score == v, v)
			end
		end
	end
	db:zadd("z", math.huge, "top", -math.huge, "bottom")
	for resp = 2, 3 do
		local other = redis.connect { host = db[2].conf.host, port = db[2].conf.port, resp = resp }
		local scores = {}
		for member, score in other:zscan_iter "z" do
			scores[member] = score
		end
		test.equal({ scores.top, scores.bottom }, { math.huge, -math.huge })
		other:disconnect()
	end
end)

test.case("options that nobody knows are refused everywhere", function()
	local db = connect()
	local pool = require "reef.pool"
	local target = { host = "127.0.0.1", port = db[2].conf.port }
	local pooled = pool.redis(target)
	test.defer(pcall, pool.close, pooled)
	local function refused(text, f, ...)
		test.raises("unknown option " .. text, f, ...)
	end
	refused("timout %(did you mean timeout%?%)", db.with, db, { timout = 1 })
	refused("timout %(did you mean timeout%?%)", pooled.with, pooled, { timout = 1 })
	refused("hearbeat %(did you mean heartbeat%?%)", redis.watch, { host = "127.0.0.1", hearbeat = 1 })
	refused("quue %(did you mean queue%?%)", pool.redis, target, { quue = 1 })
	refused("timout %(did you mean timeout%?%)", pool.redis, target, { timout = 1 })
	refused("prt %(did you mean port%?%)", pool.redis, { host = "127.0.0.1", prt = 1 })
	refused("gpa %(did you mean gap%?%)", pool.watch, pooled, { gpa = print })
	refused("gpa %(did you mean gap%?%)", pool.watch, target, { gpa = print })
	refused("siez %(did you mean size%?%)", pool.set, pooled, { siez = 1 })
	refused("cuont %(did you mean count%?%)", db.scan_iter, db, { cuont = 1 })
	test.raises("options are a table", db.with, db, 5)
end)

test.case("iterators see every key, field and member", function()
	local db = connect()
	local ops = {}
	for i = 1, 1000 do
		ops[#ops + 1] = { "SET", "key:" .. i, i }
		ops[#ops + 1] = { "HSET", "hash", "f" .. i, i }
		ops[#ops + 1] = { "SADD", "set", i }
		ops[#ops + 1] = { "ZADD", "ranking", i * 0.5, "m" .. i }
	end
	db:pipeline(ops)
	local seen = {}
	for key in db:scan_iter { match = "key:*", count = 50 } do
		seen[key] = true
	end
	for i = 1, 1000 do
		test.truthy(seen["key:" .. i])
	end
	local fields, members, scores = 0, 0, 0
	local have = {}
	for field, value in db:hscan_iter "hash" do
		test.equal(field, "f" .. value)
		fields = fields + (have[field] and 0 or 1)
		have[field] = true
	end
	for member in db:sscan_iter("set", { count = 10 }) do
		members = members + (have[member] and 0 or 1)
		have[member] = true
	end
	for member, score in db:zscan_iter "ranking" do
		test.equal(member, "m" .. math.tointeger(score * 2))
		scores = scores + (have[member] and 0 or 1)
		have[member] = true
	end
	test.equal({ fields, members, scores }, { 1000, 1000, 1000 })
end)

test.case("what would change a shared connection is refused", function()
	local db = connect()
	test.raises("redis.watch", db.subscribe, db, "ch")
	test.raises("nothing was sent", db.monitor, db)
	test.raises("nothing was sent", db.client, db, "reply", "off")
	test.raises("nothing was sent", db.pipeline, db, { { "PING" }, { "Subscribe", "ch" } })
	test.equal(db:ping(), "PONG")
end)

test.case("users, passwords, databases and names hold on every connection", function()
	local s = server.start { "--requirepass", "secret" }
	local admin = redis.connect { host = s.path, auth = "secret" }
	admin:acl("setuser", "bob", "on", ">pw:@/%", "~*", "+@all")
	local db = redis.connect("redis://bob:pw%3A%40%2F%25@127.0.0.1:" .. s.port .. "/3?name=arena")
	test.equal(db:acl "whoami", "bob")
	test.matches(db:client "info", "name=arena .* db=3 ")
	db:watch "k"
	test.matches(db:client "info", "name=arena .* db=3 ")
	test.equal(db:acl "whoami", "bob")
	db:unwatch()
	db:set("only", "here")
	db:select(4)
	test.equal(db:get "only", nil)
	db:watch "k"
	test.equal(db:get "only", nil)
	db:unwatch()
	local resp3 = redis.connect { uri = "unix://bob:pw%3A%40%2F%25@" .. s.path .. "?db=3", resp = 3 }
	test.equal(resp3:acl "whoami", "bob")
	test.equal(resp3:get "only", "here")

	for _, conf in ipairs {
		{ host = s.path, auth = "wrong" },
		{ host = s.path },
		{ host = s.path, auth = "secret", db = 99 },
		{ host = s.path, auth = "wrong", resp = 3 },
	} do
		local ok, err = pcall(function()
			local bad = redis.connect(conf)
			return bad:get "k"
		end)
		test.equal(ok, false)
		if conf.auth then
			test.equal({ err.code, err.outcome }, { "auth", "not sent" })
			test.matches(tostring(err), "^%[Error: socket%]")
			test.truthy(err == socketchannel.error)
		else
			test.matches(err, "NOAUTH")
		end
	end
end)

test.case("a disconnected db is of no use", function()
	local db = connect()
	db:set("k", 1)
	db:disconnect()
	test.equal(pcall(function()
		return db:get "k"
	end), false)
end)

test.case("errors have the line of the caller, whatever the command is", function()
	local db = connect()
	db:set("text", "x")
	for command, arguments in pairs {
		incr = { "text" }, nosuch = { 1 }, select = { 9999 }, client = { "nosuch" }, script = { "nosuch" }, watch = {},
		blpop = { "text", 1 }, exec = {}, subscribe = { "x" }, get = { print }, lpush = { "text", 1 }, eval = { "x", 0 },
		config = { "nosuch" }, pipeline = { { "x" } }, set = { "k", print }, auth = { print }, xread = { "x" }, asking = {},
	} do
		local ok, err = pcall(function()
			local reply = db[command](db, table.unpack(arguments)) -- no tail call
			return reply
		end)
		test.equal(ok, false, command)
		test.matches(err, "redis_commands%.lua:%d+: %S", command)
	end
	db:disconnect()
end)

test.case("a user who may not say HELLO is served in RESP2", function()
	local said = {}
	local port = stream.listen(function(id)
		for line in function() return socket.readline(id, "\r\n") or nil end do
			local words = {}
			for i = 1, tonumber(line:match "^%*(%d+)") do
				socket.readline(id, "\r\n")
				words[i] = socket.readline(id, "\r\n")
			end
			said[#said + 1] = table.concat(words, " ")
			socket.write(id, words[1] == "HELLO" and "-NOPERM this user has no permissions to run the 'hello' command\r\n"
				or words[1] == "GET" and "-NOPERM this user has no permissions to run the 'get' command\r\n" or "+OK\r\n")
		end
	end)
	local db = redis.connect { host = "127.0.0.1", port = port, username = "bob", auth = "pw", resp = 3, db = 2 }
	test.equal(db:set("who", "one"), "OK")
	test.raises("NOPERM", db.get, db, "who")
	test.equal(said, { "HELLO 3 AUTH bob pw", "SELECT 2", "AUTH bob pw", "SELECT 2", "SET who one", "GET who" })
	db:disconnect()
end)

test.run()
