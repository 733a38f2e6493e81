-- Tracing (core.md §8), memory limits and interruption.
local skynet = require "skynet"
require "skynet.manager"
local endless = require "endless"
local test = require "test"

-- Runs a script in a process of its own; what it prints and logs.
local function run(script)
	local path = test.dir .. "/" .. "traced.lua"
	local f = assert(io.open(path, "w"))
	f:write(script)
	f:close()
	local p <close> = assert(io.popen(("%s run %s 2>&1"):format(test.reef, path)))
	return p:read "a"
end

test.case("a trace follows a request through services", function()
	local output = run [[
		local skynet = require "skynet"
		local mode = ...
		if mode == "callee" then
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, what)
					if what == "tag" then
						return skynet.retpack(skynet.tracetag())
					end
					skynet.sleep(1)
					skynet.retpack(skynet.tracetag())
				end)
			end)
			return
		end
		skynet.start(function()
			local callee = skynet.newservice("traced", "callee")
			skynet.trace "begin"
			local tag = skynet.tracetag()
			assert(tag:match "^:%x+%-1$", tag)
			assert(skynet.call(callee, "lua", "work") == tag)
			skynet.sleep(1)
			skynet.fork(function()
				assert(skynet.tracetag() == nil)
				assert(skynet.call(callee, "lua", "tag") == nil)
				skynet.traceproto("lua", false)
				skynet.tracelog("own", "a line", 1)
				print "done"
				require "skynet.manager".abort()
			end)
		end)
	]]
	test.matches(output, "done")
	local tag = output:match "<TRACE (:%x+%-1)> %d+ trace begin\n"
	test.truthy(tag, output)
	local function event(what)
		test.matches(output, ("<TRACE %s> %%d+ %s"):format(tag:gsub("%p", "%%%0"), what), what)
	end
	event "call : [^\n]*traced.lua:%d+"
	event "request\n"
	event "sleep : [^\n]*traced.lua:%d+"
	event "resume\n"
	event "response\n"
	event "end\n"
	test.matches(output, "TRACE nil")
	test.matches(output, "<TRACE own> %d+ a line : [^\n]*traced.lua:%d+")
end)

test.case("traceproto traces every message of a protocol", function()
	local output = run [[
		local skynet = require "skynet"
		if ... == "callee" then
			skynet.traceproto("lua", true)
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, fail)
					if fail then error "by design" end
					skynet.retpack(skynet.tracetag())
				end)
			end)
			return
		end
		skynet.start(function()
			local callee = skynet.newservice("traced", "callee")
			print("tags", skynet.call(callee, "lua"), skynet.call(callee, "lua"))
			pcall(skynet.call, callee, "lua", true)
			require "skynet.manager".abort()
		end)
	]]
	test.matches(output, "tags\t:%x+%-1\t:%x+%-2\n")
	test.matches(output, "<TRACE :%x+%-3> %d+ error\n")
end)

test.case("a coroutine that is traced forgets its tag when it is used again", function()
	local actor = test.service "actor"
	for i = 1, 5 do
		local tag = skynet.call(actor, "lua", "local skynet = require 'skynet' skynet.trace() return skynet.tracetag()")
		test.matches(tag, "%-" .. i .. "$")
		test.equal(skynet.call(actor, "lua", "return require 'skynet'.tracetag()"), nil)
	end
end)

test.case("trace_timeout tells where a timer was set", function()
	local actor = test.service "actor"
	local list = skynet.call(actor, "lua", [[
		local skynet = require "skynet"
		skynet.trace_timeout(true)
		local thread = skynet.timeout(1000, print)
		skynet.trace_timeout(false)
		local list = skynet.task {}
		skynet.killthread(thread)
		return list
	]])
	local _, traceback = next(list)
	test.matches(traceback, "timer of 1000 cs from:")
end)

test.case("beyond its memory limit a service gets errors, and lives", function()
	local service = test.service("starts", "memory_limit")
	for _ = 1, 20 do
		test.raises("not enough memory", skynet.call, service, "lua", "grow", 1 << 24)
		test.equal(skynet.call(service, "lua", "grow", 1000), 1000)
	end
	-- a request that is itself too large
	local large = ("x"):rep(1 << 23)
	pcall(skynet.call, service, "lua", "grow", large)
	test.equal(skynet.call(service, "lua", "grow", 1000), 1000)
end)

test.case("whatever fails for want of memory fails alone", { timeout = 120 }, function()
	local worked = 0
	for limit = 24, 120 do
		local ok, service = pcall(skynet.newservice, "limited", limit * 1024)
		if ok and service then
			test.within(60, pcall, skynet.call, service, "lua", "work", 30)
			-- What remains of it answers as long as it lives.
			local alive, reply = pcall(skynet.call, service, "lua", "echo", 1)
			test.truthy(alive and reply == 1 or not alive)
			worked = worked + 1
			skynet.kill(service)
		end
	end
	test.truthy(worked > 50, worked)
end)

test.case("an endless loop is interrupted, in user coroutines too, and leaves nothing", { timeout = 60 }, function()
	local actor = test.service "actor"
	skynet.call(actor, "lua", "return") -- its start is over, so none of the signals can meet that
	local loops = {
		endless,
		("coroutine.wrap(function() %s end)()"):format(endless),
		("local co = require 'skynet.coroutine' co.wrap(function() %s end)()"):format(endless),
	}
	for _, loop in ipairs(loops) do
		local outcome
		skynet.fork(function()
			outcome = table.pack(pcall(skynet.call, actor, "lua", loop))
		end)
		test.eventually("it is interrupted", 30, function()
			require "skynet.core".command("SIGNAL", skynet.address(actor) .. " 0")
			skynet.sleep(5)
			return outcome
		end)
		test.equal(outcome[1], false)
		test.matches(outcome[2], "signal 0")
		test.equal(skynet.call(actor, "lua", "for i = 1, 1000 do N = i end return N, debug.gethook()"), 1000)
	end
end)

test.run()
