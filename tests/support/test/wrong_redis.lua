-- A Redis server, or a node of a cluster and its Sentinel at the same time, whose replies are right but for one part.
--
--     local server = require("test.wrong_redis").start()
--     server.port, server.names               -- what was asked so far: {["CLUSTER SLOTS"] = true, ...}
--     server.wrong = "CLUSTER SLOTS"          -- from now on part number `at` of the reply to that is `bytes`
--     server.at, server.bytes = 3, ":x\r\n"   -- parts: the reply, its elements, theirs; the count begins anew beyond
--     server.used                             -- it was asked for since
--     wrong_redis.replies                     -- bytes of all kinds
--
-- It ends with the case that started it.
local scripted = require "test.scripted"

local wrong_redis = {}

---@class test.wrong_redis
---@field port integer
---@field names table<string, true>
---@field wrong string|nil
---@field at integer
---@field bytes string
---@field used boolean|nil

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

-- In place of a part of a reply, or of all of it.
wrong_redis.replies = {
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

---A server that answers rightly until `wrong`, `at` and `bytes` say otherwise.
---@return test.wrong_redis
function wrong_redis.start()
	local self
	self = scripted.start(function(words, _, _, connection)
		return answer_of(self, words, connection)
	end)
	self.names, self.queued = {}, {}
	return self
end

return wrong_redis
