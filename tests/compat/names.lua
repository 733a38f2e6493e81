-- Addresses and names: `.local` and global.
local skynet = require "skynet"
local harbor = require "skynet.harbor"
require "skynet.manager"
local test = require "test"

local unique = 0
local function fresh(prefix)
	unique = unique + 1
	return prefix .. unique
end

test.case("a service is reached by number, by hex text and by local name", function()
	local address = test.service "actor"
	local name = fresh ".alias"
	skynet.name(name, address)
	for _, how in ipairs { address, skynet.address(address), name, (":%x"):format(address) } do
		test.equal(skynet.call(how, "lua", "return require'skynet'.self()"), address, tostring(how))
	end
	test.equal(skynet.localname(name), address)
	test.equal(skynet.localname ".never_given", nil)
	test.equal(skynet.address(address), (":%08x"):format(address))
	test.equal(skynet.address "x", "x")
end)

test.case("a taken local name is not changed, and a service may have many", function()
	local first, second = test.service "actor", test.service "actor"
	local name, other = fresh ".taken", fresh ".taken"
	skynet.name(name, first)
	skynet.name(other, first)
	skynet.name(name, second)
	test.equal(skynet.localname(name), first)
	test.equal(skynet.localname(other), first)
end)

test.case("names of a service vanish with it and can be given again", function()
	local first, second = skynet.newservice "actor", test.service "actor"
	local name = fresh ".vanishing"
	skynet.call(first, "lua", "require'skynet.manager'.register(...)", name)
	test.equal(skynet.localname(name), first)
	skynet.kill(first)
	test.eventually("the name is gone", 10, function()
		return not skynet.localname(name)
	end)
	skynet.name(name, second)
	test.equal(skynet.localname(name), second)
end)

test.case("kill takes a local name or hex text", function()
	for _, how in ipairs { "name", "hex" } do
		local address = skynet.newservice "actor"
		local name = fresh ".victim"
		skynet.name(name, address)
		skynet.kill(how == "name" and name or skynet.address(address))
		test.raises("invalid address", skynet.call, address, "lua", "return 1")
	end
end)

test.case("what is no name is refused", function()
	local manager = require "skynet.manager"
	test.raises("a name is a string", manager.register, 5)
	test.raises("a name is a string", manager.name, nil, skynet.self())
end)

test.case("a global name works inside the process", function()
	local address = test.service "actor"
	local name = fresh "GLOBAL"
	skynet.call(address, "lua", "require'skynet.manager'.register(...)", name)
	test.equal(skynet.call(name, "lua", "return require'skynet'.self()"), address)
	test.equal(harbor.queryname(name), address)
end)

test.case("messages to a global name wait, in order, until somebody has it", function()
	local address = test.service "actor"
	local name = fresh "LATER"
	local replies = {}
	for i = 1, 100 do
		test.truthy(skynet.send(name, "lua", "ORDER = ORDER or {} ORDER[#ORDER + 1] = ...", i))
	end
	for i = 1, 10 do
		skynet.fork(function()
			replies[i] = skynet.call(name, "lua", "return ...", i)
		end)
	end
	skynet.sleep(5)
	test.equal(#replies, 0)
	skynet.name(name, address)
	test.eventually("all requests are answered", 10, function()
		return #replies == 10
	end)
	test.equal(replies, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 })
	local order = skynet.call(address, "lua", "return ORDER")
	test.equal(#order, 100)
	for i = 1, 100 do
		test.equal(order[i], i)
	end
end)

test.case("queryname waits until the global name is given", function()
	local address = test.service "actor"
	local name = fresh "AWAITED"
	local found
	skynet.fork(function()
		found = harbor.queryname(name)
	end)
	skynet.sleep(5)
	test.equal(found, nil)
	harbor.globalname(name, address)
	test.eventually("the name is known", 10, function()
		return found
	end)
	test.equal(found, address)
end)

test.case("a global name is given once and for ever", function()
	local first, second = skynet.newservice "actor", test.service "actor"
	local name = fresh "ONCE"
	skynet.name(name, first)
	skynet.name(name, second)
	test.equal(harbor.queryname(name), first)
	skynet.kill(first)
	skynet.name(name, second)
	test.equal(harbor.queryname(name), first)
	test.raises("invalid address", skynet.call, name, "lua", "return 1")
end)

test.case("what cannot be a global name is refused", function()
	for _, name in ipairs { ":1234", "sixteen_bytes_xx", "1234", "0x12", "" } do
		test.raises(".", skynet.name, name, skynet.self())
	end
	skynet.name("fifteen_bytes_x", skynet.self())
end)

test.case("without a network, what speaks of other nodes returns, raises or waits", function()
	harbor.link(1)
	test.raises("harbor = 0", harbor.linkmaster)
	local connected
	local waiting = skynet.fork(function()
		harbor.connect(1)
		connected = true
	end)
	skynet.sleep(5)
	test.equal(connected, nil)
	skynet.killthread(waiting)
	test.equal({ skynet.harbor(skynet.self()) }, { 0, false })
end)

test.run()
