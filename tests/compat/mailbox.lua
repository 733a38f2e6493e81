-- The limits of mailboxes, and the overload line.
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"

local function session_of(source)
	return skynet.call(source, "lua", "stat")
end

-- The service stands in one message until what comes back is called.
local function hold(bounded, name)
	skynet.send(bounded, "lua", "stuck", name)
	test.eventually("stuck", 10, skynet.getenv, name .. "_begun")
	local held = true
	local function let_go()
		if held then
			skynet.setenv(name, "go")
			held = false
		end
	end
	test.defer(let_go)
	return let_go
end

test.case("beyond the limit a call fails at once, a send returns false, and both are counted", function()
	local bounded = test.service "bounded"
	skynet.call(bounded, "lua", "limit", { messages = 10 })
	local let_go = hold(bounded, "counted")
	local taken, refused = 0, 0
	for _ = 1, 100 do
		local result = skynet.send(bounded, "lua", "nothing")
		test.equal(result == 0 or result == false, true)
		taken, refused = taken + (result == 0 and 1 or 0), refused + (result == false and 1 or 0)
	end
	test.equal({ taken, refused }, { 10, 90 })
	test.raises("call failed: the mailbox of :%x+ is full", skynet.call, bounded, "lua", "stat")
	let_go()
	test.eventually("room again", 10, function()
		return pcall(skynet.call, bounded, "lua", "stat")
	end)
	local stat, count = skynet.call(bounded, "lua", "stat")
	test.equal({ stat.messages, stat.bytes, stat.most_messages, stat.most_bytes }, { 0, 0, 10, 0 })
	test.between(count, 91, 10000)
	test.equal(stat.refused, count)
end)

test.case("bytes are limited, too; one message that is larger than all is refused", function()
	local bounded = test.service "bounded"
	skynet.call(bounded, "lua", "limit", { bytes = 100000 })
	test.equal(skynet.send(bounded, "lua", ("x"):rep(200000)), false)
	local let_go = hold(bounded, "weighed")
	local bytes = 0
	for _ = 1, 1000 do
		local n = math.random(1, 5000)
		if skynet.send(bounded, "lua", ("x"):rep(n)) == 0 then
			bytes = bytes + n
		end
	end
	test.between(bytes, 90000, 100000)
	let_go()
	test.eventually("room again", 10, function()
		return pcall(skynet.call, bounded, "lua", "stat")
	end)
	skynet.call(bounded, "lua", "limit", { bytes = 0 })
	test.equal(skynet.send(bounded, "lua", ("x"):rep(200000)), 0)
	test.equal(session_of(bounded).most_bytes, 0)
end)

test.case("answers are not refused", function()
	local bounded, other = test.service "bounded", test.service "bounded"
	skynet.call(bounded, "lua", "limit", { messages = 1, bytes = 100 })
	for _ = 1, 20 do
		local ok, stat = skynet.call(bounded, "lua", "call", other)
		test.equal(ok, true)
		test.equal(stat.refused, 0)
	end
end)

test.case("wrong limits are refused", function()
	local mailbox = require "reef.mailbox"
	test.raises("at least 0", mailbox.limit, { messages = -1 })
	test.raises("at least 0", mailbox.limit, { bytes = 1.5 })
	test.raises("unknown option message %(did you mean messages%?%)", mailbox.limit, { message = 1 })
end)

local function run(config, source)
	local path, main = process.path "config", process.path "main.lua"
	local dir = main:match "^(.*)/"
	local name = main:match "([^/]*)%.lua$"
	local file = io.open(main, "w")
	file:write(source)
	file:close()
	file = io.open(path, "w")
	file:write(config, ('\nluaservice = "%s/?.lua;%s/tests/services/?.lua"\nstart = "%s"\nharbor = 0\n'):format(dir,
		test.root, name))
	file:close()
	return process.run { test.reef, path, cwd = test.dir }
end

test.case("the config sets a limit for all services of the user's", function()
	local code, output = run("thread = 2\nmailbox_messages = 5", [[
		local skynet = require "skynet"
		require "skynet.manager"
		skynet.start(function()
			local b = skynet.newservice "bounded"
			print("most", (skynet.call(b, "lua", "stat").most_messages))
			skynet.send(b, "lua", "stuck", "go")
			while not skynet.getenv "go_begun" do skynet.sleep(1) end
			local n = 0
			for _ = 1, 50 do n = n + (skynet.send(b, "lua", "nothing") and 1 or 0) end
			print("taken", n)
			skynet.setenv("go", "yes")
			skynet.abort()
		end)
	]])
	test.equal(code, 0)
	test.matches(output, "most\t5")
	test.matches(output, "taken\t5")
	test.matches(output, "mailbox is full: 5 messages with %d+ bytes wait")
end)

test.case("the overload line comes while the receiver is stuck", function()
	local code, output = run("thread = 2", [[
		local skynet = require "skynet"
		require "skynet.manager"
		skynet.start(function()
			local b = skynet.newservice "bounded"
			skynet.send(b, "lua", "stuck", "go")
			while not skynet.getenv "go_begun" do skynet.sleep(1) end
			for _ = 1, 100 do
				for _ = 1, 30 do skynet.send(b, "lua", "nothing") end
				skynet.sleep(1)
			end
			skynet.error "still stuck"
			skynet.setenv("go", "yes")
			skynet.call(b, "lua", "nothing")
			skynet.abort()
		end)
	]])
	test.equal(code, 0)
	test.matches(output, "May overload, message queue length = %d+.*still stuck")
end)

test.run()
