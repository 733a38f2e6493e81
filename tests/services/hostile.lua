-- For compat/handles.lua: hostile.lua WHAT SEED MODULE,... Calls every C function that the modules and the metatables
-- of this VM have, with arguments that nobody would give, and prints how many calls it made.
local skynet = require "skynet"

local what, seed, names = ...
math.randomseed(tonumber(seed))

-- What ends or blocks the process or the service by design, and what takes a raw pointer by contract.
local LEFT_OUT = {
	exit = true, term = true, trash = true, drop = true, callback = true, memlimit = true, command = true,
	intcommand = true, addresscommand = true, set_exit_code = true, endless = true, killthread = true,
	dispatch_message = true, unknown = true, shutdown = true, usleep = true,
}

local modules = {}
for name in names:gmatch "[^,]+" do
	modules[#modules + 1] = name
end
table.sort(modules)

local loaded = {}
for _, name in ipairs(modules) do
	loaded[name] = require(name)
end

local function is_c(f)
	return type(f) == "function" and debug.getinfo(f, "S").what == "C"
end

-- Functions of all modules.
local functions = {}
for _, name in ipairs(modules) do
	if type(loaded[name]) == "table" and name ~= "reef.box" then
		for key, f in pairs(loaded[name]) do
			if is_c(f) and not LEFT_OUT[key] then
				functions[#functions + 1] = { name = name .. "." .. tostring(key), f = f }
			end
		end
	end
end
table.sort(functions, function(a, b)
	return a.name < b.name
end)

-- One handle of every kind, by the name of its metatable.
local makers = {
	["reef.stm.writer"] = function()
		return loaded["skynet.stm"].new "x"
	end,
	["reef.stm.reader"] = function()
		local stm = loaded["skynet.stm"]
		return stm.newcopy(stm.copy(stm.new "x"))
	end,
	["reef.debugchannel"] = function()
		return (loaded["skynet.debugchannel"].create())
	end,
	["reef.blocks.inbox"] = function()
		return loaded["reef.blocks.core"].inbox(100, 200, 3)
	end,
	["reef.socket.buffer"] = function()
		return loaded["skynet.socketdriver"].buffer()
	end,
	["reef.tls.target"] = function()
		return loaded["reef.tls.core"].target({ verify = false }, false, "localhost", 1)
	end,
	["reef.datasheet.plan"] = function()
		return loaded["reef.datasheet.core"].plan("publish", {})
	end,
	["reef.config.watch"] = function()
		return loaded["reef.config.core"].watch()
	end,
	["reef.redis.connection"] = function()
		return loaded["reef.redis.core"].connection(function() end, nil, {})
	end,
	["reef.redis.handle"] = function()
		local core = loaded["reef.redis.core"]
		return core.handle(core.connection(function() end, nil, {}), 1, false, false, {}, function() end)
	end,
	["reef.mongo.connection"] = function()
		return loaded["reef.mongo.core"].connection(function() end)
	end,
	["reef.bson.writer"] = function()
		return (loaded["reef.mongo.core"].batch({ { a = 1 } }, 1, 1000, 10))
	end,
	["reef.bson.object"] = function()
		return loaded.bson.encode { a = 1 }
	end,
	["reef.pool"] = function()
		return loaded["reef.pool.core"].new("redis", {
			window = 1, queue = 1, queue_bytes = 1000, unsent = 1000, tombstones = 1, limit = 1000, queue_timeout = 1, stall = 1,
			slow = 1, routing = "any",
		})
	end,
	["reef.http.parser"] = function()
		return loaded["reef.http.core"].parser(false, { head = 1000, fields = 10, body = 1000 })
	end,
	["reef.http.frames"] = function()
		return loaded["reef.http.frames"].new(1, true, 1000)
	end,
	["reef.pool.redis"] = function()
		return loaded["reef.pool.redis.core"].client(function() end, {})
	end,
	["reef.pool.mongo"] = function()
		return loaded["reef.pool.mongo.core"].client(function() end)
	end,
}

-- In one order, so that a seed says which calls there are.
local names_of_makers = {}
for name in pairs(makers) do
	names_of_makers[#names_of_makers + 1] = name
end
table.sort(names_of_makers)

local function make_all()
	local handles = {}
	for _, name in ipairs(names_of_makers) do
		local handle = makers[name]()
		assert(type(handle) == "userdata", name)
		handles[#handles + 1] = handle
	end
	return handles
end

-- All C functions of a handle: its metatable's and those behind __index.
local function methods_of(handle)
	local found = {}
	local function add(t)
		for key, f in pairs(t) do
			if is_c(f) and not LEFT_OUT[key] and not (key == "read" and t.write) then -- a debugger's blocks its thread
				found[#found + 1] = { name = tostring(key), f = f }
			elseif key == "__index" and type(f) == "table" and f ~= t then
				add(f)
			end
		end
	end
	local meta = debug.getmetatable(handle) or {}
	add(meta)
	table.sort(found, function(a, b)
		return a.name < b.name
	end)
	return found
end

local handles = {}

local function values(deep)
	local v = {
		false, true, 0, 1, -1, 2, 7, 255, 256, 0x7fffffff, -0x80000000, math.maxinteger, math.mininteger, 1.5, -0.0,
		1e300, 0 / 0, math.huge, "", "\0", "a\0b", "x", ("x"):rep(300), "%s%n", ":1", ".launcher", "lua", "1e9",
		{}, { 1, 2, 3 }, { a = 1 }, { { { {} } } }, setmetatable({}, { __index = function() error "index" end }),
		setmetatable({}, { __pairs = function() error "pairs" end, __len = function() return math.maxinteger end }),
		setmetatable({}, { __tostring = function() return 1 end }), function() end, function() error "no" end, print,
		coroutine.create(function() end), io.stdout, "", {},
	}
	if deep then
		local t = {}
		t.t = t
		v[#v + 1] = t
	end
	return v
end

local calls = 0
local kept_values = values(true)

local function argument()
	if #handles > 0 and math.random(3) == 1 then
		return handles[math.random(#handles)]
	end
	local v = kept_values[math.random(#kept_values)]
	return v
end

-- Told early, too: on a busy machine a finalizer may be interrupted before it is through.
local function finish()
	io.stderr:write("calls: ", calls, "\n")
	io.stderr:flush()
end

local function call(f, ...)
	calls = calls + 1
	if calls == 100 then
		finish()
	end
	if os.getenv "HOSTILE_TRACE" then
		io.stderr:write(f.name, " ", table.concat((function(...)
			local t = table.pack(...)
			for i = 1, t.n do
				t[i] = type(t[i]) == "table" and "table" or tostring(t[i]):sub(1, 40)
			end
			return t
		end)(...), ", "), "\n")
	end
	return pcall(f.f, ...)
end

local function hostile_calls(f, first, n)
	for _ = 1, n do
		local arguments = {}
		local count = math.random(0, 6)
		if first then
			arguments[1] = first
		end
		for i = #arguments + 1, count do
			arguments[i] = argument()
		end
		call(f, table.unpack(arguments, 1, math.max(count, first and 1 or 0)))
	end
end

-- Each on a coroutine of its own: some wait, and are left waiting.
local function hostile_forks(f, first, n)
	local done = false
	local co = skynet.fork(function()
		hostile_calls(f, first, n)
		done = true
	end)
	for _ = 1, 3 do
		if not done then
			skynet.sleep(0)
		end
	end
	if not done then
		skynet.killthread(co)
	end
end

local function every_method(n)
	for _, handle in ipairs(handles) do
		for _, f in ipairs(methods_of(handle)) do
			hostile_calls(f, handle, n)
			hostile_calls(f, nil, 1)
		end
		for _, event in ipairs { function() return #handle end, function() return tostring(handle) end, function()
			handle.a = 1
		end, function() return handle.decode end, function() return handle("x") end } do
			pcall(event)
			calls = calls + 1
		end
	end
end

local ways = {}

function ways.functions()
	handles = make_all()
	for _, f in ipairs(functions) do
		hostile_forks(f, nil, 6)
	end
end

function ways.living()
	handles = make_all()
	for _, handle in ipairs(handles) do
		for _, f in ipairs(methods_of(handle)) do
			if f.name ~= "__gc" then
				hostile_forks(f, handle, 4)
			end
		end
	end
end

function ways.finalized()
	handles = make_all()
	for _, handle in ipairs(handles) do
		local gc = debug.getmetatable(handle).__gc
		if gc then
			gc(handle)
			gc(handle)
		end
	end
	for _, handle in ipairs(handles) do
		for _, f in ipairs(methods_of(handle)) do
			hostile_forks(f, handle, 6)
		end
	end
end

-- An object whose finalizer does all this, and that was there before the handles: so theirs have run already.
local function guard_with_handles()
	local guard = setmetatable({}, {
		__gc = function(self)
			handles = self.handles
			every_method(2)
			for _, f in ipairs(functions) do
				hostile_calls(f, nil, 2)
			end
			finish()
		end,
	})
	guard.handles = make_all()
	return guard
end

function ways.collected()
	guard_with_handles()
	collectgarbage()
	collectgarbage()
end

function ways.exit()
	_G.guard = guard_with_handles()
end
ways.kill = ways.exit

skynet.start(function()
	skynet.error("hostile " .. what)
	ways[what]()
	if what == "functions" or what == "living" or what == "finalized" then
		finish()
	end
	local manager = require "skynet.manager"
	if what == "kill" then
		skynet.timeout(1, function()
			manager.kill(skynet.self())
		end)
	elseif what == "exit" then
		skynet.exit()
	else
		manager.abort()
	end
end)
