-- timeout: 600
-- Records as files: cut, damaged, too large, too many, on a disk that is full or none.
local process = require "test.process"
local project = require "project"
local records = require "test.records"
local test = require "test"

test.case("a record that is cut, or is none, is said to be", function()
	local p = records.of(records.SUM)
	local bytes = p:read(records.first(p))
	local reached = {}
	for _ = 1, test.count(40) do
		p:write("cut.rec", bytes:sub(1, math.random(0, #bytes - 1)))
		local code, output = records.replay(p, "cut.rec")
		test.truthy(code == 0 or code == 1, output)
		test.truthy(output:find "it was cut" or output:find "at offset %d+" or output:find "is not whole"
			or output:find "no record of a service", output)
		reached[code] = (reached[code] or 0) + 1
	end
	test.truthy(reached[1] and reached[1] > 0)
	for _ = 1, test.count(60) do
		local at = math.random(#bytes)
		p:write("wrong.rec", bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1))
		local code, output = records.replay(p, "wrong.rec", "--show")
		test.truthy(code == 0 or (code == 1 and output:find "at offset %d+" or output:find "is not whole"
			or output:find "no record of a service"), output)
		code, output = records.replay(p, "wrong.rec")
		test.truthy(code == 0 or code == 1, output)
		test.truthy(output:find("replay: ", 1, true), output)
	end
end)

test.case("kill -9 leaves a record that is good up to its end", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "main"\n',
		["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	for i = 1, 100000 do
		skynet.sleep(0)
		if i % 1000 == 0 then
			print("at", i, math.random())
		end
	end
end)
]],
	}
	local server = process.start { test.reef, "config", cwd = p.dir }
	server:expect "at\t3000\t"
	server:signal "KILL"
	server:wait()
	local code, output = records.replay(p)
	test.equal(code, 0, output)
	test.matches(output, "at\t3000\t")
	test.matches(output, "it was cut")
	local line = server:output():match "at\t3000\t[%d.]+\n"
	test.truthy(line and output:find(line, 1, true), output)
end)

test.case("a record keeps to its limit, and older records make room", function()
	local p, output = records.of([[
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		for _ = 1, n > 0 and 20 or 0 do
			skynet.send(skynet.self(), "lua", 0, ("x"):rep(10000))
		end
		print("n", n)
		if n > 0 then
			skynet.retpack(n)
		else
			skynet.ignoreret()
		end
	end)
end)
]], "record_limit = 3\nrecord_files = 2\n")
	test.matches(output, "ends here: it has 3 MiB, which is its limit")
	local code, again = records.replay(p)
	test.equal(code, 0, again)
	test.matches(again, "it has 3 MiB")
	local size = #p:read(records.first(p))
	test.between(size, 1 << 20, 3 << 20)
	for _ = 1, 3 do
		test.equal(process.run({ test.reef, "config", cwd = p.dir }, 120), 0)
	end
	local _, names = process.run { "sh", "-c", "ls *.rec | wc -l", cwd = p.dir }
	test.equal(tonumber(names), 2)
end)

test.case("on a full disk the record ends, and the service goes on", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "main"\nrecord_path = "small"\n',
		["small/empty"] = "",
		["service/main.lua"] = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	skynet.dispatch("lua", function()
		skynet.ignoreret()
	end)
	for _ = 1, 200 do
		for _ = 1, 10 do
			skynet.send(skynet.self(), "lua", ("x"):rep(10000))
		end
		skynet.yield()
	end
	print "it went on"
	skynet.abort()
end)
]],
	}
	local code, output = process.run({ "unshare", "-m", "sh", "-c", ("mount -t tmpfs -o size=3m tmpfs small || exit 77\n"
		.. "%s config && cp small/*.rec ."):format(test.reef), cwd = p.dir }, 120)
	if code ~= 0 and not output:find("reef", 1, true) then
		test.skip("no file system of its own: " .. output)
	end
	test.equal(code, 0, output)
	test.matches(output, "ends here: No space left on device")
	test.matches(output, "it went on\n")
	code, output = records.replay(p)
	test.equal(code, 0, output)
	test.matches(output, "answers: as recorded; No space left on device")
end)

test.case("where nothing can be written the service runs, and the log says why there is no record", function()
	local p, output = records.of(records.SUM, "record_path = \"nowhere\"\n")
	test.matches(output, "cannot record one to nowhere/one%-.*: No such file or directory")
	test.matches(output, "sum\t342\n")
	test.equal(process.run({ "sh", "-c", "ls *.rec", cwd = p.dir }) == 0, false)
end)

test.case("records that are written to are no old ones, however many there are", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\nrecord_files = 2\n',
		["service/main.lua"] = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	local all = {}
	for i = 1, 6 do
		all[i] = skynet.newservice("one", i)
	end
	for i = 1, 6 do
		skynet.call(all[i], "lua", i)
	end
	os.execute "ls *.rec | wc -l > while"
	for i = 1, 6 do
		skynet.kill(all[i])
	end
	skynet.sleep(2)
	skynet.newservice "one"
	skynet.abort()
end)
]],
		["service/one.lua"] = 'local skynet = require "skynet"\n' .. records.SUM,
		["one-two-20200101-000000-1-00000001.rec"] = "another's",
	}
	test.equal(process.run({ test.reef, "config", cwd = p.dir }, 120), 0)
	test.equal(tonumber(p:read "while"), 7)
	local _, names = process.run { "sh", "-c", "ls one-2*.rec | wc -l", cwd = p.dir }
	test.equal(tonumber(names), 2)
	test.truthy(p:read "one-two-20200101-000000-1-00000001.rec")
end)

test.run()
