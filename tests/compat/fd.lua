-- reef.fd: waiting for descriptors that belong to somebody else.
local fd = require "reef.fd"
local os_fd = require "test.process.core"
local manager = require "skynet.manager"
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"

---Two ends of a connection that are closed with the case.
local function pair()
	local a, b = assert(os_fd.pair())
	test.defer(os_fd.close_fd, a)
	test.defer(os_fd.close_fd, b)
	return a, b
end

---Runs f in a coroutine; what it returned comes into the table.
local function later(f, ...)
	local result = {}
	local task = skynet.fork(function(...)
		result.values = table.pack(f(...))
		result.values.n = nil
	end, ...)
	skynet.yield()
	return result, task
end

local function fill(a)
	while os_fd.write_fd(a, ("x"):rep(65536)) do end
end

local function drain(b)
	while os_fd.read_fd(b) do end
end

test.case("what is ready already is told at once", function()
	local a, b = pair()
	test.equal(fd.wait(a, "w"), "w")
	test.equal(fd.wait(a, "rw"), "w")
	os_fd.write_fd(b, "x")
	test.equal(fd.wait(a, "r"), "r")
	-- Nothing has been read: it is ready still.
	test.equal(fd.wait(a, "r"), "r")
	test.equal(fd.wait(a, "rw"), "rw")
end)

test.case("a coroutine waits until it can read, or write", function()
	local a, b = pair()
	local reads = later(fd.wait, a, "r", 3000)
	test.equal(reads.values, nil)
	os_fd.write_fd(b, "x")
	test.eventually("it can", 5, function()
		return reads.values
	end)
	test.equal(reads.values, { "r" })
	fill(a)
	local writes = later(fd.wait, a, "w", 3000)
	skynet.sleep(2)
	test.equal(writes.values, nil)
	drain(b)
	test.eventually("it can", 5, function()
		return writes.values
	end)
	test.equal(writes.values, { "w" })
end)

test.case("a wait ends at its deadline, and a long one that follows a short one at its own", function()
	local a, b = pair()
	test.equal({ fd.wait(a, "r", 3) }, { nil, "timeout" })
	test.equal({ fd.wait(a, "r", 0) }, { nil, "timeout" })
	for _, timeout in ipairs { 3000, 5, 3000 } do
		local since = skynet.now()
		local result = later(fd.wait, a, "r", timeout)
		if timeout == 5 then
			test.eventually("the deadline", 10, function()
				return result.values
			end)
			test.equal(result.values, { nil, "timeout" })
			test.truthy(skynet.now() - since >= 5)
		else
			skynet.sleep(15)
			test.equal(result.values, nil)
			os_fd.write_fd(b, "x")
			test.eventually("bytes", 5, function()
				return result.values
			end)
			test.equal(result.values, { "r" })
			drain(a)
		end
	end
end)

test.case("the other side's end is something to read", function()
	local a, b = assert(os_fd.pair())
	test.defer(os_fd.close_fd, a)
	local result = later(fd.wait, a, "r", 3000)
	os_fd.close_fd(b)
	test.eventually("the end", 5, function()
		return result.values
	end)
	test.equal(result.values, { "r" })
	test.equal(os_fd.read_fd(a), "")
end)

test.case("a number may belong to another descriptor at the next wait", function()
	local number = assert(os_fd.pair())
	for round = 1, 100 do
		local a, b = assert(os_fd.pair())
		os_fd.move_fd(a, number) -- closes what was there
		if round % 3 == 0 then
			test.equal({ fd.wait(number, "r", 0) }, { nil, "timeout" })
		end
		local result = later(fd.wait, number, "r", 3000)
		os_fd.write_fd(b, tostring(round))
		test.eventually("bytes", 5, function()
			return result.values
		end)
		test.equal(result.values, { "r" })
		test.equal(os_fd.read_fd(number), tostring(round))
		if round % 2 == 0 then
			os_fd.close_fd(b)
		else
			test.defer(os_fd.close_fd, b)
		end
	end
	os_fd.close_fd(number)
end)

