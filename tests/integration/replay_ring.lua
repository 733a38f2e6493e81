-- timeout: 600
-- Rings: what led to an error or a crash is kept, and no more than that.
local process = require "test.process"
local project = require "project"
local records = require "test.records"
local skynet = require "skynet"
local test = require "test"

---Calls the service `one`, which fails when it is told to, N times; its process ends as `last` says.
local function ring(n, fails, last, more)
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\nrecord_ring = 1\n' .. (more or ""),
		["service/main.lua"] = ([[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	local one = skynet.newservice "one"
	for i = 1, %d do
		pcall(skynet.call, one, "lua", i, ("x"):rep(1000))
		if i %% 10 == 0 then
			skynet.sleep(3)
		end
	end
	%s
	skynet.abort()
end)
]]):format(n, last or ""),
		["service/one.lua"] = ([[
local skynet = require "skynet"
local fails = { %s }
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		print("called", n)
		for _, i in ipairs(fails) do
			if i == n then
				error("failed at " .. n)
			end
		end
		skynet.retpack(n)
	end)
end)
]]):format(fails),
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	local _, names = process.run { "sh", "-c", "ls *.rec *.ring 2>/dev/null || true", cwd = p.dir }
	local files = {}
	for name in names:gmatch "[^\n]+" do
		files[#files + 1] = name
	end
	return p, files, code, output
end

test.case("an error that nobody caught leaves what led to it, from the start on if that is not long ago", function()
	local p, files, code, output = ring(20, "7, 9")
	test.equal(code, 0, output)
	test.equal(#files, 1, output)
	test.matches(output, "what led to the error is in %./one%-.*%.rec")
	local again
	code, again = records.replay(p, files[1])
	test.equal(code, 0, again)
	test.matches(again, "called\t7\n.*failed at 7")
	test.equal(again:find "called\t8\n", nil, again)
end)

test.case("a ring that has lost its beginning can be shown, and not replayed", function()
	local p, files, code, output = ring(1500, "1495")
	test.equal(code, 0, output)
	test.equal(#files, 1, output)
	local again
	code, again = records.replay(p, files[1])
	test.equal(code, 1, again)
	test.matches(again, "last seconds and not its beginning")
	code, again = records.replay(p, files[1], "--show")
	test.equal(code, 0, again)
	test.matches(again, "what was before is lost")
	test.matches(again, "prints: called\t1494\n.*prints: called\t1495\n.*failed at 1495")
	test.equal(again:find "prints: called\t1\n", nil)
	test.equal(again:find "prints: called\t1496\n", nil)
	-- What is shown has no holes.
	local last
	for n in again:gmatch "prints: called\t(%d+)\n" do
		test.equal(tonumber(n), (last or tonumber(n) - 1) + 1)
		last = tonumber(n)
	end
end)

test.case("a process that crashes leaves its rings", function()
	local p, files, _, output = ring(1500, "0", "os.execute 'kill -SEGV $PPID' skynet.wait()")
	test.equal(#files, 1, output)
	test.matches(files[1], "%.ring$")
	local code, again = records.replay(p, files[1], "--show")
	test.equal(code, 0, again)
	test.matches(again, "prints: called\t1500\n")
end)

test.case("a service whose start fails leaves what led to that, in the place of its ring", function()
	for _, how in ipairs {
		"error 'it cannot start'", "local = 1", "require('skynet').start(function() error 'it cannot start' end)",
	} do
		local p = project.new {
			config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\nrecord_ring = 1\n',
			["service/main.lua"] = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	print("started", pcall(skynet.newservice, "one"))
	skynet.sleep(2)
	skynet.abort()
end)
]],
			["service/one.lua"] = "print 'it begins'\n" .. how,
		}
		local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
		test.equal(code, 0, output)
		test.matches(output, "started\tfalse")
		test.matches(output, "what led to the error is in %./one%-.*%.rec")
		test.equal(process.run({ "sh", "-c", "ls *.ring", cwd = p.dir }) == 0, false)
		local again
		code, again = records.replay(p)
		test.equal(code, 0, again)
		test.matches(again, how:find "local" and "one.lua:2: .*expected" or "it begins\n.*it cannot start")
	end
end)

test.case("a process that is killed at any moment leaves rings that can be read, without holes", function()
	local lost = 0
	for _ = 1, test.count(8) do
		local p = project.new {
			config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\nrecord_ring = 1\nrecord_limit = 2\n',
			["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	local one = skynet.newservice "one"
	for i = 1, math.maxinteger do
		skynet.call(one, "lua", i, ("x"):rep(math.random(0, 3000)))
		if i == 2000 then
			print "many"
		end
	end
end)
]],
			["service/one.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		skynet.error("called", n)
		skynet.ret()
	end)
end)
]],
		}
		local server = process.start { test.reef, "config", cwd = p.dir }
		server:expect "many\n"
		skynet.sleep(math.random(0, 10))
		server:signal "KILL"
		server:wait()
		local code, names = process.run { "sh", "-c", "ls *.ring", cwd = p.dir }
		test.equal(code, 0, names)
		local shown
		code, shown = records.replay(p, names:match "^[^\n]+", "--show")
		test.equal(code, 0, shown:sub(-1000))
		lost = lost + (shown:find("what was before is lost", 1, true) and 1 or 0)
		local last, count = nil, 0
		for n in shown:gmatch "logs: called (%d+)\n" do
			test.equal(tonumber(n), (last or tonumber(n) - 1) + 1)
			last, count = tonumber(n), count + 1
		end
		test.truthy(count > 100, count)
	end
	test.truthy(lost > 0, lost)
end)

test.case("a ring keeps to its limit, whatever is sent, and goes with its service", function()
	local p, files, code, output = ring(30, "25", nil, "record_limit = 2\n")
	test.equal(code, 0, output)
	test.equal(#files, 1)
	p:write("service/main.lua", (p:read "service/main.lua":gsub('%("x"%):rep%(1000%)',
		'("x"):rep(i == 10 and 3000000 or 200000)')))
	process.run { "sh", "-c", "rm *.rec", cwd = p.dir }
	code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	local name = records.first(p)
	test.between(#p:read(name), 200000, 2 << 20)
	code, output = records.replay(p, name, "--show")
	test.equal(code, 0, output)
	test.matches(output, "what was before is lost")
	test.matches(output, "prints: called\t25\n")
end)

test.run()
