-- Replies that do not fit: nobody is ever given a wrong one, and the connection that they came on does not live on.
local pool = require "reef.pool"
local process = require "test.process"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

-- A server on a free port that speaks as `answer(key, connection)` says: the bytes for GET key, or nil for none. Other
-- commands are answered with +OK. Returns the port, and what it has counted.
local function server(answer)
	local stat = { connections = 0 }
	local listener, _, port = socket.listen("127.0.0.1", 0)
	local function serve(id)
		stat.connections = stat.connections + 1
		local connection = { number = stat.connections, id = id, gets = 0 }
		socket.start(id)
		while true do
			local count = socket.readline(id, "\r\n")
			if not count then
				break
			end
			local words = {}
			for i = 1, tonumber(count:sub(2)) do
				words[i] = socket.read(id, tonumber(socket.readline(id, "\r\n"):sub(2)))
				socket.readline(id, "\r\n")
			end
			local said
			if words[1]:upper() == "GET" then
				connection.gets = connection.gets + 1
				said = answer(words[2], connection)
			elseif words[1] == "PING" then
				said = "+PONG\r\n"
			else
				said = "+OK\r\n"
			end
			if said then
				socket.write(id, said)
			end
		end
		socket.close(id)
	end
	socket.start(listener, function(id)
		skynet.fork(serve, id)
	end)
	test.defer(socket.close, listener)
	return port, stat
end

