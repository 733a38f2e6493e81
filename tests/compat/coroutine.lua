-- Coroutines of the user's own inside a service: skynet.coroutine.
local skynet = require "skynet"
local co = require "skynet.coroutine"
local test = require "test"

test.case("a generator gives its values and may call other services between them", function()
	local address = test.service "actor"
	local generator = co.wrap(function()
		for i = 1, 5 do
			co.yield(skynet.call(address, "lua", "return 2 * ...", i))
		end
		return "end"
	end)
	for i = 1, 5 do
		test.equal(generator(), 2 * i)
	end
	test.equal(generator(), "end")
end)

test.case("values go both ways", function()
	local thread = co.create(function(...)
		local got = table.pack(...)
		while true do
			skynet.sleep(0)
			got = table.pack(co.yield(table.unpack(got, 1, got.n)))
		end
	end)
	test.equal(table.pack(co.resume(thread, 1, nil)), { true, 1, nil, n = 3 })
	test.equal(table.pack(co.resume(thread)), { true, n = 1 })
	test.equal(table.pack(co.resume(thread, "x", 2)), { true, "x", 2, n = 3 })
end)

test.case("a generator that waits for the framework is blocked, and only the framework resumes it", function()
	local token, result = {}, nil
	local thread = co.create(function()
		skynet.wait(token)
		return "woken"
	end)
	skynet.fork(function()
		result = table.pack(co.resume(thread))
	end)
	skynet.sleep(1)
	test.equal(co.status(thread), "blocked")
	test.equal({ co.resume(thread) }, { false, "cannot resume a skynet coroutine suspend by skynet framework" })
	skynet.wakeup(token)
	test.eventually("it has ended", 10, function()
		return result
	end)
	test.equal(result, { true, "woken", n = 2 })
	test.equal(co.status(thread), "dead")
end)

test.case("status tells suspended, running, normal and dead", function()
	local inner, outer
	outer = co.create(function()
		test.equal(co.status(outer), "running")
		co.resume(inner)
		co.yield()
	end)
	inner = co.create(function()
		test.equal(co.status(outer), "normal")
	end)
	test.equal(co.status(outer), "suspended")
	test.equal({ co.resume(outer) }, { true })
	test.equal(co.status(outer), "suspended")
	test.equal(co.status(inner), "dead")
	co.resume(outer)
	test.equal(co.status(outer), "dead")
	test.equal({ co.resume(outer) }, { false, "cannot resume dead coroutine" })
end)

test.case("other people's coroutines are refused", function()
	local plain = coroutine.create(function() end)
	test.equal({ co.resume(plain) }, { false, "cannot resume none skynet coroutine" })
	test.raises("yield", co.yield)
end)

test.case("errors come out of resume as false, out of wrap as errors", function()
	local thread = co.create(function()
		skynet.sleep(0)
		error "inside"
	end)
	local ok, reason = co.resume(thread)
	test.equal(ok, false)
	test.matches(reason, "inside")
	test.raises("inside", co.wrap(function()
		skynet.sleep(0)
		error "inside"
	end))
end)

test.case("a failed call raises inside the generator that made it", function()
	local address = test.service "actor"
	local thread = co.create(function()
		local ok, reason = pcall(skynet.call, address, "lua", "error 'oh no'")
		co.yield(ok, tostring(reason))
		skynet.call(address, "lua", "error 'again'")
	end)
	local _, ok, reason = co.resume(thread)
	test.equal(ok, false)
	test.matches(reason, "call failed: .*oh no")
	ok, reason = co.resume(thread)
	test.equal(ok, false)
	test.matches(reason, "call failed: .*again")
end)

test.case("the service's coroutine behind a generator is known", function()
	local own = coroutine.running()
	test.equal({ co.thread() }, { own, true })
	local thread = co.create(function()
		local inner = co.create(function()
			local who, is_own = co.thread()
			return rawequal(who, own), is_own
		end)
		test.equal(co.thread(inner), nil)
		return select(2, co.resume(inner))
	end)
	test.equal({ co.resume(thread) }, { true, true, false })
	test.truthy(rawequal(co.thread(thread), own))
end)

test.case("close runs what is to be closed", function()
	local closed = false
	local thread = co.create(function()
		local _ <close> = setmetatable({}, {
			__close = function()
				closed = true
			end,
		})
		co.yield()
	end)
	co.resume(thread)
	test.equal(co.close(thread), true)
	test.equal(closed, true)
end)

test.run()
