local skynet = require "skynet"
local test = require "test"
local codecache = require "skynet.codecache"

local function write(name, text)
	local file = assert(io.open(test.dir .. "/" .. name, "w"))
	file:write(text)
	file:close()
	return test.dir .. "/" .. name
end

local function run(service, source, ...)
	return skynet.call(service, "lua", source, ...)
end

local LOAD = "local path = ... return require('skynet.codecache').loadfile(path)()"

test.case("a file is read once for all services, until it is evicted or the cache is cleared", function()
	local path = write("cached.lua", "return 1")
	local a, b = test.service "share_reader", test.service "share_reader"
	test.equal(run(a, LOAD, path), 1)
	write("cached.lua", "return 2")
	test.equal({ run(a, LOAD, path), run(b, LOAD, path) }, { 1, 1 })
	test.truthy(codecache.evict(path))
	test.equal(codecache.evict(path), false)
	test.equal({ run(b, LOAD, path), run(a, LOAD, path) }, { 2, 2 })
	write("cached.lua", "return 3")
	codecache.clear()
	test.equal(run(a, LOAD, path), 3)
	local bytes = 0
	for _, file in ipairs(codecache.stat().files) do
		bytes = bytes + file.bytes
	end
	test.equal(codecache.stat().bytes, bytes)
end)

test.case("each service has a mode of its own", function()
	local path = write("mode.lua", "return 1")
	local a, b = test.service "share_reader", test.service "share_reader"
	run(a, "require('skynet.cache').mode 'OFF'")
	test.equal({ run(a, "return require('skynet.codecache').mode()"), run(b, "return require('skynet.cache').mode()") },
		{ "OFF", "ON" })
	test.equal({ run(a, LOAD, path), run(b, LOAD, path) }, { 1, 1 })
	write("mode.lua", "return 2")
	test.equal({ run(a, LOAD, path), run(b, LOAD, path) }, { 2, 1 })
	run(a, "require('skynet.cache').mode 'EXIST'")
	test.equal(run(a, LOAD, path), 1)
	codecache.clear()
	test.equal(run(a, LOAD, path), 2)
	write("mode.lua", "return 3")
	test.equal(run(a, LOAD, path), 3, "it does not fill the cache")
	test.raises("MAYBE", codecache.mode, "MAYBE")
end)

test.case("the code that was evicted is freed with the last service that uses it", function()
	local path = write("used.lua", "return function() return 'used' end")
	local a = skynet.newservice "share_reader"
	run(a, "local path = ... f = require('skynet.codecache').loadfile(path)()", path)
	codecache.evict(path)
	local function versions()
		local n = 0
		for _, file in ipairs(codecache.stat().files) do
			n = n + (file.name == path and 1 or 0)
		end
		return n
	end
	test.equal({ versions(), run(a, "return f()") }, { 1, "used" })
	require("skynet.manager").kill(a)
	test.eventually("it is freed", 10, function()
		return versions() == 0
	end)
end)

test.case("errors name the file and are not kept", function()
	local path = write("broken.lua", "return {")
	local f, reason = codecache.loadfile(path)
	test.equal(f, nil)
	test.matches(reason, "broken.lua:1:")
	write("broken.lua", "return 5")
	test.equal(codecache.loadfile(path)(), 5)
end)

test.run()