local function bulk(text)
	return ("$%d\r\n%s\r\n"):format(#text, text)
end

local kinds = {
	connection = function(port, timeout, more)
		local conf = { host = "127.0.0.1", port = port, timeout = timeout }
		for k, v in pairs(more or {}) do
			conf[k] = v
		end
		local db = redis.connect(conf)
		test.defer(db.disconnect, db)
		return db
	end,
	pool = function(port, timeout)
		local db = pool.redis({ host = "127.0.0.1", port = port, timeout = timeout }, { size = 1 })
		test.defer(function()
			pcall(pool.close, db)
		end)
		return db
	end,
}

-- The case once for each way to Redis.
local function both(name, options, f)
	for kind, connect in pairs(kinds) do
		test.case(name .. " (" .. kind .. ")", options, function()
			f(connect, kind)
		end)
	end
end

-- Asks until it is answered; how often it was not. Whatever comes has to be right.
local function until_right(db, most, key)
	for failed = 0, most do
		local ok, value = pcall(db.get, db, key or "key")
		if ok then
			test.equal(value, key or "key")
			return failed
		end
	end
	test.fail("never right again")
end

both("an answer too many, in the same packet", {}, function(connect)
	local port, stat = server(function(key)
		return bulk(key):rep(key == "twice" and 2 or 1)
	end)
	local db = connect(port, 2)
	for _ = 1, 5 do
		pcall(db.get, db, "twice")
		test.truthy(until_right(db, 3, "a") <= 3)
		test.equal(db:get "b", "b")
	end
	test.truthy(stat.connections > 5)
end)

both("an answer too many, cut anywhere", {}, function(connect)
	local extra = 1
	local port = server(function(key)
		return bulk(key) .. (key == "twice" and bulk("extra"):sub(1, extra) or "")
	end)
	local db = connect(port, 2)
	for n = 1, #bulk "extra" do
		extra = n
		pcall(db.get, db, "twice")
		until_right(db, 3, "a")
		test.equal(db:get "b", "b")
	end
end)

both("an answer too many, later", {}, function(connect)
	local port, stat = server(function(key, connection)
		if key == "twice" then
			skynet.timeout(2, function()
				socket.write(connection.id, bulk "extra")
			end)
		end
		return bulk(key)
	end)
	local db = connect(port, 2)
	test.equal(db:get "twice", "twice")
	local before = stat.connections
	skynet.sleep(10)
	until_right(db, 3, "a")
	test.truthy(stat.connections > before)
end)

both("pushes and attributes belong to nobody, also while nobody asks", {}, function(connect)
	local said = false
	local port, stat = server(function(key, connection)
		if key == "push" then
			skynet.timeout(2, function()
				socket.write(connection.id, ">2\r\n+invalidate\r\n*1\r\n" .. bulk "k" .. "|1\r\n+a\r\n:1\r\n>1\r\n+half")
				skynet.sleep(2)
				socket.write(connection.id, "\r\n")
				said = true
			end)
		end
		return ">1\r\n:1\r\n|1\r\n+ttl\r\n:3\r\n" .. bulk(key)
	end)
	local db = connect(port, 2)
	test.equal(db:get "push", "push")
	local before = stat.connections
	test.eventually("all is said", 10, function()
		return said
	end)
	test.equal(db:get "a", "a")
	test.equal(stat.connections, before)
end)

both("a connection on which nothing is answered any more is replaced after a few time-outs", {}, function(connect)
	local port, stat = server(function(key, connection)
		return (connection.number ~= 1 or connection.gets == 1) and bulk(key) or nil
	end)
	local db = connect(port, 0.1)
	test.equal(db:get "first", "first")
	test.between(until_right(db, 10), 1, 4)
	test.between(stat.connections, 2, 4)
end)

both("an answer that is missing does not shift those behind it for good", {}, function(connect)
	local port = server(function(key, connection)
		return (connection.number ~= 1 or connection.gets ~= 2) and bulk(key) or nil
	end)
	local db = connect(port, 0.1)
	test.equal(db:get "first", "first")
	test.between(until_right(db, 10), 1, 4)
	for i = 1, 20 do
		test.equal(db:get("k" .. i), "k" .. i)
	end
end)

both("a server that is slow for many at once keeps its connection", {}, function(connect)
	local slow = false
	local port, stat = server(function(key)
		if slow then
			slow = false
			skynet.sleep(25)
		end
		return bulk(key)
	end)
	local db = connect(port, 0.2)
	test.equal(db:get "first", "first")
	local before = stat.connections
	slow = true
	test.together(100, function(i)
		pcall(db.get, db, "k" .. i)
	end)
	skynet.sleep(20)
	test.equal(db:get "a", "a")
	test.equal(stat.connections, before)
end)

-- What is too much and what is missing cancel each other out, and nobody could tell: so there is one or the other.
local faults = {
	["too much"] = {
		function(right) return right .. right end,
		function(right) return right .. "+OK\r\n" end,
		function(right) return right:sub(1, -3) .. "x\r\n" end,
		function(right) return right .. "$3\r\nab" end,
		function() return "?\r\n" end,
		function(right) return "$0" .. right:sub(2) end,
		function(right) return right .. "-ERR more\r\n" end,
		function(right) return right .. ">1\r\n:1\r\n" .. right end,
	},
	["too little"] = {
		function() end,
		function(right) return "*2\r\n" .. right end,
		function(right) return right:sub(1, 4) end,
		function() return ">1\r\n:1\r\n|1\r\n+a\r\n+b\r\n" end,
	},
}

for what, list in pairs(faults) do
	both("with answers that are " .. what .. ", nobody is given another's", { timeout = 60 }, function(connect)
		local wrong = true
		local port = server(function(key)
			local right = bulk(key)
			if wrong and math.random(10) == 1 then
				return list[math.random(#list)](right)
			end
			return right
		end)
		local db = connect(port, 0.03)
		local answered = 0
		for i = 1, test.count(1000) do
			local ok, value = pcall(db.get, db, "k" .. i)
			if ok and type(value) ~= "table" then
				test.equal(value, "k" .. i)
				answered = answered + 1
			end
		end
		test.truthy(answered > test.count(1000) / 4)
		wrong = false
		until_right(db, 10)
	end)
end

-- Bytes, and what they are: a value, an error, or (nil) no reply.
local odd = {
	{ ":+5\r\n", 5 }, { ":-5\r\n", -5 }, { ":05\r\n" }, { ":++5\r\n" }, { ":5 \r\n" }, { ":\r\n" },
	{ ":9223372036854775807\r\n", math.maxinteger }, { ":9223372036854775808\r\n" },
	{ "$05\r\nhello\r\n" }, { "$+5\r\nhello\r\n" }, { "$5\r\nhello12" }, { "$-2\r\n" }, { "*-2\r\n" }, { "*01\r\n:1\r\n" },
	{ "+a\rb\r\n" }, { "+a\nb\r\n" }, { ",1.5\r\n", 1.5 }, { ",x\r\n" }, { "#t\r\n", true }, { "#x\r\n" }, { "_x\r\n" },
	{ "*2\r\n|1\r\n+a\r\n:1\r\n:1\r\n:2\r\n", { 1, 2 } }, { "|1\r\n+a\r\n*1\r\n-e\r\n:1\r\n", 1 },
	{ "*2\r\n:1\r\n|1\r\n+a\r\n*2\r\n:1\r\n:2\r\n+x\r\n", { 1, "x" } },
	{ "%1\r\n|1\r\n+a\r\n:1\r\n+k\r\n|1\r\n+a\r\n:1\r\n+v\r\n", { k = "v" } },
	{ "*2\r\n>1\r\n:1\r\n:2\r\n", { { 1 }, 2 } }, { "=7\r\ntxt:abc\r\n", "abc" }, { "=3\r\nabc\r\n" }, { "(12\r\n", "12" },
	{ "(1x\r\n" }, { "~1\r\n:1\r\n", { 1 } }, { "+" .. ("x"):rep(100000) .. "\r\n", ("x"):rep(100000) },
}

test.case("a connection and a pool read the same bytes alike", { timeout = 60 }, function()
	local bytes
	local port = server(function()
		return bytes
	end)
	for _, case in ipairs(odd) do
		bytes = case[1]
		for kind, connect in pairs(kinds) do
			local db = connect(port, 1)
			local ok, value = pcall(db.get, db, "x")
			local what = ("%s: %q"):format(kind, bytes:sub(1, 60))
			test.equal(ok, case[2] ~= nil, what)
			if ok then
				test.equal(value, case[2], what)
			else
				test.equal(redis.error(value).code, "protocol", what)
			end
		end
	end
	for kind, connect in pairs(kinds) do
		local db = connect(port, 1)
		bytes = "-ERR " .. ("x"):rep(100000) .. "\r\n"
		test.raises("ERR x+$", db.get, db, "x")
		bytes = "*2\r\n!5\r\nERR a\r\n:1\r\n"
		local err = test.raises("", db.get, db, "x")
		test.equal(type(err) == "table" and err or tostring(err), { "ERR a", 1 }, kind)
	end
end)

-- ---- time ----

local asks = [[
local skynet = require "skynet"
local function ask(kind, port)
	if kind == "channel" then
		local channel = require "skynet.socketchannel".channel { host = "127.0.0.1", port = port, timeout = 0.5 }
		return function(key)
			return channel:request(("*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n"):format(#key, key), function(sock)
				sock:readline "\r\n"
				return true, (sock:readline "\r\n")
			end)
		end
	end
	local conf = { host = "127.0.0.1", port = port, timeout = 0.5 }
	local db = kind == "pool" and require("reef.pool").redis(conf, { size = 1 })
		or require("skynet.db.redis").connect(conf)
	return function(key) return db:get(key) end
end
skynet.start(function()
	local get = ask(os.getenv "KIND", tonumber(os.getenv "PORT"))
	get "first"
	print "asking"
	io.stdout:flush()
	print(pcall(get, "slow"))
	require "skynet.manager".abort()
end)
]]

for _, kind in ipairs { "connection", "pool", "channel" } do
	test.case("what arrived while the process was stopped has arrived (" .. kind .. ")", { timeout = 30 }, function()
		local port = server(function(key)
			if key == "slow" then
				skynet.sleep(30)
			end
			return bulk(key)
		end)
		local path = process.path "asks.lua"
		local f <close> = assert(io.open(path, "w"))
		f:write(asks)
		f:close()
		local child = process.start { test.reef, "run", path, env = { KIND = kind, PORT = tostring(port) } }
		child:expect "asking"
		skynet.sleep(5)
		child:signal "STOP"
		skynet.sleep(80)
		child:signal "CONT"
		child:expect "true%s+slow"
	end)
end

test.run()
