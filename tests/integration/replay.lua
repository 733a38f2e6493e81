-- timeout: 600
-- A service that was recorded among real services and servers does the same again, without them.
local process = require "test.process"
local project = require "project"
local records = require "test.records"
local redis = require "test.redis"
local test = require "test"

local ROUNDS <const> = test.count(10)

---Records one service among the others.
---@param seed integer
---@param servers string|integer ports
---@return table project, string output
local function play(seed, servers)
	return records.play(("replay_main %d %s"):format(seed, servers), "replay_played")
end

test.case("what was recorded among servers is replayed without them, to the same end", function()
	local server = redis.start()
	local played = {}
	for i = 1, ROUNDS do
		local p, output = play(test.seed + i, server.port)
		played[i] = { p, output, "seed " .. test.seed + i }
	end
	server:kill()
	for _, one in ipairs(played) do
		local again = records.expect_the_same(table.unpack(one))
		test.truthy(tonumber(again:match "(%d+) messages") > 40, one[3])
		test.truthy(tonumber(again:match "(%d+) events") > 10, one[3])
	end
end)

test.case("without MongoDB's server, too", function()
	local server, mongo = redis.start(), require("test.mongo").start()
	local p, output = play(test.seed, server.port .. " " .. mongo.port)
	server:kill()
	mongo:kill()
	records.expect_the_same(p, output, "seed " .. test.seed)
end)

test.case("the time of a record is counted from its beginning, not from that of the process", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n',
		["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	skynet.sleep(300)
	skynet.newservice "one"
	require("reef.process").stop()
end)
]],
		["service/one.lua"] = 'local skynet = require "skynet"\nskynet.start(function() print("now", skynet.now()) end)\n',
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	local _, shown = records.replay(p, nil, "--show")
	local from = tonumber(shown:match "\n +([%d.]+) +1 +%d+  message" or test.fail(shown))
	code, output = records.replay(p, nil, "--until", tostring(from + 0.001))
	test.equal(code, 0, output)
	local now = tonumber(output:match "now\t(%d+)\n" or test.fail(output))
	test.truthy(from + 2.9 < now / 100, shown)
end)

test.case("a service that cannot start does not start in the replay either, for the same reason", function()
	for code, reason in pairs {
		["error 'boom'"] = "one.lua:1: boom",
		["local x = = 3"] = "one.lua:1: unexpected symbol",
		["local nothing"] = "",
		["require('skynet').start(function() error 'later' end)"] = "later",
	} do
		local p = project.new {
			config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n',
			["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	print(pcall(skynet.newservice, "one"))
	require("reef.process").stop()
end)
]],
			["service/one.lua"] = code,
		}
		local status, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
		test.equal(status, 0, output)
		status, output = records.replay(p)
		test.equal(status, 0, code .. "\n" .. output)
		test.matches(output, reason, code)
		test.matches(output, "as recorded; the service has ended", code)
	end
end)

test.case("requests that begin a trace by chance, or go on with one, do so in the replay", function()
	for _, rate in ipairs { "0.5", "1" } do
		local p, output = records.of([[
local trace = require "reef.trace"
skynet.start(function()
	local other = skynet.newservice "other"
	skynet.dispatch("lua", function(_, _, n)
		if n == 0 then
			return skynet.retpack(trace.parent())
		elseif n == 1 then
			repeat -- until it is told that it begins traces
				skynet.sleep(5)
			until skynet.call(skynet.self(), "lua", 0)
		end
		print("answer", n, skynet.call(other, "lua", n), trace.parent())
		skynet.fork(function()
			skynet.trace()
			skynet.call(other, "lua", n)
		end)
		skynet.retpack(n)
	end)
end)
]], ("trace_rate = %s\n"):format(rate), { ["service/other.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		skynet.retpack(n)
	end)
end)
]] })
		test.matches(output, "answer\t%d+\t%d+\t00%-%x+")
		local code, again = records.replay(p)
		test.equal(code, 0, again)
		test.matches(again, "answers: as recorded; the service has ended")
		for line in output:gmatch "answer\t[^\n]+\n" do
			test.truthy(again:find(line, 1, true), line .. again)
		end
	end
end)

test.case("what cannot be recorded is named at once, in the log and by the replay", function()
	local p, output = records.of [[
local client = require "client.socket"
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		print("before", n)
		if n == 5 then
			pcall(client.connect, "127.0.0.1", 1)
		end
		skynet.retpack(n)
	end)
end)
]]
	test.matches(output, "the record .*rec ends here: client.socket.connect cannot be recorded")
	local code, again = records.replay(p)
	test.equal(code, 0, again)
	test.matches(again, "before\t5\n")
	test.equal(again:find "before\t6", nil)
	test.matches(again, "this cannot be recorded: client.socket.connect")
end)

test.run()