test.case("a number that is waited for again while a wait is under way: the former wait ends", function()
	local a, b = pair()
	local first = later(fd.wait, a, "r", 3000)
	local second = later(fd.wait, a, "r", 3000)
	test.eventually("the first", 5, function()
		return first.values
	end)
	test.equal(first.values, { nil, "closed" })
	test.equal(second.values, nil)
	os_fd.write_fd(b, "x")
	test.eventually("the second", 5, function()
		return second.values
	end)
	test.equal(second.values, { "r" })
end)

test.case("a wait for a descriptor that is closed under it ends at its deadline", function()
	local a, b = assert(os_fd.pair())
	test.defer(os_fd.close_fd, b)
	local result = later(fd.wait, a, "r", 10)
	os_fd.close_fd(a)
	test.eventually("the deadline", 5, function()
		return result.values
	end)
	test.equal(result.values, { nil, "timeout" })
end)

test.case("a killed coroutine waits no more, and leaves nothing in the way", function()
	local a, b = pair()
	for _ = 1, 50 do
		local result, task = later(fd.wait, a, "r", 3000)
		skynet.killthread(task)
		os_fd.write_fd(b, "x")
		test.equal(fd.wait(a, "r", 3000), "r")
		drain(a)
		test.equal(result.values, nil)
	end
end)

test.case("what cannot be waited for is an error in the system's words", function()
	test.equal({ fd.wait(-1, "r") }, { nil, "Bad file descriptor" })
	test.equal({ fd.wait(1 << 40, "r") }, { nil, "Bad file descriptor" })
	local a, b = assert(os_fd.pair())
	os_fd.close_fd(a)
	os_fd.close_fd(b)
	test.equal({ fd.wait(a, "r") }, { nil, "Bad file descriptor" })
	test.raises("events are r, w or rw", fd.wait, 0, "x")
	test.raises("timeout out of range", fd.wait, 0, "r", -1)
	test.raises("timeout out of range", fd.wait, 0, "r", 0 / 0)
	local file = assert(os_fd.open_fd(process.path "file"))
	test.defer(os_fd.close_fd, file)
	test.equal(fd.wait(file, "rw"), "rw")
end)

test.case("whatever happens to descriptors and waits, each wait ends once", { timeout = 120 }, function()
	math.randomseed(test.seed)
	local number, other = assert(os_fd.pair())
	local under_way, begun, ended = {}, 0, 0
	for _ = 1, test.count(3000) do
		local what = math.random(6)
		if what == 1 then
			os_fd.write_fd(other, "x")
		elseif what == 2 then
			drain(number)
		elseif what == 3 then
			-- The library connects again.
			os_fd.close_fd(other)
			local a, b = assert(os_fd.pair())
			os_fd.move_fd(a, number)
			other = b
		elseif what == 4 then
			local task = table.remove(under_way, math.max(1, math.random(0, #under_way)))
			if task and not task.over then
				task.over = true
				ended = ended + 1
				skynet.killthread(task.thread)
			end
		else
			local task = {}
			begun = begun + 1
			under_way[#under_way + 1] = task
			task.thread = skynet.fork(function()
				local ready, err = fd.wait(number, ({ "r", "w", "rw" })[math.random(3)], math.random(0, 5))
				assert(ready or err == "timeout" or err == "closed", err)
				assert(not task.over)
				task.over = true
				ended = ended + 1
			end)
		end
		if math.random(3) == 1 then
			skynet.yield()
		end
		if math.random(20) == 1 then
			skynet.sleep(1)
		end
	end
	test.eventually("all have ended", 20, function()
		return ended == begun
	end)
	os_fd.close_fd(number)
	os_fd.close_fd(other)
end)

test.case("a service that ends in the middle of waits takes nobody along", function()
	local a, b = pair()
	for _ = 1, 20 do
		local waiter = test.service "waits_for_fd"
		skynet.call(waiter, "lua", a)
		os_fd.write_fd(b, "x")
		manager.kill(waiter)
		-- Its last wait may have begun after this one.
		test.eventually("ready for us", 5, fd.wait, a, "r", 100)
		drain(a)
	end
end)

test.run()
