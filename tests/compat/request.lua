-- Parallel calls: skynet.request and select.
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

local function collect(request, timeout)
	local by_name, order = {}, {}
	for object, reply in request:select(timeout) do
		by_name[object.name] = reply == nil and "nil" or reply
		order[#order + 1] = object.name
	end
	return by_name, order
end

test.case("replies come in the order of their arrival, with the request they belong to", function()
	local address = test.service "actor"
	local request = skynet.request()
	for i, delay in ipairs { 6, 3, 0 } do
		request:add { address, "lua", "require'skynet'.sleep(...) return ...", delay, name = i }
	end
	local replies, order = collect(request)
	test.equal(order, { 3, 2, 1 })
	test.equal(replies[1], { 6, n = 1 })
	test.equal(request.timeout, nil)
end)

test.case("add and call chain; n keeps nils among the arguments", function()
	local address = test.service "actor"
	local request = skynet.request { address, "lua", "return select('#', ...)", 1, name = "first" }
	request { address, "lua", "return select('#', ...)", nil, nil, n = 5, name = "second" }:add {
		address, "lua", "return nil, 2, nil", name = "third" }
	local replies = collect(request)
	test.equal(replies.first, { 1, n = 1 })
	test.equal(replies.second, { 2, n = 1 })
	test.equal(replies.third, { nil, 2, nil, n = 3 })
end)

test.case("an error of any bytes reaches the caller whole", function()
	local victim = test.service "error_bytes"
	for _, how in ipairs { "raise", "response" } do
		for _ = 1, test.count(100) do
			local bytes = {}
			for k = 1, math.random(1, 100) do
				bytes[k] = string.char(math.random(0, 255) * math.random(0, 1))
			end
			local text = table.concat(bytes)
			local _, err = pcall(skynet.call, victim, "lua", how, text)
			test.truthy(err:sub(-#text - 13) == "call failed: " .. text)
		end
	end
end)

test.case("a remote error is false, an address that does not exist is nil and comes first", function()
	local address = test.service "actor"
	local dead = skynet.newservice "actor"
	skynet.kill(dead)
	local replies, order = collect(skynet.request { address, "lua", "error 'no'", name = "fails" }
		:add { dead, "lua", "return 1", name = "dead" }
		:add { address, "lua", "return 1", name = "fine" })
	test.equal(order[1], "dead")
	test.equal(replies.dead, "nil")
	test.equal(replies.fails, false)
	test.equal(replies.fine, { 1, n = 1 })
end)

test.case("after the time-out the loop ends, and late replies disturb nobody", function()
	local address = test.service "actor"
	local request = skynet.request { address, "lua", "return 1", name = "quick" }
	request:add { address, "lua", "require'skynet'.sleep(10) return 2", name = "slow" }
	local replies = collect(request, 3)
	test.equal(replies.quick, { 1, n = 1 })
	test.equal(replies.slow, nil)
	test.equal(request.timeout, true)
	skynet.sleep(15)
	test.equal(skynet.call(address, "lua", "return 3"), 3)
end)

test.case("leaving the loop early cancels the rest", function()
	local address = test.service "actor"
	local before = skynet.task()
	local request = skynet.request()
	for i = 1, 5 do
		request:add { address, "lua", "require'skynet'.sleep(...) return ...", 2 * i, name = i }
	end
	for object in request:select() do
		test.equal(object.name, 1)
		if object.name then
			break
		end
	end
	test.equal(skynet.task(), before)
	skynet.sleep(15)
end)

test.case("a service that ends while it is asked gives false", function()
	local address = skynet.newservice "actor"
	local request = skynet.request { address, "lua", "require'skynet'.wait()", name = "waiting" }
	request:add { address, "lua", "require'skynet'.exit()", name = "ending" }
	local replies = test.within(10, collect, request)
	test.equal(replies, { waiting = false, ending = false })
end)

test.case("nothing to ask is nothing to wait for", function()
	test.equal(collect(skynet.request()), {})
end)

test.run()
