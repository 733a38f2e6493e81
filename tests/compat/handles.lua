-- config: socket_limit = 0
-- Every C function of every module and every handle (userdata with a metatable), in every state, with hostile
-- arguments: each answers or raises, none brings the process down. Under a sanitizer that means: none touches what
-- is gone.
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"

local source = test.root .. "/tests/services/hostile.lua"

-- The names of all modules in C, from the sources: so a new one is tried, too.
local modules = {}
for _, room in ipairs { "core", "socket", "sharetable", "datasheet", "drivers" } do
	local lines = io.popen(("grep -rhoE 'reef_host_preload\\(\"[^\"]+' '%s/%s'"):format(test.root, room))
	for line in lines:lines() do
		modules[#modules + 1] = line:match '"(.*)'
	end
	lines:close()
end

local function run(what, seed)
	local file = io.open(source, "rb")
	local text = file:read "a"
	file:close()
	local path = process.path("hostile.lua")
	file = io.open(path, "wb")
	file:write(text)
	file:close()
	return process.run { test.reef, "run", path, what, tostring(seed), table.concat(modules, ","), cwd = test.dir,
		-- What a call gives away, such as the bytes of skynet.pack, nobody frees here.
		env = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0" } }
end

for _, what in ipairs { "functions", "living", "finalized", "collected", "exit", "kill" } do
	test.case("hostile arguments end in errors: " .. what, { timeout = 120 }, function()
		local whole, n = 0, math.max(2, test.count(10))
		for i = 1, n do
			local seed = test.seed + i
			local code, output = run(what, seed)
			local calls = output:match "calls: (%d+)"
			-- On a busy machine a killed service may be out of time before its finalizer is through.
			local interrupted = what == "kill" and output:find("interrupted: the service is to end", 1, true)
			if code ~= 0 or not (calls or interrupted) then
				test.fail(("seed %d ended with code %s: %s"):format(seed, code, output:sub(-3000)))
			elseif calls then
				test.between(tonumber(calls), 50, 1e9)
				whole = whole + 1
			end
		end
		test.truthy(whole >= n // 2)
	end)
end

test.case("a writer of stm that was finalized raises", function()
	local stm = require "skynet.stm"
	local writer = stm.new "x"
	local reader = stm.newcopy(stm.copy(writer))
	getmetatable(writer).__gc(writer)
	getmetatable(reader).__gc(reader)
	test.raises("was collected", writer, "y")
	test.raises("was collected", stm.copy, writer)
	test.raises("was collected", reader, skynet.tostring)
end)

test.case("a copy of stm is for one reader, and any other pointer is for none", function()
	local stm = require "skynet.stm"
	local writer = stm.new "x"
	local copy = stm.copy(writer)
	local reader = stm.newcopy(copy)
	test.raises("no copy of a writer", stm.newcopy, copy)
	local text
	reader(function(pointer, size)
		text = skynet.tostring(pointer, size)
	end)
	test.equal(text, "x")
	local pointer, size = skynet.pack(1)
	test.raises("no copy of a writer", stm.newcopy, pointer)
	skynet.trash(pointer, size)
end)

test.case("bytes that a reader lends are nobody's: a writer, or a new one, refuses them", function()
	local stm = require "skynet.stm"
	local writer, other = stm.new "x", stm.new "y"
	local reader, again = stm.newcopy(stm.copy(writer)), stm.newcopy(stm.copy(writer))
	for _, take in ipairs { writer, other, function(...) return stm.new(...) end } do
		test.raises("lent by a reader", again, function(pointer, size)
			local inner = stm.newcopy(stm.copy(other))
			inner(function() take(pointer, size) end)
		end)
		again = stm.newcopy(stm.copy(writer))
	end
	test.raises("lent by a reader", reader, writer)
	writer "z"
	test.truthy(reader(function(pointer, size)
		test.equal(skynet.tostring(pointer, size), "z")
	end))
end)

test.run()
