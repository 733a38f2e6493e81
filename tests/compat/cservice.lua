-- Services written in C against the C API: tests/modules/counter.c, found through `cpath`.
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

local modules = test.reef:match "^(.*)/[^/]*$" .. "/tests/modules"
assert(os.execute("mkdir -p cservice && ln -sf '" .. modules .. "'/*.so cservice/"))

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = tostring,
	unpack = skynet.tostring,
}

local function counter(param)
	local address = assert(skynet.launch("counter", param))
	test.defer(skynet.kill, address)
	return address
end

test.case("it gets its parameter, messages and replies", function()
	local address = counter "10"
	skynet.send(address, "text", "one")
	skynet.send(address, "text", "two")
	test.equal(skynet.call(address, "text", "get"), "13")
end)

test.case("it may keep a message", function()
	local address = counter "0"
	skynet.send(address, "text", "keep this one")
	skynet.send(address, "text", "not this")
	test.equal(skynet.call(address, "text", "kept"), "keep this one")
end)

test.case("it may have several instances", function()
	local a, b = counter "1", counter "100"
	test.equal(skynet.call(a, "text", "get"), "2")
	test.equal(skynet.call(b, "text", "get"), "101")
end)

test.case("signals reach its signal function", function()
	local address = counter "0"
	require("skynet.core").command("SIGNAL", skynet.address(address) .. " 5")
	test.equal(skynet.call(address, "text", "get"), "6")
end)

-- Under a sanitizer an instance that is signalled after its release is a report.
test.case("signals at any moment of its end reach it before the release or not at all", { timeout = 60 }, function()
	local core = require "skynet.core"
	local senders = {}
	for i = 1, 4 do
		senders[i] = skynet.newservice("signaller")
		test.defer(skynet.kill, senders[i])
	end
	for _ = 1, test.count(1000) do
		local address = assert(skynet.launch("counter", "0"))
		local name = skynet.address(address)
		for _, sender in ipairs(senders) do
			skynet.send(sender, "lua", name)
		end
		core.command("SIGNAL", name .. " 1")
		skynet.kill(address)
	end
	local sent = 0
	for _, sender in ipairs(senders) do
		sent = sent + skynet.call(sender, "lua")
	end
	test.equal(sent, 4 * test.count(1000) * 4)
end)

test.case("one that refuses to start, or does not exist, gives nil", function()
	test.equal(skynet.launch("counter", "refuse"), nil)
	test.equal(skynet.launch "no_such_module", nil)
end)

test.case("callers of one that ends are told", function()
	local address = assert(skynet.launch("counter", "0"))
	skynet.send(address, "text", "fail")
	-- "call failed", or "call to invalid address" when it has ended already
	test.raises("call [ft]", skynet.call, address, "text", "get")
end)

test.case("requests that it has taken and never answers fail when it ends", function()
	for _, last in ipairs { "kill", "fail" } do
		local address = assert(skynet.launch("counter", "0"))
		local failed, answered = 0, 0
		for i = 1, 20 do
			skynet.fork(function()
				local ok = pcall(skynet.call, address, "text", i % 2 == 0 and "get" or "not this")
				failed, answered = failed + (ok and 0 or 1), answered + (ok and 1 or 0)
			end)
		end
		test.eventually("half is answered", 10, function()
			return answered == 10
		end)
		skynet.sleep(1)
		test.equal(failed, 0)
		if last == "kill" then
			skynet.kill(address)
		else
			skynet.send(address, "text", "fail")
		end
		test.eventually("the others have failed", 10, function()
			return failed == 10
		end)
	end
end)

test.run()
