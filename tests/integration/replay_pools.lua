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

test.run()
