-- timeout: 300
-- Whatever loop a service is in, `signal 0` ends it once and a kill for good; calls end, others go on meanwhile.
local core = require "skynet.core"
local manager = require "skynet.manager"
local process = require "test.process"
local project = require "project"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
local test = require "test"

-- Lua code that does not end, or not before the tests do.
local loops = {
	["a loop"] = "while true do end",
	["a recursion of tail calls"] = "local function f() return f() end f()",
	["a coroutine"] = "coroutine.wrap(function() while true do end end)()",
	["a coroutine in a coroutine"] = [[
		coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()]],
	["a finalizer"] = "setmetatable({}, { __gc = function() while true do end end }) collectgarbage() error 'ended'",
	["a <close> variable"] = "local x <close> = setmetatable({}, { __close = function() while true do end end })",
	["the <close> variable of a coroutine"] = [[
		local co = coroutine.create(function()
			local x <close> = setmetatable({}, { __close = function() while true do end end })
			coroutine.yield()
		end)
		coroutine.resume(co)
		error(select(2, coroutine.close(co)))]],
	["an error in a <close> variable's scope"] = [[
		error(select(2, pcall(function()
			local x <close> = setmetatable({}, { __close = function() while true do end end })
			error "x"
		end)))]],
	["__tostring"] = "tostring(setmetatable({}, { __tostring = function() while true do end end }))",
	["__tostring of an error"] = "error(setmetatable({}, { __tostring = function() while true do end end }))",
	["a line hook"] = "debug.sethook(function() while true do end end, 'l')\nlocal a = 1\na = 2\nerror(a)",
	["a count hook"] = "debug.sethook(function() while true do end end, '', 1)\nlocal a = 1\na = 2\nerror(a)",
	["a loop that takes hooks away"] = "while true do debug.sethook() end",
	["a message handler"] = "error(select(2, xpcall(error, function() while true do end end)))",
	["a pattern of string.find"] = "(('a'):rep(40)):find(('a?'):rep(40) .. ('a'):rep(40))",
	["a pattern of string.match"] = "(('a'):rep(60)):match(('a-'):rep(40) .. 'b')",
	["a pattern of string.gsub"] = "(('a'):rep(60)):gsub(('a*'):rep(40) .. 'b', '')",
	["a pattern of string.gmatch"] = "for _ in (('a'):rep(60)):gmatch(('.*'):rep(40) .. 'b') do end",
	["brackets of a pattern"] = "(('('):rep(10000000)):find '%b()'",
	["a set of a pattern"] = "(('a'):rep(1000000)):find('[' .. ('b'):rep(1000000) .. 'a]*c')",
	["repeated strings"] = "for i = 1, 1 << 60 do local s = ('x'):rep(1 << 24) end",
	["table.move"] = "table.move({}, 1, 1 << 60, 2)",
	["table.concat"] = "table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, 1 << 60)",
	["table.sort"] = [[
		table.sort(setmetatable({}, { __len = function() return 0x7ffffff0 end, __index = rawlen, __newindex = type }))]],
	["table.insert"] = "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)",
	["table.remove"] = "table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)",
	["a reader of source"] = "error(select(2, load(function() while true do end end)))",
	["a source without an end"] = "error(select(2, load(function() return ' ' end)))",
	["a load of a shared table"] = [[
		error(select(2, pcall(require("skynet.sharetable").loadstring, "interrupted", "while true do end")))]],
}
-- These catch what interrupts them; `signal 0` is one error.
local stubborn = {
	["pcall"] = "while true do pcall(function() while true do end end) end",
	["xpcall"] = "while true do xpcall(function() while true do end end, debug.traceback) end",
	["xpcall with a handler that loops"] = "while true do xpcall(error, function() while true do end end) end",
	["coroutines"] = "while true do local co = coroutine.wrap(function() while true do end end) pcall(co) end",
	["resume"] = "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
	["<close> variables"] = [[
		local function f() local x <close> = setmetatable({}, { __close = function() f() end }) error "x" end
		while true do pcall(f) end]],
	["finalizers"] = [[
		while true do setmetatable({}, { __gc = function() while true do end end }) collectgarbage() end]],
	["patterns"] = "while true do pcall(string.find, ('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40)) end",
}

