-- test/guess_test.lua
local process = require "reef.test.process"
local redis = require "reef.test.redis"
local socket = require "skynet.socket"
local test = require "reef.test"

-- Starts the whole server; says where it is.
local function start(database)
	local port = process.free_port()
	local server = process.start {
		test.reef, "config",
		env = { PORT = port, REDIS_PORT = database.port, METRICS_PORT = process.free_port() },
	}
	server:expect "players may come"
	return port
end

-- Halves what is left until the answer is right.
local function win(id)
	local least, most = 1, tonumber(socket.readline(id):match "to (%d+)")
	while true do
		local guess = (least + most) // 2
		socket.write(id, guess .. "\n")
		local reply = socket.readline(id)
		if reply:find "^Right" then
			return reply
		elseif reply == "higher" then
			least = guess + 1
		else
			most = guess - 1
		end
	end
end

local function come_in(port, name)
	local id = assert(socket.open("127.0.0.1", port))
	test.equal(socket.readline(id), "Who are you?")
	socket.write(id, name .. "\n")
	return id
end

test.case("who wins has the points, and is on the list", function()
	local database = redis.start()
	local id = come_in(start(database), "Ada")
	for _ = 1, 3 do
		test.matches(win(id), "points, %d+ in all")
	end
	test.matches(socket.readline(id), "^1%. Ada, %d+ points$")
	test.matches(database:cli("ZSCORE", "guess:scores", "Ada"), "%d")
end)

test.case("the game goes on without Redis", function()
	local database = redis.start()
	local port = start(database)
	local id = come_in(port, "Ada")
	database:kill()
	test.matches(win(id), "could not be kept")
	test.matches(socket.readline(id), "Level 2")
	socket.close(id)
end)

test.run()
