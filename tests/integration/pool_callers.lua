-- timeout: 300
-- Callers of pools are many: what each of them weighs, and that he is told the same whether he is the first who names a
-- target or one of those who are told what came of it.
local core = require "skynet.core"
local pool = require "reef.pool"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"

local MOST_KB <const> = { redis = 10, mongo = 100 } -- beside what comes with `require "reef.pool"`

local function target(s)
	return { host = "127.0.0.1", port = s.port }
end

test.case("a caller of a Redis pool is light", function()
	local s = server.start()
	test.defer(function()
		pcall(pool.close, pool.redis(target(s)))
	end)
	for _ = 1, 3 do
		test.service "weighed" -- from the third on it is a copy
	end
	local weighed = test.service "weighed"
	skynet.call(test.service "weighed", "lua", "weigh", "redis", target(s), { size = 2 })
	local kb, extra = skynet.call(weighed, "lua", "weigh", "redis", target(s), { size = 2 })
	test.truthy(kb < MOST_KB.redis, kb)
	test.equal(extra, false, "the rarely used part of skynet was loaded")
end)

test.case("a caller of a MongoDB pool is not heavy", function()
	local kb, extra = skynet.call(test.service "weighed", "lua", "weigh", "mongo",
		{ host = "127.0.0.1", port = 1, lazy = true })
	test.truthy(kb < MOST_KB.mongo, kb)
	test.equal(extra, false, "the rarely used part of skynet was loaded")
end)