-- ThreadSanitizer delivers a signal when the thread next calls the system, which a loop does not.
local function sorted(cases)
	local names = {}
	if test.sanitizer == "tsan" then
		return names
	end
	for name in pairs(cases) do
		names[#names + 1] = name
	end
	table.sort(names)
	return names
end

-- A service that is in the loop, and how the call ended that sent it there.
local function start(text)
	local address = skynet.newservice "actor"
	local call = {}
	test.defer(manager.kill, address)
	skynet.fork(function()
		call.ok, call.reason = pcall(skynet.call, address, "lua", text)
		call.over = true
	end)
	skynet.sleep(3)
	return address, call
end

local function signalled_until_over(address, call)
	test.eventually("the call has ended", 20, function()
		core.command("SIGNAL", skynet.address(address) .. " 0")
		return call.over
	end)
end

for _, name in ipairs(sorted(loops)) do
	test.case("signal 0 ends " .. name, { timeout = 60 }, function()
		local address, call = start(loops[name])
		test.equal(call.over, nil)
		if name:find "shared" then
			address = skynet.uniqueservice "sharetable_loader"
		end
		signalled_until_over(address, call)
		-- Nothing of it is left.
		if name:find "shared" then
			test.within(20, sharetable.loadstring, "interrupted", "return {}")
		else
			test.equal(test.within(20, skynet.call, address, "lua",
				"local n = 0 for i = 1, 1000 do n = n + 1 end return n"), 1000)
		end
	end)
	test.case("a kill ends " .. name, { timeout = 60 }, function()
		local address, call = start(loops[name])
		if name:find "shared" then
			address = skynet.uniqueservice "sharetable_loader"
		end
		manager.kill(address)
		test.eventually("the call has ended", 20, function()
			return call.over
		end)
		test.equal(call.ok, false)
	end)
end

for _, name in ipairs(sorted(stubborn)) do
	test.case("a kill ends a loop of " .. name, { timeout = 60 }, function()
		local address, call = start(stubborn[name])
		test.equal(call.over, nil)
		manager.kill(address)
		test.eventually("the call has ended", 20, function()
			return call.over
		end)
		test.equal(call.ok, false)
	end)
end

-- What an event resumes runs outside of any message.
local AFTER_EVENTS = [[
	local path, after, text = %q, %q, %q
	KEEP = setmetatable({}, { __gc = function() io.open(path, "w"):close() end })
	local socket = require "skynet.socket"
	local listener, host, port = socket.listen("127.0.0.1", 0)
	local function loop()
		load(text)()
	end
	socket.start(listener, function(id)
		socket.start(id)
		socket.write(id, "hello\n")
		if after == "accept" then
			loop()
		end
	end)
	local id = socket.open(host, port)
	if after == "open" then
		loop()
	elseif after == "read" then
		socket.readline(id)
		loop()
	elseif after == "close" then
		socket.close(id)
		loop()
	elseif after == "name" then
		require("skynet.dns").resolve "localhost"
		loop()
	end
	skynet.wait()]]

for _, after in ipairs(test.sanitizer == "tsan" and {} or { "accept", "open", "read", "close", "name" }) do
	for _, name in ipairs { "a loop", "a coroutine", "pcall", "a pattern of string.find" } do
		test.case(("a kill ends %s that began after an event: %s"):format(name, after), { timeout = 60 }, function()
			local flag = process.path "released"
			local address = start(AFTER_EVENTS:format(flag, after, loops[name] or stubborn[name]))
			skynet.sleep(10)
			if name == "a loop" then
				core.command("SIGNAL", skynet.address(address) .. " 0")
				if after ~= "accept" then
					test.equal(test.within(20, skynet.call, address, "lua", "return 1"), 1)
				end
			end
			manager.kill(address)
			test.eventually("it is released", 20, function()
				local f <close> = io.open(flag)
				return f
			end)
		end)
	end
end

for what, text in pairs(test.sanitizer == "tsan" and {} or {
	["finalizers"] = [[
		KEEP = {}
		for i = 1, 10 do
			KEEP[i] = setmetatable({}, { __gc = function() while true do pcall(rawlen) end end })
		end]],
	["<close> variables"] = [[
		for i = 1, 10 do
			skynet.fork(function()
				local x <close> = setmetatable({}, { __close = function() while true do pcall(rawlen) end end })
				skynet.wait()
			end)
		end]],
}) do
	for _, ending in ipairs { "skynet.exit()", "skynet.sleep(1000)" } do
		test.case(("%s are cut off in the end of a service that %s"):format(what, ending), { timeout = 60 }, function()
			local p = project.new { ["main.lua"] = ([[
				local skynet = require "skynet"
				skynet.start(function()
					%s
					skynet.timeout(5, function()
						skynet.error "ready"
						%s
					end)
				end)]]):format(text, ending) }
			local reef = p:start(p:config "thread = 1")
			reef:expect "ready"
			reef:signal "TERM"
			test.different(reef:wait(30), nil)
		end)
	end
end

test.case("a coroutine that is killed while it waits to publish leaves the way to others", { timeout = 60 }, function()
	local datasheet = require "reef.datasheet"
	datasheet.publish { interrupts_a = { n = 1 } }
	local busy = test.service "actor"
	skynet.send(busy, "lua", "local s = require 'skynet' local t = s.hpc() while s.hpc() - t < 1e9 do end")
	skynet.sleep(5)
	local publisher = skynet.fork(function()
		datasheet.publish { interrupts_a = { n = 2 } }
	end)
	skynet.sleep(5)
	test.truthy(skynet.killthread(publisher))
	test.within(20, datasheet.publish, { interrupts_b = { n = 3 } })
	test.equal(datasheet.query("interrupts_a").n, 1)
	test.equal(datasheet.query("interrupts_b").n, 3)
	datasheet.delete("interrupts_a", "interrupts_b")
end)

test.run()
