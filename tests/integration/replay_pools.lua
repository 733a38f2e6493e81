-- timeout: 600
-- A service that uses pools is recorded among real servers, and replayed without servers and without the pools.
local records = require "test.records"
local redis = require "test.redis"
local test = require "test"

local ROUNDS <const> = test.count(10)

---Records the service that uses pools.
---@param start string
---@param meanwhile? fun() when it says that its server is to be killed
---@return table project, string output
local function play(start, meanwhile)
	local p, output = records.play(start, "replay_pooled", nil, meanwhile and function(running)
		running:expect "kill it now\n"
		meanwhile()
	end)
	test.equal(output:find("ends here", 1, true), nil, output)
	return p, output
end

test.case("what was recorded through a Redis pool is replayed without it", function()
	local server = redis.start()
	local all = {}
	for i = 1, ROUNDS do
		local seed = test.seed + i
		local p, output = play(("replay_pooled_main %d calm %d"):format(seed, server.port))
		all[i] = { p, output, "seed " .. seed }
	end
	server:kill()
	for _, one in ipairs(all) do
		records.expect_the_same(table.unpack(one))
	end
end)

test.case("a server that is killed meanwhile is killed in the replay, too", function()
	for i = 1, test.count(3) do
		local seed, server = test.seed + 100 + i, redis.start()
		local p, output = play(("replay_pooled_main %d kill %d"):format(seed, server.port), function()
			server:restart()
		end)
		server:kill()
		records.expect_the_same(p, output, "seed " .. seed)
	end
end)

local function calm(start, servers)
	local p, output = play(start)
	for _, server in ipairs(servers) do
		server:kill()
	end
	records.expect_the_same(p, output, start)
	return p
end

test.case("MongoDB's pools, too", function()
	local server, mongo = redis.start(), require("test.mongo").start()
	calm(("replay_pooled_main %d calm %d %d"):format(test.seed, server.port, mongo.port), { server, mongo })
end)

test.case("MySQL's pools, too", function()
	local server, mysql = redis.start(), require("test.mysql").start()
	mysql:sql "CREATE DATABASE played"
	calm(("replay_pooled_main %d calm %d 0 %d"):format(test.seed, server.port, mysql.port), { server, mysql })
end)

test.case("PostgreSQL's pools, too", function()
	local server, postgres = redis.start(), require("test.postgres").start()
	calm(("replay_pooled_main %d calm %d 0 0 %d"):format(test.seed, server.port, postgres.port), { server, postgres })
end)

test.case("changed code that asks a pool something else is shown", function()
	local server = redis.start()
	local p = play(("replay_pooled_main %d calm %d"):format(test.seed, server.port))
	local code = test.root .. "/tests/replay/service/replay_pooled.lua"
	local file <close> = assert(io.open(code))
	p:write("fixed/replay_pooled.lua", (file:read "a":gsub('db, "none"', 'db, "nobody"')))
	local status, output = records.replay(p, nil, "--with", "fixed/replay_pooled.lua")
	test.equal(status, 1, output)
	test.matches(output, "recorded: sends to :%x+ type 254 .-EXISTS.-none.-now: +sends to :%x+ type 254 .-nobody")
	test.matches(output, "NOT as recorded")
end)

test.case("transactions that coroutines have forgotten are ended in the same order", function()
	local server = redis.start()
	local p, output = records.of(([[
local pool = require "reef.pool"
skynet.start(function()
	local db = pool.redis({ host = "127.0.0.1", port = %d }, { pinned = 30 })
	skynet.dispatch("lua", function(_, _, n)
		if n == 1 then
			for _ = 1, 12 do
				skynet.fork(function()
					db:watch "x"
					skynet.sleep(10)
				end)
			end
			skynet.sleep(130)
			db:watch "y"
			db:unwatch()
		end
		skynet.retpack(n)
	end)
end)
]]):format(server.port))
	test.matches(output, "a coroutine ended between MULTI or WATCH and EXEC")
	server:kill()
	local code, again = records.replay(p)
	test.equal(code, 0, again)
	test.matches(again, "answers: as recorded; the service has ended")
end)

test.case("changed code that turns to another pool is told at once that the record has no answers of that", function()
	local server = redis.start()
	local p = play(("replay_pooled_main %d calm %d"):format(test.seed, server.port))
	local file <close> = assert(io.open(test.root .. "/tests/replay/service/replay_pooled.lua"))
	local code = file:read "a"
	for _, change in ipairs {
		{ "db = pool.redis%({", "db = pool.redis({ db = 3,", "3" },
		{ "{ size = 3,", "{ pool = 'other', size = 3,", "0 other" },
	} do
		local changed, n = code:gsub(change[1], change[2])
		test.equal(n, 1, change[1])
		p:write("fixed/replay_pooled.lua", changed)
		local status, output = records.replay(p, nil, "--with", "fixed/replay_pooled.lua")
		test.equal(status, 1, output)
		test.matches(output, "difference 1, in .-recorded: turns to pool redis [%d.:]+/0\n"
			.. ".-now: +turns to pool redis [%d.:]+/" .. change[3] .. "\n")
		test.matches(output, "NOT as recorded; .- is of no use: what it has is no answer to that")
		test.equal(output:find("difference 2", 1, true), nil, output)
	end
end)

test.run()
