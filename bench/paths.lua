-- The hottest paths, one at a time: `reef run paths.lua NAME N` goes N times along it. bench/instructions counts what
-- that costs.
local skynet = require "skynet"
require "skynet.manager"

local name, n = ...
n = math.tointeger(tonumber(n)) or 0

local VALUE <const> = ("x"):rep(64)

-- What a path needs is made first, and is the same for every N.
local paths = {}

local function echo()
	return skynet.newservice("paths", "echo")
end

local function redis()
	local db = require("skynet.db.redis").connect { host = "127.0.0.1", port = tonumber(os.getenv "REDIS_PORT") }
	db:set("key", VALUE)
	return db
end

-- Begins `count` pieces of work, by start(done), and waits until each has called done().
local function all_of(count, start)
	local left, main = count, coroutine.running()
	for _ = 1, count do
		start(function()
			left = left - 1
			if left == 0 then
				skynet.wakeup(main)
			end
		end)
	end
	skynet.wait(main)
end

-- `count` coroutines that share the work.
local function together(count, f)
	all_of(count, function(done)
		skynet.fork(function()
			for _ = 1, n // count do
				f()
			end
			done()
		end)
	end)
end

function paths.call()
	local peer = echo()
	return function()
		for i = 1, n do
			skynet.call(peer, "lua", "ping", i)
		end
	end
end

function paths.send()
	local peer = echo()
	return function()
		for i = 1, n do
			skynet.send(peer, "lua", i)
		end
		skynet.call(peer, "lua", "all")
	end
end

function paths.launch()
	return function()
		for _ = 1, n do
			skynet.kill(skynet.newservice("paths", "trivial"))
		end
	end
end

function paths.timer()
	return function()
		all_of(n, function(done)
			skynet.timeout(1, done)
		end)
	end
end

function paths.wakeup()
	return function()
		together(2, function()
			skynet.yield()
		end)
	end
end

function paths.pack()
	local message = { id = 7, name = "Ada", list = { 1, 2, 3, 4.5 }, inner = { yes = true, text = VALUE } }
	return function()
		for _ = 1, n do
			local data, size = skynet.pack("cmd", 1, message)
			skynet.unpack(data, size)
			skynet.trash(data, size)
		end
	end
end

function paths.shared()
	local sharetable = require "skynet.sharetable"
	local rows = {}
	for i = 1, 100 do
		rows[i] = { id = i, cost = i * 3, inner = { weight = i } }
	end
	sharetable.loadtable("rows", rows)
	local shared = sharetable.query "rows"
	return function()
		local sum = 0
		for i = 1, n do
			local row = shared[i % 100 + 1]
			sum = sum + row.cost + row.inner.weight
		end
		return sum
	end
end

function paths.bson()
	local bson = require "bson"
	local document = {}
	for i = 1, 10 do
		document["field" .. i] = i % 2 == 0 and i or "text " .. i
	end
	return function()
		for _ = 1, n do
			bson.decode(bson.encode(document))
		end
	end
end

function paths.redis()
	local db = redis()
	return function()
		together(128, function()
			db:get "key"
		end)
	end
end

function paths.pool()
	local db = require("reef.pool").redis("redis://127.0.0.1:" .. os.getenv "REDIS_PORT")
	db:set("key", VALUE)
	return function()
		together(128, function()
			db:get "key"
		end)
	end
end

local function listen(serve)
	local socket = require "skynet.socket"
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
		serve(socket, id)
		socket.close(id)
	end)
	local id = assert(socket.open("127.0.0.1", port))
	return socket, id
end

function paths.socket()
	local socket, id = listen(function(socket, id)
		local data = socket.read(id)
		while data do
			socket.write(id, data)
			data = socket.read(id)
		end
	end)
	return function()
		for _ = 1, n do
			socket.write(id, VALUE)
			socket.read(id, #VALUE)
		end
	end
end

function paths.http()
	local server = require "reef.http.server".listen("127.0.0.1:0", function()
		return 200, "hello world\n", { ["content-type"] = "text/plain" }
	end, { requests = math.maxinteger })
	local socket = require "skynet.socket"
	local id = assert(socket.open("127.0.0.1", server.port))
	return function()
		for _ = 1, n do
			socket.write(id, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			socket.readline(id, "hello world\n")
		end
	end
end

if name == "echo" then
	skynet.start(function()
		skynet.dispatch("lua", function(_, session, ...)
			if session ~= 0 then
				skynet.retpack(...)
			end
		end)
	end)
elseif name == "trivial" then
	skynet.start(function() end)
elseif name == "list" then
	local names = {}
	for path in pairs(paths) do
		names[#names + 1] = path
	end
	table.sort(names)
	print(table.concat(names, "\n"))
	require("reef.process").stop()
else
	skynet.start(function()
		local go = paths[name]()
		go()
		require("reef.process").stop()
	end)
end