local function one_of(random, list)
	return list[random(#list)]
end

-- Any target, with mistakes now and then.
local function any_target(random, s)
	local t = target(s)
	if random(3) == 1 then
		return ("redis://127.0.0.1:%d%s%s"):format(s.port, one_of(random, { "", "/0", "/1", "/x" }),
			one_of(random, { "", "", "?timeout=2", "?timeot=2", "?errors=object", "?limits_reply=1000" }))
	end
	for _ = 1, random(0, 3) do
		local name, value = table.unpack(one_of(random, {
			{ "db", 1 }, { "db", "2" }, { "db", -1 }, { "timeout", 1.5 }, { "timeout", "soon" }, { "errors", "object" },
			{ "errors", true }, { "resp", 3 }, { "resp", 4 }, { "port", tostring(s.port) }, { "name", "me" }, { "auth", {} },
			{ "limits", { reply = 100000 } }, { "limits", { replay = 1 } }, { "passwd", "x" }, { "mine", 1 }, { "tls", true },
			{ "connect_timeout", 1 }, { "info", true }, { "heartbeat", 0 / 0 },
		}))
		t[name] = value
	end
	return t
end

local function any_options(random)
	local options = {}
	for _ = 1, random(0, 3) do
		local name, value = table.unpack(one_of(random, {
			{ "size", 1 }, { "size", 0 }, { "sise", 1 }, { "queue", 10 }, { "routing", "key" }, { "routing", "lane" },
			{ "pool", "other" }, { "timeout", 3 }, { "timeout", -1 }, { "slow", 1 }, { "on_slow", 1 }, { "window", "wide" },
			{ "errors", "object" }, { "min", 1 },
		}))
		options[name] = value
	end
	return one_of(random, { options, options, options, nil, 7 })
end

local function without_place(text)
	return (text:gsub("[%w/._-]+%.lua:%d+: ", ""))
end

test.case("who comes later is told what the first was told", function()
	local s = server.start()
	local random = math.random
	local callers = { test.service "weighed", test.service "weighed", test.service "weighed" }
	local refused = 0
	for _ = 1, 150 do
		local named, options = any_target(random, s), any_options(random)
		local ok, first, lines = skynet.call(callers[1], "lua", "name", named, options)
		for i = 2, #callers do
			local again, later, more = skynet.call(callers[i], "lua", "name", named, options)
			test.equal({ again, without_place(later), more }, { ok, without_place(first), lines })
		end
		refused = refused + (ok and 0 or 1)
	end
	test.between(refused, 10, 140)
end)

test.case("a caller who was told has all that the first has", function()
	local s = server.start()
	local first = pool.redis(target(s), { size = 1 })
	test.defer(pcall, pool.close, first)
	local named, options = target(s), { size = 1, errors = "object", timeout = 3 }
	pool.redis(named, options):set("k", "v")
	local second = pool.redis(named, options)
	named.port, options.timeout = 1, 0.001 -- his tables are his own
	test.equal(second:get "k", "v")
	test.equal(second:status().bound, 0)
	second:multi()
	second:incr "n"
	test.equal(second:status().bound, 1)
	test.equal(second:exec(), { 1 })
	test.equal(second:blpop("none", 0.01), nil)
	test.raises("not an integer", second.incr, second, "k")
	local watch = pool.watch(second)
	watch:subscribe "news"
	first:publish("news", "hello")
	test.equal({ watch:message() }, { "hello", "news" })
	watch:disconnect()
	test.raises("would change a connection that others use", second.select, second, 1)
	pool.close(second)
	-- Who comes while it ends is told so; it is opened again then.
	test.eventually("the pool is there again", 10, function()
		local ok, value = pcall(second.get, second, "k")
		return ok and value == "v"
	end)
	test.equal(second[2].options.size, 1)
	second:disconnect()
end)

-- What a target may say of its place: each part is there or not, and may be said in more than one way.
local function random_place()
	local function maybe(f)
		return math.random(3) == 1 and f() or nil
	end
	local function pick(...)
		return (select(math.random(select("#", ...)), ...))
	end
	local function host()
		return pick("127.0.0.1", "127.0.0.2", "::1", "/tmp/none", "unix:/tmp/none")
	end
	local function number()
		return math.random(1, 9)
	end
	local function uri()
		local scheme = pick("redis", "redis", "redis", "redis", "rediss", "unix", "redis+unix", "redis+cluster",
			"redis+sentinel", "tcp", "REDIS")
		local authority = pick("127.0.0.1", "127.0.0.1:1", "127.0.0.1:2", "[::1]:2", "[::1]", "127.0.0.%31:3", "", ":4",
			"127.0.0.1:1,127.0.0.2:2", "127.0.0.1%3A")
		if scheme:find "unix" then
			authority = ""
		end
		local path = pick("", "/", "/3", "/name/4", "/tmp/none", "/5/")
		return ("%s://%s%s%s%s"):format(scheme, pick("", "", ":pw@", "me:p@w@"), authority, path, pick("", "", "?db=6",
			"?port=7", "?hosts=127.0.0.1:8", "?sentinels=127.0.0.1:9&master=m", "?timeout=1"))
	end
	local function fields(t)
		t.host, t.port, t.db, t.path = maybe(host), maybe(number), maybe(number), math.random(9) == 1 and "/tmp/none" or nil
		return t
	end
	return pick(uri(), uri(), fields {}, fields { uri = uri() }), math.random(3) == 1 and fields {} or {}
end

test.case("the name of a place is that of the server that is meant", function()
	local config = require "reef.redis.config"
	local named, turnsto = nil, core.turnsto
	test.defer(function()
		core.turnsto = turnsto
	end)
	-- The first name is said before anybody has read the words.
	function core.turnsto(name)
		named = named or name
		error("enough", 0)
	end
	local checked = 0
	for i = 1, 3000 do
		math.randomseed(test.seed + i)
		local words, given = random_place()
		named = nil
		pcall(pool.redis, words, given)
		local ok, conf = pcall(config.new, words, given)
		local place = named and named:match "^pool redis (.+)$"
		if ok and place then
			local where, db = place:match "^([^/]*)/?(%d*)$"
			local host, port = where:match "^%[(.-)%]:?(%d*)$"
			if not host then
				host, port = where:match "^([^:]*):?(%d*)$"
			end
			local what = ("seed %d: %s"):format(test.seed + i, place)
			test.equal(host, conf.host, what)
			test.equal(conf.kind, nil, what)
			test.equal(port == "" and conf.port or tonumber(port), conf.port, what)
			test.equal(db == "" and (conf.db or 0) or tonumber(db), conf.db or 0, what)
			checked = checked + 1
		end
	end
	test.truthy(checked > 100, checked)
end)

test.case("records name servers, and never a part of a password", function()
	local named, turnsto = {}, core.turnsto
	test.defer(function()
		core.turnsto = turnsto
	end)
	function core.turnsto(name)
		named[#named + 1] = name
		return turnsto(name)
	end
	local port = server.start().port
	pcall(pool.redis, ("redis://me:s3cr3t@127.0.0.1:%d/1"):format(port))
	test.equal(named[1], ("pool redis 127.0.0.1:%d/1"):format(port))
	-- Where somebody may write it, also by mistake.
	for _, uri in ipairs { "h?auth=s3cr3t", "h?timeout=1&sentinel_auth=a@s3cr3t", ":s3cr3t", "me:s3cr3t", ":s3cr3t?x@h:1",
		":s3cr3t/x@h", "s3cr3t@h", "a@s3cr3t@h:1", ":1?s3cr3t=4", ":1?auth=s3cr3t#", "me:s3cr3t#@h", "me:1/s3cr3t?a=/@h",
		"me://s3cr3t@h", ":a#//s3cr3t@h",
		":a#//s3cr3t", "me:1#//s3cr3t" } do
		for _, words in ipairs { "redis://" .. uri, { uri = "redis://" .. uri }, { host = "redis://" .. uri } } do
			pcall(function()
				pool.close(pool.redis(words, { connect_timeout = 0.01 }))
			end)
		end
	end
	for i = 1, #named do
		test.equal(named[i]:find("s3cr3t", 1, true), nil, named[i])
	end
end)

test.case("what could not be found out the first time is found out the next", function()
	local s = server.start()
	local first = pool.redis(target(s))
	test.defer(pcall, pool.close, first)
	local db, packed = pool.redis(target(s)), skynet.unpack
	function skynet.unpack()
		error "not enough memory"
	end
	local ok, err = pcall(db.blpop, db, "none", 0.01)
	skynet.unpack = packed
	test.equal(ok, false)
	test.matches(err, "not enough memory")
	test.equal(db:blpop("none", 0.01), nil)
end)

test.run()
