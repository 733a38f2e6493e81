-- Critical sections: skynet.queue.
local skynet = require "skynet"
local queue = require "skynet.queue"
local test = require "test"

test.case("the module is a function of skynet's, too", function()
	test.truthy(rawequal(skynet.queue, queue))
end)

test.case("one at a time, first come first served", function()
	local lock, inside, order = queue(), 0, {}
	for i = 1, 50 do
		skynet.fork(function()
			lock(function(n)
				inside = inside + 1
				test.equal(inside, 1)
				skynet.sleep(n % 3)
				order[#order + 1] = n
				inside = inside - 1
			end, i)
		end)
	end
	test.eventually("all were inside", 20, function()
		return #order == 50
	end)
	for i = 1, 50 do
		test.equal(order[i], i)
	end
end)

test.case("the same coroutine may enter again", function()
	local lock = queue()
	local depth = 0
	local function deeper(n)
		depth = depth + 1
		skynet.yield()
		return n == 0 and "bottom" or lock(deeper, n - 1)
	end
	test.equal(test.within(10, lock, deeper, 10), "bottom")
	test.equal(depth, 11)
	test.equal(test.within(10, lock, function()
		return "free again"
	end), "free again")
end)

test.case("results come back, nils among them", function()
	test.equal(table.pack(queue()(function(...)
		return ...
	end, 1, nil, 3, nil)), { 1, nil, 3, n = 4 })
end)

test.case("an error propagates with its traceback and opens the lock", function()
	local lock = queue()
	local reason = test.raises("it broke", lock, function()
		error "it broke"
	end)
	test.matches(reason, "stack traceback")
	test.equal(test.within(10, lock, function()
		return 1
	end), 1)
end)

test.case("an error object stays what it is", function()
	local object = setmetatable({ code = 7 }, {
		__tostring = function()
			return "seven"
		end,
	})
	local reason = test.raises("seven", queue(), function()
		error(object)
	end)
	test.truthy(rawequal(reason, object))
end)

test.case("a coroutine that is killed, inside or waiting, does not hold up the others", function()
	local lock, entered = queue(), {}
	local function enter(name)
		return skynet.fork(function()
			lock(function()
				entered[#entered + 1] = name
				if name == "holder" then
					skynet.wait()
				end
			end)
		end)
	end
	local holder, waiter = enter "holder", enter "waiter"
	enter "last"
	skynet.sleep(2)
	test.equal(entered, { "holder" })
	skynet.killthread(waiter)
	skynet.killthread(holder)
	test.eventually("the last one enters", 10, function()
		return entered[2] == "last"
	end)
	test.equal(entered, { "holder", "last" })
end)

test.case("a stray wakeup of a waiting coroutine does not let it in", function()
	local lock, inside = queue(), false
	local release = {}
	skynet.fork(lock, function()
		skynet.wait(release)
	end)
	local waiter = skynet.fork(lock, function()
		inside = true
	end)
	skynet.sleep(1)
	skynet.wakeup(waiter)
	skynet.sleep(1)
	test.equal(inside, false)
	skynet.wakeup(release)
	test.eventually("it is let in", 10, function()
		return inside
	end)
end)

test.run()
