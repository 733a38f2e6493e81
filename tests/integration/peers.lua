-- The programs of bench/peers: each client does each work, and says what it took.
-- timeout: 1200
local mongo = require "test.mongo"
local process = require "test.process"
local redis = require "test.redis"
local test = require "test"

local MADE <const> = test.root .. "/build/peers"
local SOURCES <const> = test.root .. "/bench/peers"

-- Skips the case if bench/peers/setup has not made this.
local function need(made)
	local marker = io.open(("%s/%s.made"):format(MADE, made))
	if not marker then
		test.skip(("build/peers/%s is not there: bench/peers/setup %s"):format(made, made))
	end
	marker:close()
end

-- How often each result of a client is there.
local function results(name, command)
	local code, output = process.run(command, 100)
	test.equal(code, 0, output)
	test.matches(output, "VERSION " .. name .. " ")
	local found = {}
	for result, cpu, wall in output:gmatch("RESULT " .. name .. "_(%S+) cpu=(%S+) wall=(%S+)\n") do
		test.truthy(tonumber(cpu) >= 0 and tonumber(wall) > 0, output)
		found[result] = (found[result] or 0) + 1
	end
	return found
end

local function python(script, ...)
	local path = "PYTHONPATH=" .. MADE .. "/python"
	return { "/usr/bin/env", path, "/usr/bin/python3", "-B", SOURCES .. "/python/" .. script, ... }
end

local function node(...)
	return { "/usr/bin/env", "PEERS_NODE_MODULES=" .. MADE .. "/node/node_modules", MADE .. "/node/node",
		SOURCES .. "/node/redis.js", ... }
end

local function with_redis(name, made, command)
	test.case(name .. " does what bench/redis.lua does", function()
		need(made)
		local works = { tostring(redis.start().port), "get_1:1:20", "get_128:128:256", "set_128:128:256", "pipeline_100:1:2" }
		local found = results(name, command(works))
		test.equal(found, { get_1 = 1, get_128 = 1, set_128 = 1, pipeline_100 = 1 })
	end)
end

local function with_mongo(name, made, command)
	test.case(name .. " does what bench/mongo.lua does", { timeout = 600 }, function()
		need(made)
		local works = { tostring(mongo.start().port), "insert_1:1:2", "insert_1000:1:1", "find_1:1:5", "find_10000:1:1" }
		local found = results(name, command(works))
		test.equal(found, { insert_1 = 1, insert_1000 = 1, find_1 = 1, find_10000 = 1 })
	end)
end

for _, name in ipairs { "rueidis", "goredis", "goredis_auto" } do
	with_redis(name, "go", function(works) return { MADE .. "/go/peers", name, table.unpack(works) } end)
end
with_redis("ioredis", "node", function(works) return node(table.unpack(works)) end)
with_redis("ioredis_auto", "node", function(works) return node(works[1], "auto", table.unpack(works, 2)) end)
with_redis("redis_py", "python", function(works) return python("redis_py.py", table.unpack(works)) end)
for _, name in ipairs { "mongo_go", "mongo_go_maps" } do
	with_mongo(name, "go", function(works) return { MADE .. "/go/peers", name, table.unpack(works) } end)
end
with_mongo("pymongo", "python", function(works) return python("mongo_py.py", table.unpack(works)) end)

test.case("Erlang does what bench/messages.lua and bench/spawn.lua do", function()
	need "erlang"
	local function erlang(...)
		return results("erlang", { "erl", "-noshell", "-pa", MADE .. "/erlang", "-s", "peers", "main", ... })
	end
	test.equal(erlang("messages", "200"), {
		call_1 = 1, call_16 = 1, bare_call_1 = 1, bare_call_16 = 1, send = 1, bare_send = 1,
	})
	test.equal(erlang("spawn", "200"), { server = 1, spawn = 1 })
end)

test.run()
