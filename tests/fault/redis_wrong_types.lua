-- timeout: 200
-- Servers whose replies are of other types than they should be, too long, too deep or cut off, wherever a client asks
-- by itself or takes replies apart: logins, maps of clusters, Sentinels, transactions, scans, scripts, subscriptions,
-- tracking. One part of one kind of reply is changed, as a seed says. Whoever asked gets a value, or an error that is
-- told as one of the server's or of the connection, in time; nobody trips over what has come; and when the server has
-- come to its senses, it is used again.
local errors = require "reef.channel.error"
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local skynet = require "skynet"
local test = require "test"

local TRIALS = test.count(tonumber(os.getenv "REEF_TEST_ROUNDS") or 300)
local AT_ONCE = 16
local TIMEOUT = 0.4 -- seconds

-- ---- replies, right and wrong ----

local function status(text)
	return { status = text }
end

local function map(list)
	return { map = list }
end

local function encode(value)
	if type(value) == "table" and value.bytes then
		return value.bytes
	elseif type(value) == "table" and value.status then
		return "+" .. value.status .. "\r\n"
	elseif type(value) == "table" then
		local list = value.map or value
		local parts = { value.map and "%" .. #list // 2 .. "\r\n" or "*" .. #list .. "\r\n" }
		for i, item in ipairs(list) do
			parts[i + 1] = encode(item)
		end
		return table.concat(parts)
	elseif math.type(value) == "integer" then
		return ":" .. value .. "\r\n"
	end
	return ("$%d\r\n%s\r\n"):format(#value, value)
end

local strange = {
	":5\r\n", ":-1\r\n", ":0\r\n", ":9223372036854775807\r\n", ":-9223372036854775808\r\n",
	":99999999999999999999\r\n", ":x\r\n", ":\r\n", "+\r\n", "+x\r\n", "+OK\r\n", "+QUEUED\r\n", "-ERR no\r\n",
	"-\r\n", "-MOVED 1 x\r\n", "-MOVED 16384 127.0.0.1:1\r\n", "-ASK 1 :0\r\n", "-NOPROTO no\r\n",
	"-LOADING wait\r\n", "-READONLY no\r\n", "-NOSCRIPT no\r\n", "$-1\r\n", "$0\r\n\r\n", "$-2\r\n",
	"$3\r\nabcde\r\n", "$5\r\nab", "$99999999999\r\nab", "$x\r\n", "*-1\r\n", "*-2\r\n", "*0\r\n", "*1\r\n",
	"*99999999\r\n", "*1\r\n*-1\r\n", "*2\r\n$-1\r\n:1\r\n", "*2\r\n:1\r\n$-1\r\n",
	("*1\r\n"):rep(300) .. ":1\r\n", "_\r\n", "#t\r\n", "#f\r\n", "#x\r\n", ",1.5\r\n", ",nan\r\n", ",inf\r\n",
	",x\r\n", "(12345678901234567890\r\n", "!5\r\nERR x\r\n", "=7\r\ntxt:abc\r\n", "=2\r\nab\r\n",
	"%1\r\n+a\r\n:1\r\n", "%1\r\n_\r\n_\r\n", "%1\r\n,nan\r\n:1\r\n", "%0\r\n", "%-1\r\n", "~1\r\n:1\r\n",
	"~0\r\n", "|1\r\n+a\r\n:1\r\n:7\r\n", ">1\r\n+x\r\n:7\r\n", ">0\r\n:7\r\n",
	">2\r\n+invalidate\r\n:7\r\n+OK\r\n", ">3\r\n+message\r\n_\r\n_\r\n+OK\r\n", "\r\n", "\0", "?1\r\n", "*?\r\n",
	"$?\r\n;2\r\nab\r\n;0\r\n", ".\r\n", ">-1\r\n", "*3\r\n+subscribe\r\n_\r\n+x\r\n", "*1\r\n+message\r\n",
}

local function count(value)
	local n = 1
	if type(value) == "table" and not value.status then
		for _, item in ipairs(value.map or value) do
			n = n + count(item)
		end
	end
	return n
end

-- The same with its part number `at` changed.
local function changed(value, at, bytes)
	if at == 1 then
		return { bytes = bytes }, 0
	end
	at = at - 1
	if type(value) ~= "table" or value.status then
		return value, at
	end
	local list = {}
	for i, item in ipairs(value.map or value) do
		if at > 0 then
			item, at = changed(item, at, bytes)
		end
		list[i] = item
	end
	return value.map and map(list) or list, at
end

-- ---- a server ----

local HELLO = map { "server", "redis", "version", "7.2.0", "proto", 3, "id", 1, "mode", "standalone", "role", "master",
	"modules", {} }

-- What is right, by command or command and word.
local right = {}

function right.PING()
	return status "PONG"
end

function right.HELLO()
	return HELLO
end

function right.ROLE()
	return { "master", 0, {} }
end

right["CLUSTER SLOTS"] = function(self)
	return { { 0, 16383, { "127.0.0.1", self.port, "id", {} } } }
end

right["CLUSTER NODES"] = function(self)
	return ("id 127.0.0.1:%d@1 myself,master - 0 0 1 connected 0-16383\n"):format(self.port)
end

right["CLUSTER SHARDS"] = function(self)
	return { { "slots", { 0, 16383 }, "nodes", { { "id", "id", "port", self.port, "ip", "127.0.0.1", "role", "master",
		"health", "online" } } } }
end

right["SENTINEL MASTER"] = function()
	return { "name", "m", "config-epoch", "1" }
end

right["SENTINEL GET-MASTER-ADDR-BY-NAME"] = function(self)
	return { "127.0.0.1", tostring(self.port) }
end

right["SENTINEL SENTINELS"] = function()
	return { { "ip", "127.0.0.1", "port", "1" } }
end

right["SENTINEL REPLICAS"] = function(self)
	return { { "ip", "127.0.0.1", "port", tostring(self.port), "flags", "slave" } }
end

function right.INFO()
	return "# Server\r\navailability_zone:a\r\n"
end

function right.GET()
	return "value"
end

function right.MGET(_, words)
	local list = {}
	for i = 2, #words do
		list[i - 1] = "value"
	end
	return list
end

function right.EXISTS()
	return 1
end

function right.INCR()
	return 1
end

function right.DEL(_, words)
	return #words - 1
end

function right.EXEC()
	return { status "OK", 1 }
end

function right.EVALSHA(_, words)
	return words[4]:find "^limit:" and { 1, 0, 5 } or 1
end

right.EVAL = right.EVALSHA

function right.SCAN()
	return { "0", { "a", "b" } }
end

function right.HSCAN()
	return { "0", { "a", "1" } }
end

function right.DBSIZE()
	return 2
end

function right.KEYS()
	return { "a", "b" }
end

function right.WAIT()
	return 1
end

function right.BLPOP()
	return { "a", "b" }
end

function right.SUBSCRIBE(_, words)
	return { "subscribe", words[2], 1 }
end

function right.PTTL()
	return -1
end

function right.TIME()
	return { "1700000000", "5" }
end

function right.XAUTOCLAIM()
	return { "0-0", { { "1-1", { "a", "b" } } }, {} }
end

function right.XREADGROUP()
	return { { "s", { { "1-2", { "a", "b" } } } } }
end

local function answer_of(self, words, connection)
	local word = words[1]:upper()
	local whole = words[2] and word .. " " .. words[2]:upper() or word
	local name = right[whole] and whole or word
	local value = right[name] and right[name](self, words) or status "OK"
	if self.queued[connection] and word ~= "EXEC" and word ~= "DISCARD" then
		name, value = "QUEUED", status "QUEUED"
	end
	if word == "MULTI" then
		self.queued[connection] = true
	elseif word == "EXEC" or word == "DISCARD" then
		self.queued[connection] = nil
	end
	self.names[name] = true
	if self.wrong == name then
		value = changed(value, self.at % count(value) + 1, self.bytes)
		self.used = true
	end
	return encode(value):sub(1, -3)
end

local function server()
	local self
	self = scripted.start(function(words, _, _, connection)
		return answer_of(self, words, connection)
	end)
	self.names, self.queued = {}, {}
	return self
end

-- ---- what is asked ----

local script = redis.script "return 1"

local function scan(db)
	for _ in db:scan_iter() do end
end

local function hash_scan(db)
	for _ in db:hscan_iter "h" do end
end

local function transact(db)
	db:multi()
	db:set("a", 1)
	db:incr "a"
	return db:exec()
end

local function pipeline(db)
	return db:pipeline({ { "GET", "a" }, { "INCR", "a" } }, {})
end

local function lock(db)
	local held = require("reef.redis.lock").acquire(db, "name", { ttl = 1, extend = false, wait = 0 })
	held:release()
end

local function limit(db)
	return require("reef.redis.limiter").new(db, { rate = 5, per = 1 }):take "x"
end

local function stream(db)
	local group = require("reef.redis.stream").group(db, "s", "g", { consumer = "c", block = 0.1 })
	for _, message in ipairs(group:read()) do
		group:ack(message.id)
	end
end

local function plain(db)
	db:get "a"
	db:mget("a", "b", "{x}c")
	return db:exists "a"
end

local function blocking(db)
	return db:blpop("a", 0.1)
end

local function everywhere(db)
	db:dbsize()
	db:keys "*"
	db:wait(1, 10)
	return db:del("a", "b", "c")
end

local all = { plain, transact, pipeline, scan, hash_scan, lock, limit, stream, blocking, function(db)
	return script(db, { "a" }, 1)
end }
local distributed = { plain, transact, pipeline, scan, lock, everywhere, function(db)
	return db:batch({ { "GET", "a" }, { "GET", "b" } }, {})
end }

local function options(more)
	local list = { timeout = TIMEOUT, connect_timeout = TIMEOUT, errors = "object" }
	for name, value in pairs(more or {}) do
		list[name] = value
	end
	return list
end

local function at(scheme, path)
	return function(self)
		return ("%s://127.0.0.1:%d%s"):format(scheme, self.port, path or "")
	end
end

local function over(uri, more, asks)
	return { asks = asks, open = function(self)
		return redis.connect(uri(self), options(more))
	end, close = function(db)
		db:disconnect()
	end }
end

local function pooled(uri, more, asks)
	return { asks = asks, open = function(self)
		local db = pool.redis(uri(self), options(more))
		db:get "a"
		return db
	end, close = pool.close }
end

local uses = {
	over(at "redis", { name = "x", auth = "y", db = 1 }, all),
	over(at "redis", { resp = 3, name = "x", auth = "y", info = true }, all),
	over(at "redis+cluster", nil, distributed),
	over(at("redis+sentinel", "/m"), nil, all),
	over(at("redis+sentinel", "/m"), { read = "zone", zone = "a" }, { plain }),
	pooled(at "redis", { auth = "y" }, all),
	pooled(at "redis+cluster", nil, distributed),
	pooled(at("redis+sentinel", "/m"), nil, all),
	{ asks = { function(watch)
		watch:subscribe "news"
	end }, open = function(self)
		return redis.watch(at "redis"(self), options { name = "x" })
	end, close = function(watch)
		watch:disconnect()
	end },
}

for _, scheme in ipairs { "redis", "redis+cluster" } do
	table.insert(uses, { asks = { plain }, open = function(self)
		local target = at(scheme)(self)
		return require("reef.redis.cache").open(target, { heartbeat = 0.2, db = redis.connect(target, options()) })
	end, close = function() end })
end

-- ---- one trial ----

-- Chance of its own, since trials take turns as it happens.
local function dice(seed)
	local state = seed * 2654435761 + 1
	return function(n)
		state = state * 6364136223846793005 + 1442695040888963407
		return (state >> 33) % n + 1
	end
end

local function is_told(err)
	return errors.is(err) or type(err) == "table" and err.outcome ~= nil
		or type(err) == "string" and not err:find "%.lua:%d+:" and not err:find "attempt to"
end

local function ask_all(use, self, seen)
	local db
	local function try(f, ...)
		local since = skynet.hpc()
		local ok, err = pcall(f, ...)
		seen(ok, err, (skynet.hpc() - since) / 1e9)
		return ok and err
	end
	db = try(use.open, self)
	for _, ask in ipairs(db and use.asks or {}) do
		try(ask, db)
	end
	if db then
		use.close(db)
	end
end

-- What a client asks when all is well.
local function names_of(use)
	local self, names = server(), {}
	ask_all(use, self, function(ok, err)
		test.truthy(ok, tostring(err))
	end)
	for name in pairs(self.names) do
		names[#names + 1] = name
	end
	table.sort(names)
	return names
end

local function trial(number, names)
	local seed = test.seed * 100000 + number
	local random = dice(seed)
	-- Caches stay as long as the process, which has only so many of them.
	local which = random(number <= 800 and #uses or #uses - 2)
	local use, self = uses[which], server()
	self.wrong, self.at, self.bytes = names[which][random(#names[which])], random(1000), strange[random(#strange)]
	local what = ("seed %d: use %d, %s, part %d: %q"):format(seed, which, self.wrong, self.at, self.bytes)
	local told = 0
	ask_all(use, self, function(ok, err, seconds)
		told = told + (ok and 0 or 1)
		test.truthy(ok or is_told(err), what .. ": " .. test.show(err))
		test.truthy(seconds < 8 * (test.sanitizer and 5 or 1), what .. ": took " .. seconds)
	end)
	self.wrong = nil
	test.eventually(what .. ": a server in its right mind", 10, function()
		local well = true
		ask_all(use, self, function(ok)
			well = well and ok
		end)
		return well
	end)
	return self.used, told
end

test.case("replies of wrong types are errors that are told, wherever they come", { timeout = 180 }, function()
	local names = {}
	for i, use in ipairs(uses) do
		names[i] = names_of(use)
	end
	local used, told, nextone = 0, 0, 0
	local failures = {}
	test.together(AT_ONCE, function()
		while nextone < TRIALS do
			nextone = nextone + 1
			local ok, hit, n = pcall(trial, nextone, names)
			if ok then
				used, told = used + (hit and 1 or 0), told + n
			else
				failures[#failures + 1] = tostring(hit)
			end
		end
	end)
	skynet.error(("%d trials, %d wrong replies were seen, %d errors were told"):format(TRIALS, used, told))
	test.equal(failures, {})
	test.truthy(used > TRIALS // 2 and told > TRIALS // 4)
end)

test.run()
