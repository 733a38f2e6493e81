-- How services start and end.
local process = require "test.process"
local project = require "project"
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

local function listed(address)
	return skynet.call(".launcher", "lua", "LIST")[skynet.address(address)]
end

test.case("newservice returns when the start function has returned", function()
	local before = skynet.now()
	test.service("starts", "slowly")
	test.truthy(skynet.now() - before >= 19)
end)

test.case("the main chunk, the init functions and the start function run in that order", function()
	local address = test.service("starts", "ordered")
	test.equal(skynet.call(address, "lua", "order"), { "main chunk", "first init", "second init", "start" })
end)

test.case("arguments arrive as words", function()
	local address = test.service("starts", 1, "two words", 2.5, "")
	local name, path, arguments = skynet.call(address, "lua", "arguments")
	test.equal(name, "starts")
	test.matches(path, "tests/services/?$")
	test.equal(arguments, { "1", "two", "words", "2.5", n = 4 })
end)

test.case("trailing nils among the arguments vanish", function()
	local address = test.service("starts", "x", nil, nil)
	test.equal(select(3, skynet.call(address, "lua", "arguments")), { "x", n = 1 })
end)

test.case("arguments that are no words make the launch fail, and say which", function()
	for position, value in ipairs { true, {}, false } do
		local words = {}
		for i = 1, position - 1 do
			words[i] = i
		end
		words[position] = value
		test.raises("call failed: .*argument " .. position .. " is a " .. type(value), skynet.newservice, "starts",
			table.unpack(words, 1, position))
	end
	test.raises("call failed: .*argument 1 is a nil", skynet.newservice, "starts", nil, "x")
end)

test.case("a service that exits while it starts makes newservice return nothing", function()
	test.equal(table.pack(skynet.newservice("starts", "exits")), { n = 0 })
end)

test.case("newservice raises the reason of a start that failed", function()
	local reason = test.raises("call failed: .*no luck today", function()
		skynet.newservice("starts", "raises")
	end)
	test.matches(reason, "^[^\n]*lifecycle.lua:%d+: call failed: [^\n]*starts.lua:%d+: no luck today$")
	test.raises("call failed: .*an object says no", skynet.newservice, "starts", "raises_object")
	test.raises("call failed: .*the main chunk fails", skynet.newservice, "starts", "raises_in_main_chunk")
	test.raises("call failed: .*an init function fails", skynet.newservice, "starts", "init_raises")
end)

test.case("a main file that does not call start has run and ends, and nobody waits for it", function()
	test.equal(select("#", test.within(10, skynet.newservice, "starts", "never_calls_start")), 0)
end)

test.case("newservice raises the reason of a file that cannot be loaded", function()
	test.raises("call failed: .*no_such_service", skynet.newservice, "no_such_service")
end)

test.case("a service killed while it starts does not leave newservice waiting", function()
	test.raises("call failed: ", test.within, 10, skynet.newservice, "starts", "kills_itself")
	local before = skynet.call(".launcher", "lua", "LIST")
	local outcome
	skynet.fork(function()
		outcome = table.pack(pcall(skynet.newservice, "starts", "hangs"))
	end)
	local booting = test.eventually("the service is there", 10, function()
		for address in pairs(skynet.call(".launcher", "lua", "LIST")) do
			if not before[address] then
				return address
			end
		end
	end)
	skynet.kill(booting)
	test.eventually("newservice has ended", 10, function()
		return outcome
	end)
	test.equal(outcome[1], false)
	test.matches(outcome[2], "call failed: .*killed")
end)

test.case("a service is listed while it lives, however it ends", function()
	local by_kill = skynet.newservice("actor")
	local by_exit = skynet.newservice("actor")
	local by_name = skynet.newservice("actor")
	test.equal(listed(by_kill), "snlua actor")
	skynet.name(".by_name", by_name)
	skynet.kill(by_kill)
	skynet.send(by_exit, "lua", "require'skynet'.exit()")
	skynet.kill ".by_name"
	for _, address in ipairs { by_kill, by_exit, by_name } do
		test.eventually("it is not listed any more", 10, function()
			return not listed(address)
		end)
	end
end)

test.case("exit drops what was forked and closes what is to be closed", function()
	local path = test.dir .. "/closed"
	local address = skynet.newservice "actor"
	pcall(skynet.call, address, "lua", [[
		local skynet, path = require "skynet", ...
		local function note(text)
			local f = io.open(path, "a")
			f:write(text, "\n")
			f:close()
		end
		skynet.fork(function()
			local _ <close> = setmetatable({}, { __close = function() note "other closed" end })
			skynet.wait()
		end)
		skynet.sleep(1)
		skynet.fork(note, "forked")
		local _ <close> = setmetatable({}, { __close = function() note "own closed" end })
		skynet.exit()
		note "exit returned"
	]], path)
	local function read()
		local f = io.open(path)
		local text = f and f:read "a" or ""
		if f then
			f:close()
		end
		return text
	end
	test.eventually("both are closed", 10, function()
		return select(2, read():gsub("\n", "")) >= 2
	end)
	test.equal(read(), "other closed\nown closed\n")
end)

test.case("a call to a service that is gone raises, a send returns nil", function()
	local address = skynet.newservice "actor"
	skynet.kill(address)
	test.raises("call to invalid address " .. skynet.address(address), skynet.call, address, "lua", "return 1")
	test.equal(skynet.send(address, "lua", "return 1"), nil)
	test.equal(skynet.send(".nobody_has_this_name", "lua", 1), nil)
end)

test.case("callers of a service that exits or is killed get an error, whatever they wait for", function()
	for _, ending in ipairs {
		"require'skynet'.exit()",
		"require'skynet.manager'.kill(require'skynet'.self()) require'skynet'.wait()",
	} do
		local address = skynet.newservice "actor"
		local failed = 0
		local function ask(code)
			skynet.fork(function()
				local ok = pcall(skynet.call, address, "lua", code)
				failed = failed + (ok and 0 or 1)
			end)
		end
		ask "require'skynet'.sleep(100000)"
		ask "local r = require'skynet'.response(); KEEP = r; require'skynet'.wait()"
		ask(ending)
		ask "return 1"
		test.eventually("all callers go on: " .. ending, 10, function()
			return failed == 4
		end)
	end
end)

test.case("memlimit makes an allocation fail and nothing else", function()
	local address = test.service("starts", "memory_limit")
	test.equal(skynet.call(address, "lua", "grow", 1000), 1000)
	test.raises("not enough memory", skynet.call, address, "lua", "grow", 64 * 1024 * 1024)
	test.equal(skynet.call(address, "lua", "grow", 1000), 1000)
end)

test.case("init is refused outside of main chunks and modules", function()
	local address = test.service("starts", "ordered")
	test.raises("skynet.init", skynet.call, address, "lua", "init now")
	test.raises("function", skynet.init, 1)
end)

test.case("with every descriptor in use, a start that fails says why", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				FILES = {}
				repeat
					FILES[#FILES + 1] = io.open "/dev/null"
				until #FILES > 1000 or not io.open "/dev/null"
				error "the true reason"
			end)
		]],
	}
	local words = p:config()
	local code, output = process.run {
		"/bin/sh", "-c", 'ulimit -n 40; exec "$0" "$@"', test.reef, words[1], cwd = p.dir }
	test.equal(code, 1)
	test.matches(output, "init service failed: [^\n]*the true reason")
	test.matches(output, "reef: cannot start main: [^\n]*the true reason")
end)

test.run()
