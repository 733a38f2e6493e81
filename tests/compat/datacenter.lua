-- skynet.datacenter.
local datacenter = require "skynet.datacenter"
local skynet = require "skynet"
local test = require "test"

test.case("what was set is there for all services, and set returns what was there", function()
	test.equal(datacenter.get "k", nil)
	test.equal(datacenter.set("k", 1), nil)
	test.equal(datacenter.get "k", 1)
	test.equal(datacenter.set("k", "two"), 1)
	local actor = test.service "actor"
	test.equal(skynet.call(actor, "lua", "return require('skynet.datacenter').get 'k'"), "two")
	test.equal(datacenter.set("k", nil), "two")
	test.equal(datacenter.get "k", nil)
end)

test.case("keys make a tree, and a branch comes as a copy", function()
	datacenter.set("tree", "a", 1, "x")
	datacenter.set("tree", "a", 2, false)
	local branch = datacenter.get("tree", "a")
	test.equal(branch, { "x", false })
	branch[1] = "mine"
	test.equal(datacenter.get("tree", "a", 1), "x")
	test.equal(datacenter.set("tree", { b = { c = 3 } }), { a = { "x", false } })
	test.equal(datacenter.get("tree", "b", "c"), 3)
	test.equal(datacenter.get("tree", "b", "none", "deeper"), nil)
	test.equal(datacenter.set("tree", "none", "deeper", nil), nil)
	test.equal(datacenter.get("tree", "none"), nil)
end)

test.case("there is nothing below a value", function()
	datacenter.set("leaf", 1)
	test.raises("leaf is a value", datacenter.set, "leaf", "below", 2)
	test.equal(datacenter.get("leaf", "below"), nil)
	test.raises("key 1 is a nil", datacenter.get, nil, "x")
	test.raises("needs a key and a value", datacenter.set, "alone")
end)

local function waiting(...)
	local outcome, path = {}, table.pack(...)
	skynet.fork(function()
		local result = table.pack(pcall(datacenter.wait, table.unpack(path, 1, path.n)))
		table.move(result, 1, result.n, 1, outcome)
	end)
	skynet.sleep(1)
	return outcome
end

local function arrived(outcome)
	return test.eventually("the wait is over", 10, function()
		return #outcome > 0 and outcome
	end)
end

test.case("wait returns at once what is there, and later what comes", function()
	datacenter.set("here", 7)
	test.equal(datacenter.wait "here", 7)
	local first, second = waiting("later", "x"), waiting("later", "x")
	datacenter.set("later", "y", 1)
	datacenter.set("later", "x", nil)
	skynet.sleep(1)
	test.equal(#first, 0)
	datacenter.set("later", "x", false)
	test.equal(arrived(first), { true, false })
	test.equal(arrived(second), { true, false })
	local third = waiting("whole", "z")
	datacenter.set("whole", { z = 5 })
	test.equal(arrived(third), { true, 5 })
end)

test.case("a wait for what becomes a branch, or for what is below a value, raises", function()
	local branch = waiting "grows"
	datacenter.set("grows", "leaf", 1)
	test.equal(arrived(branch)[1], false)
	test.matches(branch[2], "grows has become a branch")
	local below = waiting("stays", "leaf")
	datacenter.set("stays", 1)
	test.equal(arrived(below)[1], false)
	test.matches(below[2], "stays has become a value")
end)

test.run()
