-- Services made of a function: skynet.service.
local skynet = require "skynet"
local service = require "skynet.service"
local test = require "test"

-- luacheck: globals SERVICE_NAME

local function counter(first, step)
	local skynet = require "skynet" -- luacheck: ignore 431
	local value = first
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, command)
			if command == "next" then
				value = value + step.by
			elseif command == "self" then
				return skynet.retpack(SERVICE_NAME, skynet.self())
			end
			skynet.retpack(value)
		end)
	end)
end

test.case("a function becomes a service with real values as arguments", function()
	local address = service.new("counter", counter, 5, { by = 2.5 })
	test.equal(skynet.call(address, "lua", "next"), 7.5)
	local name, self = skynet.call(address, "lua", "self")
	test.equal(name, "counter")
	test.equal(self, address)
	test.equal(service.new("counter", counter, 100, { by = 1 }), address)
	test.equal(service.query "counter", address)
end)

test.case("concurrent callers of new share one service", function()
	local found = {}
	for i = 1, 10 do
		skynet.fork(function()
			found[i] = service.new("slow", function()
				require("skynet").sleep(10)
			end)
		end)
	end
	test.eventually("all have an address", 10, function()
		return #found == 10
	end)
	for i = 2, 10 do
		test.equal(found[i], found[1])
	end
end)

test.case("new answers when the start function has run, which may wait, and passes its error on", function()
	local address = service.new("patient", function()
		local skynet = require "skynet" -- luacheck: ignore 431
		local ready = false
		skynet.start(function()
			skynet.dispatch("lua", function()
				skynet.retpack(ready)
			end)
			skynet.sleep(10)
			ready = true
		end)
	end)
	test.equal(skynet.call(address, "lua"), true)
	local function fails()
		local skynet = require "skynet" -- luacheck: ignore 431
		skynet.start(function()
			skynet.sleep(1)
			error "no start today"
		end)
	end
	test.raises("call failed: .*no start today", service.new, "fails", fails)
	test.raises("call failed: .*no start today", service.query, "fails")
end)

test.case("query waits until somebody makes the service", function()
	local found
	skynet.fork(function()
		found = service.query "awaited"
	end)
	skynet.sleep(5)
	test.equal(found, nil)
	local address = service.new("awaited", counter, 1, { by = 1 })
	test.eventually("the query is answered", 10, function()
		return found
	end)
	test.equal(found, address)
end)

test.case("a service needs no dispatcher; calls to it fail at once", function()
	local address = service.new("silent", function() end)
	test.raises("call failed: .*silent", test.within, 10, skynet.call, address, "lua", "hello")
end)

test.case("an error while it starts reaches the caller, and the name stays failed", function()
	local function broken()
		error "broken by design"
	end
	test.raises("call failed: .*broken by design", service.new, "broken", broken)
	test.raises("call failed: .*broken by design", service.new, "broken", counter, 1, { by = 1 })
	test.raises("call failed: .*broken by design", service.query, "broken")
end)

test.case("a function with upvalues is refused", function()
	local captured = {}
	test.raises("upvalue", service.new, "captures", function()
		return captured
	end)
	test.raises("function", service.new, "text", "return 1")
end)

test.case("close ends the service and frees its name", function()
	local address = service.new("closing", counter, 1, { by = 1 })
	test.equal(service.close "closing", true)
	test.raises("invalid address", skynet.call, address, "lua", "next")
	test.equal(service.close "closing", false)
	local again = service.new("closing", counter, 10, { by = 1 })
	test.different(again, address)
	test.equal(skynet.call(again, "lua", "next"), 11)
end)

test.run()
