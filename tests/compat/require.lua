-- `require` in a coroutine: modules that may yield while they load.
local project = require "project"
local skynet = require "skynet"
local test = require "test"

package.path = test.dir .. "/?.lua;" .. package.path

local function module(name, text)
	local f <close> = assert(io.open(test.dir .. "/" .. name .. ".lua", "w"))
	f:write(text)
end

-- luacheck: globals LOADS
LOADS = {}

test.case("a module's body and its init functions may call other services", function()
	module("yielding", [[
		local skynet = require "skynet"
		local M = { name = ..., steps = {} }
		local address = skynet.newservice "actor"
		M.steps[1] = skynet.call(address, "lua", "return 'body'")
		skynet.init(function()
			M.steps[2] = skynet.call(address, "lua", "return 'init'")
			skynet.kill = nil
			skynet.send(address, "debug", "EXIT")
		end)
		return M
	]])
	local m = require "yielding"
	test.equal(m.name, "yielding")
	test.equal(m.steps, { "body", "init" })
	test.truthy(rawequal(require "yielding", m))
	test.truthy(rawequal(package.loaded.yielding, m))
end)

test.case("those who require it meanwhile wait and get the same module", function()
	module("slow", [[
		LOADS.slow = (LOADS.slow or 0) + 1
		require("skynet").sleep(5)
		return {}
	]])
	local got = {}
	for i = 1, 10 do
		skynet.fork(function()
			got[i] = require "slow"
		end)
	end
	test.eventually("all have it", 10, function()
		return #got == 10
	end)
	for i = 2, 10 do
		test.truthy(rawequal(got[i], got[1]))
	end
	test.equal(LOADS.slow, 1)
end)

test.case("init functions run after their module and before who required it goes on", function()
	module("inner", [[
		local skynet = require "skynet"
		LOADS[#LOADS + 1] = "inner body"
		skynet.init(function() skynet.sleep(1) LOADS[#LOADS + 1] = "inner init" end)
	]])
	module("outer", [[
		local skynet = require "skynet"
		skynet.init(function() LOADS[#LOADS + 1] = "outer init" end)
		require "inner"
		LOADS[#LOADS + 1] = "outer body"
	]])
	test.equal(require "outer", true)
	test.equal({ table.unpack(LOADS) }, { "inner body", "inner init", "outer body", "outer init" })
end)

test.case("a module that requires itself, directly or not, raises", function()
	module("selfish", 'require("skynet").sleep(1) return require "selfish"')
	test.raises("circular dependency", test.within, 10, require, "selfish")
	module("ping", 'require("skynet").sleep(1) return require "pong"')
	module("pong", 'require("skynet").sleep(1) return require "ping"')
	test.raises("circular dependency", test.within, 10, require, "ping")
end)

test.case("so it does in the main chunk of a service, where a module may be taken early", function()
	local p = project.new {}
	p:write("egg.lua", 'return require "hen"')
	p:write("hen.lua", 'return require "egg"')
	p:write("early.lua", 'package.loaded.early = "taken" return require "early"')
	p:write("main.lua", [[
		local skynet = require "skynet"
		print(require "early", select(2, pcall(require, "egg")))
		skynet.start(function() require("skynet.manager").abort() end)
	]])
	local code, output = p:run { "run", "main.lua" }
	test.equal(code, 0, output)
	test.matches(output, "taken\t%S*%a+%.lua:1: circular dependency: module %a+ is being loaded by who requires it\n")
end)

test.case("two coroutines that load each other's modules do not wait for ever", function()
	module("left", 'require("skynet").sleep(2) return require "right"')
	module("right", 'require("skynet").sleep(2) return require "left"')
	local ended = 0
	for _, name in ipairs { "left", "right" } do
		skynet.fork(function()
			test.equal(pcall(require, name), false)
			ended = ended + 1
		end)
	end
	test.eventually("both have an answer", 10, function()
		return ended == 2
	end)
end)

test.case("who waits for a module that fails is told; the next one may try again", function()
	module("failing", [[
		require("skynet").sleep(2)
		if not LOADS.repaired then error "still broken" end
		return "fine"
	]])
	local reasons = {}
	for i = 1, 3 do
		skynet.fork(function()
			reasons[i] = select(2, pcall(require, "failing"))
		end)
	end
	test.eventually("all have failed", 10, function()
		return #reasons == 3
	end)
	test.matches(reasons[1], "still broken")
	test.matches(reasons[2], "require failing failed")
	test.matches(reasons[3], "require failing failed")
	LOADS.repaired = true
	test.equal(require "failing", "fine")
end)

test.case("a loader that is killed does not leave the others waiting", function()
	module("abandoned", "require('skynet').wait()")
	local loader = skynet.fork(require, "abandoned")
	local outcome
	skynet.fork(function()
		outcome = table.pack(pcall(require, "abandoned"))
	end)
	skynet.sleep(1)
	skynet.killthread(loader)
	test.eventually("the other one goes on", 10, function()
		return outcome
	end)
	test.equal(outcome[1], false)
end)

test.case("what does not exist or does not compile says so", function()
	test.raises("module 'no.such.module' not found", require, "no.such.module")
	module("syntax", "return = 1")
	test.raises("syntax.lua:1:", require, "syntax")
end)

test.case("a module may return false, and set package.loaded itself", function()
	module("falsy", "return false")
	test.equal(require "falsy", false)
	module("registers", "package.loaded[...] = 'by itself'")
	test.equal(require "registers", "by itself")
end)

test.run()
