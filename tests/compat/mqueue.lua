-- The second mailbox, and the lesser modules: skynet.mqueue, skynet.memory, the old names.
local skynet = require "skynet"
local mqueue = require "skynet.mqueue"
local test = require "test"

test.case("queued messages are handled one at a time and in order", function()
	local address = test.service "queued"
	local sums = {}
	for i = 1, 20 do
		skynet.fork(function()
			sums[i] = mqueue.call(address, "add", i)
		end)
	end
	skynet.sleep(3)
	test.truthy(skynet.call(address, "lua") > 0)
	test.eventually("all are answered", 20, function()
		return #sums == 20
	end)
	local sum = 0
	for i = 1, 20 do
		sum = sum + i
		test.equal(sums[i], sum)
	end
	mqueue.send(address, "add", 1000)
	test.equal(mqueue.call(address, "add", 0), sum + 1000)
	test.equal(skynet.call(address, "lua"), 0)
	test.raises("call failed: .*bad queue", mqueue.call, address, "raise")
	test.equal(mqueue.call(address, "add", 0), sum + 1000)
end)

test.case("memory tells what services and the process hold", function()
	local memory = require "skynet.memory"
	collectgarbage()
	local before = memory.current()
	test.truthy(before > 10000)
	local block = ("x"):rep(1000000)
	collectgarbage()
	test.between(memory.current() - before, #block - 20000, #block + 20000)
	test.equal(memory.info()[skynet.self()] >= #block, true)
	if not test.sanitizer then
		test.truthy(memory.total() >= memory.current())
		test.truthy(memory.block() > 1000)
		test.truthy(memory.jestat()["stats.allocated"] > #block)
		test.truthy(memory.mallctl "stats.resident" > #block)
		test.raises("no.such.figure", memory.mallctl, "no.such.figure")
	end
end)

test.case("old module names are aliases once compat10 is in the path", function()
	package.path = test.root .. "/lualib/compat10/?.lua;" .. package.path
	test.truthy(rawequal(require "socket", require "skynet.socket"))
	test.truthy(rawequal(require "redis", require "skynet.db.redis"))
end)

test.run()
