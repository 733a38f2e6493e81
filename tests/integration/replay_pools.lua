-- timeout: 600
-- A service that uses pools is recorded among real servers, and replayed without servers and without the pools.
local process = require "test.process"
local project = require "project"
local redis = require "test.redis"
local test = require "test"

local SERVICES <const> = test.root .. "/tests/replay/service/?.lua"
local ROUNDS <const> = test.count(10)

---A process that records one service to a folder of its own.
---@param start string
---@param meanwhile? fun() when it says that its server is to be killed
---@return table project, string output
local function play(start, meanwhile)
	local p = project.new {
		config = ('thread = 2\nharbor = 0\nluaservice = %q\nstart = %q\nrecord = "replay_pooled"\n'):format(SERVICES, start),
	}
	local one = process.start { test.reef, "config", cwd = p.dir }
	if meanwhile then
		one:expect "kill it now\n"
		meanwhile()
	end
	test.equal(one:wait(), 0, one:output())
	test.equal(one:output():find("ends here", 1, true), nil, one:output())
	return p, one:output()
end

local function record_of(p)
	local code, names = process.run { "sh", "-c", "ls *.rec", cwd = p.dir }
	test.equal(code, 0, names)
	return (names:match "^[^\n]+")
end

local function replay(p, ...)
	return process.run({ test.reef, "replay", record_of(p), cwd = p.dir, ... }, 120)
end

local function expect_the_same(p, output, what)
	local fingerprint = output:match "fingerprint\t[^\n]+\n" or test.fail(output)
	local code, again = replay(p)
	test.equal(code, 0, what .. "\n" .. again)
	test.truthy(again:find(fingerprint, 1, true), what .. "\n" .. again)
	test.matches(again, "answers: as recorded; the service has ended", what)
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
		expect_the_same(table.unpack(one))
	end
end)

test.case("a server that is killed meanwhile is killed in the replay, too", function()
	for i = 1, test.count(3) do
		local seed, server = test.seed + 100 + i, redis.start()
		local p, output = play(("replay_pooled_main %d kill %d"):format(seed, server.port), function()
			server:restart()
		end)
		server:kill()
		expect_the_same(p, output, "seed " .. seed)
	end
end)

local function calm(start, servers)
	local p, output = play(start)
	for _, server in ipairs(servers) do
		server:kill()
	end
	expect_the_same(p, output, start)
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
	local status, output = replay(p, "--with", "fixed/replay_pooled.lua")
	test.equal(status, 1, output)
	test.matches(output, "recorded: sends to :%x+ type 254 .-EXISTS.-none.-now: +sends to :%x+ type 254 .-nobody")
	test.matches(output, "NOT as recorded")
end)

test.run()
