-- The service that is recorded: what it does depends on chance, time, its messages and its servers, and all that goes
-- into its fingerprint.
local fingerprint = require "fingerprint"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"

local _, echo, redis_port, mongo_port = ...
echo, redis_port, mongo_port = tonumber(echo), tonumber(redis_port), tonumber(mongo_port)

local note = fingerprint.note
local db, channel, collection, server

local plays = {}

function plays.call(n)
	note(pcall(skynet.call, echo, "lua", math.random(4) == 1 and "error" or "late", n, math.random()))
end

function plays.sleep()
	skynet.sleep(math.random(0, 3))
	note(skynet.now(), skynet.time(), os.time(), os.date "%c", skynet.hpc(), os.clock())
end

function plays.timer(n)
	skynet.timeout(math.random(0, 4), function()
		note("timer", n, skynet.now())
		if math.random(5) == 1 then
			error("a timer that fails: " .. n)
		end
	end)
end

function plays.wait()
	local token = {}
	skynet.fork(function()
		skynet.sleep(math.random(0, 2))
		skynet.wakeup(token)
	end)
	note(skynet.sleep(math.random(1, 3), token))
end

function plays.send(n)
	note(skynet.send(skynet.self(), "lua", "self", n), skynet.send(".nobody", "lua", n))
	note(pcall(skynet.call, 0x7fffff, "lua"))
end

function plays.file(n)
	local path = "played-" .. n
	local file = assert(io.open(path, "w"))
	file:write(n, "\n", math.random(), "\n")
	file:close()
	for line in io.lines(path) do
		note(line)
	end
	note(os.remove(path), io.open(path), os.getenv "HOME", skynet.getenv "thread")
end

function plays.redis(n)
	note(db:set("key" .. n, n), db:get("key" .. n), db:incrby("sum", math.random(9)), db:get "none")
	note(table.unpack(db:pipeline({ { "SET", "x", n }, { "GET", "x" }, { "LPUSH", "x", 1 } }, {})))
	note(pcall(db.lpush, db, "key" .. n, 1))
end

function plays.channel(n)
	note(channel:request(("ECHO %d\r\n"):format(n), function(s)
		local size = s:readline "\r\n"
		return true, size .. s:readline "\r\n"
	end))
end

function plays.socket(n)
	local id = socket.open("127.0.0.1", server)
	socket.write(id, ("line %d %f\n"):format(n, math.random()))
	note(socket.readline(id), socket.read(id, 2))
	socket.close(id)
	note(pcall(socket.open, "127.0.0.1", 1))
end

function plays.mongo(n)
	if not collection then
		return
	end
	note(collection:safe_insert { n = n, at = os.time(), x = math.random() })
	local found = collection:findOne({ n = n }, { _id = 0 })
	note(found and found.n, found and found.x)
end

local names = {}
for name in pairs(plays) do
	names[#names + 1] = name
end

local command = {}

function command.play(n, x)
	note("play", n, x)
	for _ = 1, math.random(3) do
		local name = names[math.random(#names)]
		note(name)
		plays[name](n)
	end
	if math.random(8) == 1 then
		error { message = "a request that fails" }
	elseif math.random(8) == 1 then
		local answer = skynet.response()
		skynet.fork(function()
			skynet.sleep(1)
			answer(true, n, fingerprint.hash())
		end)
	else
		skynet.retpack(n, fingerprint.hash())
	end
end

function command.self(n)
	note("self", n)
end

function command.quit()
	fingerprint.print()
	skynet.retpack(true)
	skynet.exit()
end

skynet.start(function()
	local id, _, port = socket.listen("127.0.0.1", 0)
	server = port
	socket.start(id, function(one, from)
		note(from)
		socket.start(one)
		local line = socket.readline(one)
		socket.write(one, (line or "") .. "\nok")
		socket.close(one)
	end)
	db = redis.connect { host = "127.0.0.1", port = redis_port }
	channel = socketchannel.channel { host = "127.0.0.1", port = redis_port }
	if mongo_port then
		local mongo = require "skynet.db.mongo"
		collection = mongo.client { host = "127.0.0.1", port = mongo_port }.replay.played
	end
	skynet.dispatch("lua", function(session, _, what, ...)
		if session == 0 then
			skynet.ignoreret()
		end
		command[what](...)
	end)
end)
