-- For compat/handles.lua: hostile.lua WHAT SEED MODULE,... Calls every C function that the modules and the metatables
-- of this VM have, with arguments that nobody would give, and prints how many calls it made. Which calls these are, the
-- seed alone decides: each function draws numbers of its own, whoever else runs meanwhile.
local skynet = require "skynet"
local socket = require "skynet.socket"

local what, seed, names = ...

-- What ends or blocks the process or the service by design, and what takes a raw pointer by contract.
local LEFT_OUT = {
	["client.socket.usleep"] = true,
	["reef.debugchannel:read"] = true, -- a debugger's blocks its thread
	["reef.digest.pbkdf2"] = true, -- as many rounds as it is told
	["reef.host.dispatch_message"] = true,
	["reef.host.dispatch_unknown_request"] = true,
	["reef.host.dispatch_unknown_response"] = true,
	["reef.host.endless"] = true,
	["reef.host.exit"] = true,
	["reef.host.killthread"] = true,
	["reef.host.memlimit"] = true,
	["reef.host.term"] = true,
	["reef.host.trash"] = true,
	["reef.programs.kill"] = true, -- whoever has that number
	["skynet.core.addresscommand"] = true,
	["skynet.core.callback"] = true,
	["skynet.core.command"] = true,
	["skynet.core.exit"] = true,
	["skynet.core.intcommand"] = true,
	["skynet.core.memlimit"] = true,
	["skynet.core.trash"] = true,
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

-- ---- one handle of every kind, by the name of its metatable ----

local function nothing() end

local LIMITS = {
	window = 1, queue = 1, queue_bytes = 1000, unsent = 1000, tombstones = 1, limit = 1000, queue_timeout = 1, stall = 1,
	slow = 1, routing = "any",
}
local MYSQL = { host = "127.0.0.1", port = 1, user = "u", password = "p", database = "d", seconds = 1 }
local POSTGRES = { host = "127.0.0.1", port = "1", user = "u", dbname = "d" }
local SCHEMA = [[
.inner { a 0 : integer  b 1 : string }
.outer { i 0 : integer  d 1 : double  t 2 : boolean  s 3 : string  x 4 : binary  o 5 : inner  l 6 : *integer
	m 7 : *inner(a)  n 8 : *inner()  f 9 : integer(2)  z 10 : *string  y 11 : *double  w 12 : *boolean }
ask 1 { request inner response outer }
]]
-- A reply of MongoDB to request `id`, with a batch of two documents.
local function mongo_reply(id)
	local document = tostring(loaded.bson.encode { cursor = { firstBatch = { { a = 1, b = "x" }, { a = 2, b = "y" } } } })
	return ("<I4i4i4I4I4B"):pack(21 + #document, 9, id, 2013, 0, 0) .. document
end

-- A server on this machine; `serve` is called with each connection. -> its port
local function listen(serve)
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(connection)
		socket.start(connection)
		serve(connection)
	end)
	return port
end

-- What lies in the registry with that metatable.
local function in_registry(name)
	for _, value in next, debug.getregistry() do
		for _, item in next, type(value) == "table" and value or { value } do
			local meta = type(item) == "userdata" and debug.getmetatable(item)
			if meta and meta.__name == name then
				return item
			end
		end
	end
end

local makers = {
	["bson"] = function()
		return loaded.bson.encode { a = 1 }
	end,
	["bson.writer"] = function()
		return (loaded["reef.mongo.core"].batch({ { a = 1 } }, 1, 1000, 10))
	end,
	["reef.blocks.inbox"] = function()
		return loaded["reef.blocks.core"].inbox(100, 200, 3)
	end,
	["reef.cluster.assembly"] = function()
		return loaded["reef.cluster.core"].assembly(10)
	end,
	["reef.config.watch"] = function()
		return loaded["reef.config.core"].watch()
	end,
	["reef.datasheet.plan"] = function()
		return loaded["reef.datasheet.core"].plan("publish", {})
	end,
	["reef.debugchannel"] = function()
		return (loaded["skynet.debugchannel"].create())
	end,
	["reef.fd.waiter"] = function()
		return loaded["reef.fd.core"].new()
	end,
	["reef.heap"] = function()
		return loaded["reef.profile.heap"].begin(1000)
	end,
	["reef.http.frames"] = function()
		return loaded["reef.http.frames"].new(1, true, 1000)
	end,
	["reef.http.parser"] = function()
		return loaded["reef.http.core"].parser(false, { head = 1000, fields = 10, body = 1000 })
	end,
	["reef.mongo.connection"] = function()
		return loaded["reef.mongo.core"].connection(nothing)
	end,
	["reef.mongo.documents"] = function()
		local connection = loaded["reef.mongo.core"].connection(error)
		assert(connection:connect("127.0.0.1", listen(function(id)
			local size = ("<I4"):unpack(socket.read(id, 4))
			socket.write(id, mongo_reply(("<i4"):unpack(socket.read(id, size - 4))))
		end), 10))
		local reply = assert(connection:request(10, "b", "find", nil, nil, "find", "x"))
		return reply.cursor.firstBatch
	end,
	["reef.mysql.connection"] = function()
		return loaded["reef.mysql.core"].new(MYSQL)
	end,
	["reef.mysql.statement"] = function()
		return loaded["reef.mysql.core"].new(MYSQL):statement()
	end,
	["reef.netpack.queue"] = function()
		return loaded["reef.gate.core"].queue()
	end,
	["reef.pool"] = function()
		return loaded["reef.pool.core"].new("redis", LIMITS)
	end,
	["reef.pool.mongo"] = function()
		return loaded["reef.pool.mongo.core"].client(nothing)
	end,
	["reef.pool.redis"] = function()
		return loaded["reef.pool.redis.core"].client(nothing, {})
	end,
	["reef.postgres.connection"] = function()
		return loaded["reef.postgres.core"].new(POSTGRES)
	end,
	["reef.profile"] = function()
		return (loaded["reef.profile.sampler"].start { kind = 1, service = skynet.self() })
	end,
	["reef.redis.cache"] = function()
		local core = loaded["reef.redis.cache.core"]
		return core.open(core.create(10000))
	end,
	["reef.redis.connection"] = function()
		return loaded["reef.redis.core"].connection(nothing, nil, {})
	end,
	["reef.redis.handle"] = function()
		local core = loaded["reef.redis.core"]
		return core.handle(core.connection(nothing, nil, {}), 1, false, false, {}, nothing)
	end,
	["reef.sharetable.request"] = function()
		return (select(2, loaded["reef.sharetable"].freeze { 1 }))
	end,
	["reef.socket.buffer"] = function()
		return loaded["skynet.socketdriver"].buffer()
	end,
	["reef.socket.reader"] = function()
		loaded["reef.socketcore"].listen("127.0.0.1", 0, 1)
		return in_registry "reef.socket.reader"
	end,
	["reef.sproto.schema"] = function()
		return loaded["sproto.core"].new((require "sprotoparser".parse(SCHEMA)))
	end,
	["reef.sql.turn"] = function()
		return loaded["reef.sql.core"].new({}, nothing)
	end,
	["reef.stm.reader"] = function()
		local stm = loaded["skynet.stm"]
		return stm.newcopy(stm.copy(stm.new "x"))
	end,
	["reef.stm.writer"] = function()
		return loaded["skynet.stm"].new "x"
	end,
	["reef.tls.target"] = function()
		return loaded["reef.tls.core"].target({ verify = false }, false, "localhost", 1)
	end,
}

-- Kinds that no script gets hold of. What their metatables have is called nevertheless.
local UNREACHABLE = {
	["reef.config.directory"] = "lies on the stack of one C function",
	["reef.files.directory"] = "lies on the stack of one C function",
	["reef.host.stack"] = "lies on the stack of one C function",
	["reef.host.stacks"] = "is only in the registry",
	["reef.pack.box"] = "lies on the stack of one C function",
	["reef.stat_list"] = "lies on the stack of one C function",
	["reef.response"] = "is an upvalue of a C function",
	["reef.sproto.buffer"] = "is an upvalue of a C function",
	["reef.sharetable.retry"] = "only the collector knows of it",
}

-- Lua's own.
local STOCK = { ["FILE*"] = true, ["_UBOX*"] = true }

local function sorted_keys(t)
	local keys = {}
	for key in pairs(t) do
		keys[#keys + 1] = key
	end
	table.sort(keys)
	return keys
end

-- In one order, so that a seed says which calls there are.
local kinds = sorted_keys(makers)

local function make_all()
	local handles = {}
	for i, name in ipairs(kinds) do
		local handle = makers[name]()
		local meta = debug.getmetatable(handle)
		assert(type(handle) == "userdata" and meta.__name == name, name)
		handles[i] = handle
	end
	return handles
end

-- Kinds that come into being on the way of something else.
local function make_other_kinds()
	skynet.packstring(setmetatable({}, { __pairs = function() return next, {} end }))
	loaded["reef.sharetable"].stat()
	loaded["reef.files"].names("/", 1)
	pcall(loaded["reef.config.core"].list, "/proc/self/fdinfo")
end

-- The metatables of this VM, and those of tables, by name.
local function metatables()
	local found = {}
	for key, value in next, debug.getregistry() do
		local name = type(value) == "table" and rawget(value, "__name")
		if name and not STOCK[name] and (type(key) == "userdata" or key == name) then
			found[name] = value
		end
	end
	found["skynet"] = debug.getmetatable(loaded["reef.host"])
	found["skynet.core"] = debug.getmetatable(loaded["skynet.core"])
	return found
end

-- Each metatable of a userdata has a maker, or a reason why not.
local function check_kinds()
	for name, meta in next, debug.getregistry() do
		local is_kind = type(name) == "string" and type(meta) == "table" and rawget(meta, "__name") == name
		if is_kind and not STOCK[name] and not makers[name] and not UNREACHABLE[name] then
			error("no handle of the kind " .. name .. " is called with hostile arguments")
		end
	end
end

-- ---- functions ----

local function is_c(f)
	return type(f) == "function" and debug.getinfo(f, "S").what == "C"
end

-- Adds the C functions of a table under names that begin with `of`, and those of the tables in it.
local function add_functions(list, of, t)
	for key, f in pairs(t) do
		local name = of .. tostring(key)
		if is_c(f) and not LEFT_OUT[name] then
			list[#list + 1] = { name = name, f = f }
		elseif type(f) == "table" and f ~= t and (key == "__index" or key == "methods") then
			add_functions(list, of, f)
		end
	end
end

local function in_order(list)
	table.sort(list, function(a, b)
		return a.name < b.name
	end)
	return list
end

-- Functions of all modules, and of the metatables without makers.
local function all_functions()
	local list = {}
	for _, name in ipairs(modules) do
		if type(loaded[name]) == "table" and name ~= "reef.box" then
			add_functions(list, name .. ".", loaded[name])
		end
	end
	for name, meta in pairs(metatables()) do
		if not makers[name] then
			add_functions(list, name .. ":", meta)
		end
	end
	return in_order(list)
end

-- All C functions of a handle: its metatable's and those behind __index.
local function methods_of(handle)
	local list = {}
	local meta = debug.getmetatable(handle)
	add_functions(list, meta.__name .. ":", meta)
	return in_order(list)
end

-- Functions that C makes with something of their own.
local closures = {
	["coroutine.wrap"] = function()
		return coroutine.wrap(nothing)
	end,
	["reef.mongo.core.shape"] = function()
		return loaded["reef.mongo.core"].shape { a = { kind = "number", needed = true }, b = { kind = { "text" } } }
	end,
	["reef.redis.cache:getter"] = function()
		local core = loaded["reef.redis.cache.core"]
		return core.open(core.create(10000)):getter(nothing)
	end,
	["reef.redis.core.command"] = function()
		return loaded["reef.redis.core"].command("get", "b1")
	end,
	["reef.sql.core.statement execute"] = function()
		return loaded["reef.sql.core"].statement(loaded["reef.mysql.core"].operations.execute, nothing, nothing)
	end,
	["reef.sql.core.statement query"] = function()
		return loaded["reef.sql.core"].statement(loaded["reef.postgres.core"].operations.query, nothing, nothing)
	end,
	["pairs of a document"] = function()
		return (pairs(loaded.bson.document("a", 1)))
	end,
	["skynet.response"] = function()
		local made
		skynet.dispatch("lua", function()
			made = skynet.response()
		end)
		skynet.fork(function()
			pcall(skynet.call, skynet.self(), "lua")
		end)
		for _ = 1, 100 do
			if not made then
				skynet.sleep(0)
			end
		end
		return assert(made)
	end,
}

-- Calls that go far, for functions where hostile values alone do not: some are made with one value changed.
local function H(kind)
	return { handle_of = kind }
end

local operations = { my = loaded["reef.mysql.core"].operations, pg = loaded["reef.postgres.core"].operations }
local DOCUMENT = { a = 1, b = "x", c = { 1, 2, 3 }, d = { e = 1.5 } }
local TREE = { i = 1, d = 1.5, t = true, s = "x", x = "y", o = { a = 1, b = "z" }, l = { 1, 2 ^ 40 // 1 | 0 },
	m = { { a = 1 } }, n = {}, f = 1.5, z = { "a" }, y = { 1.5 }, w = { true } }

local samples = {
	["bson.decode"] = { H "bson" },
	["bson.decode_exact"] = { H "bson" },
	["bson.document"] = { "a", 1, "b", 2 },
	["bson.encode"] = { DOCUMENT },
	["bson.encode_order"] = { "a", 1, "b", DOCUMENT },
	["bson.from_json"] = { '{"a":[1,{"$oid":"0123456789abcdef01234567"}]}' },
	["bson.object"] = { "\5\0\0\0\0" },
	["bson.to_json"] = { DOCUMENT, "canonical" },
	["bson:__newindex"] = { H "bson", "a", 2 },
	["bson.document:__newindex"] = { {}, "a", 2 },
	["bson.document:__pairs"] = { {} },
	["pairs of a document"] = { {}, "a" },
	["reef.blocks.core.send"] = { 1, 2, "x" },
	["reef.budget.call"] = { 1000, nothing },
	["reef.cluster.core.piece"] = { "head", "message", nil, 0, 3 },
	["reef.cluster.assembly:add"] = { H "reef.cluster.assembly", "abcdef", 1, 3 },
	["reef.config.core.csv"] = { "a,b\n1,2\n", "x.csv", {} },
	["reef.config.core.json"] = { '{"a":[1,2]}', "x.json" },
	["reef.config.core.toml"] = { "a = 1\n", "x.toml" },
	["reef.config.watch:add"] = { H "reef.config.watch", "/tmp", "x" },
	["reef.datasheet.core.plan"] = { "publish", { hostile = { a = 1 } } },
	["reef.datasheet.core.commit"] = { H "reef.datasheet.plan" },
	["reef.digest.hmac"] = { "sha256", "k", "x" },
	["reef.digest.sum"] = { "sha256", "x" },
	["reef.fd.core.wait"] = { H "reef.fd.waiter", 0, 1, 1 },
	["reef.files.names"] = { "/", 3 },
	["reef.gate.core.broadcast"] = { { 1, 2 }, "x" },
	["reef.gate.core.route"] = { H "reef.netpack.queue", 1, 1, 0, 3 },
	["reef.gate.core.unfinished"] = { H "reef.netpack.queue", 1 },
	["reef.heap:result"] = { H "reef.heap", 10, 1 },
	["reef.heap:step"] = { H "reef.heap", 1000000 },
	["reef.http.core.fields"] = { "a: b\r\nc: d\r\n" },
	["reef.http.core.parser"] = { true, { head = 100, fields = 3, body = 10 } },
	["reef.http.frames.new"] = { 1, true, 100, { send_bits = 9, receive_bits = 9, level = 1, smallest = 0 } },
	["reef.http.frames:feed"] = { H "reef.http.frames", "\x81\x01x" },
	["reef.http.frames:send"] = { H "reef.http.frames", 1, "x", 7 },
	["reef.http.parser:feed"] = { H "reef.http.parser", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1 },
	["reef.http.parser:whole"] = { H "reef.http.parser", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1 },
	["reef.mongo.core.batch"] = { { { a = 1 }, { b = 2 } }, 1, 1000, 10, true },
	["reef.mongo.core.extend"] = { { 1 }, 2 },
	["reef.mongo.core.identify"] = { { { a = 1 }, {} } },
	["reef.mongo.core.inflate"] = { mongo_reply(7) },
	["reef.mongo.core.release"] = { H "bson.writer" },
	["reef.mongo.core.shape"] = { { a = 1, b = { "x" } } },
	["reef.mongo.connection:connect"] = { H "reef.mongo.connection", "127.0.0.1", 1, 1 },
	["reef.mongo.connection:request"] = { H "reef.mongo.connection", 1, "xb", "ping", nil, nil, "ping", 1 },
	["reef.mongo.connection:send"] = { H "reef.mongo.connection", "ping", "documents", { { a = 1 } }, "ping", 1 },
	["reef.mysql.core.new"] = { MYSQL },
	["reef.mysql.connection:describe"] = { H "reef.mysql.connection", H "reef.mysql.statement" },
	["reef.pool.core.new"] = { "redis", LIMITS },
	["reef.pool.mongo.core.decode"] = { mongo_reply(7), 7 },
	["reef.pool.mongo.core.encode"] = { 7, "ping", 1 },
	["reef.pool.mongo:request"] = { H "reef.pool.mongo", 1, "xb", "ping", nil, nil, "ping", 1 },
	["reef.pool.mongo:will"] = { H "reef.pool.mongo", 1, "ping", 1 },
	["reef.pool.redis.core.handle"] = { H "reef.pool.redis", 1, false, {}, nothing },
	["reef.postgres.core.new"] = { POSTGRES },
	["reef.profile.sampler.gzip"] = { ("x"):rep(100) },
	["reef.programs.spawn"] = { { "true", env = { A = "b" }, cwd = "/" } },
	["reef.redis.cache:put"] = { H "reef.redis.cache", "k", "v", 1, 0, 1, 1 },
	["reef.redis.cache:flush_slots"] = { H "reef.redis.cache", { 1, 2 } },
	["reef.redis.cache:set_home"] = { H "reef.redis.cache", 1, "a" },
	["reef.redis.cache:is_home"] = { H "reef.redis.cache", 1, "a" },
	["reef.redis.connection:connect"] = { H "reef.redis.connection", "127.0.0.1", 1, 1 },
	["reef.redis.core.command"] = { { H "reef.redis.handle" }, "k" },
	["reef.redis.core.connection"] = { nothing, nil, { reply = 10, elements = 2, depth = 2 } },
	["reef.redis.core.handle"] = { H "reef.redis.connection", 1, false, false, {}, nothing },
	["reef.redis.core.inspect"] = { { { "MULTI" }, { "SET", "a", "b" }, { "EXEC" } } },
	["reef.redis.core.pipeline"] = { { H "reef.redis.handle" }, { { "GET", "a" } }, {} },
	["reef.redis.core.send"] = { { H "reef.redis.handle" }, "GET", 1, "a" },
	["reef.settings.expand"] = { "a = $HOME" },
	["reef.sharetable.freeze"] = { { 1 }, 2 },
	["reef.sharetable.load"] = { "hostile", false, 1 },
	["reef.sharetable.publish"] = { "hostile", { a = 1 } },
	["reef.sql.core.new"] = { {}, nothing },
	["reef.sql.turn:connect"] = { H "reef.sql.turn", "connect", 1, H "reef.postgres.connection", operations.pg.connect },
	["reef.sql.turn:enter"] = { H "reef.sql.turn", 1, 10 },
	["reef.sql.turn:run"] = { H "reef.sql.turn", "query", 1, operations.my.query, "select 1", false, false },
	["reef.sql.turn:use"] = { H "reef.sql.turn", H "reef.mysql.connection", 1 },
	["reef.sql.core.statement query"] = { { H "reef.sql.turn", 1, false }, "select 1" },
	["reef.sql.core.statement execute"] = { { H "reef.sql.turn", 1, false }, {}, 1 },
	["reef.tls.core.target"] = { { verify = false }, false, "localhost", 1 },
	["skynet.codecache.loadfile"] = { "/dev/null" },
	["skynet.core.publish"] = { { 1 }, "lua", "x" },
	["skynet.crypt.desencode"] = { "12345678", "x" },
	["skynet.crypt.dhsecret"] = { "12345678", "abcdefgh" },
	["skynet.crypt.hmac64"] = { "12345678", "abcdefgh" },
	["skynet.socketdriver.pop"] = { H "reef.socket.buffer", {}, 1 },
	["skynet.socketdriver.readline"] = { H "reef.socket.buffer", {}, "\n" },
	["sproto.core.decode"] = { H "reef.sproto.schema", 1, "\2\0\0\0\4\0" },
	["sproto.core.encode"] = { H "reef.sproto.schema", 1, TREE },
	["sproto.core.pdecode"] = { H "reef.sproto.schema", 1, "\0\2\4" },
	["sproto.core.pencode"] = { H "reef.sproto.schema", 1, TREE },
	["sproto.core.default"] = { H "reef.sproto.schema", 1 },
	["sproto.core.save"] = { H "reef.sproto.schema", 1 },
	["sproto.core.unpack"] = { "\x55\1\2\3\4\xff\0abcdefgh" },
}

-- ---- calls ----

-- An order of numbers for each function.
local function draws(name)
	local state = (tonumber(seed) * 0x9E3779B97F4A7C15) ~ 0x5DEECE66D
	for i = 1, #name do
		state = (state ~ name:byte(i)) * 0x100000001B3
	end
	return function(n)
		state = state ~ state << 13
		state = state ~ state >> 7
		state = state ~ state << 17
		return (state >> 11) % n + 1
	end
end

local cycle = {}
cycle.t = cycle

local values = {
	false, true, 0, 1, -1, 2, 7, 255, 256, 0x7fffffff, -0x80000000, math.maxinteger, math.mininteger, 1.5, -0.0,
	1e300, 0 / 0, math.huge, "", "\0", "a\0b", "x", ("x"):rep(300), "%s%n", ":1", ".launcher", "lua", "1e9",
	{}, { 1, 2, 3 }, { a = 1 }, { { { {} } } }, setmetatable({}, { __index = function() error "index" end }),
	setmetatable({}, { __pairs = function() error "pairs" end, __len = function() return math.maxinteger end }),
	setmetatable({}, { __tostring = function() return 1 end }), nothing, function() error "no" end, print,
	coroutine.create(nothing), io.stdout, "", {}, cycle, operations.my.query, operations.pg.query,
	setmetatable({}, { __pairs = function(t)
		collectgarbage "step"
		return next, t
	end }),
}

local handles = {}
local numbers = {}
for i, name in ipairs(kinds) do
	numbers[name] = i
end

-- Code that C calls in the midst of something calls a method of any handle.
local inner = draws "inner"
local is_inside = false

local function interfere()
	local handle = handles[inner(#kinds)]
	if handle and not is_inside then
		is_inside = true
		local list = methods_of(handle)
		local f = list[inner(#list)]
		pcall(f.f, handle, values[inner(#values)], values[inner(#values)])
		if inner(2) == 1 then
			collectgarbage()
		end
		is_inside = false
	end
	return "x"
end

values[#values + 1] = interfere
values[#values + 1] = setmetatable({}, {
	__index = function(_, key)
		interfere()
		return (math.type(key) ~= "integer" or key <= 3) and "x" or nil
	end, __newindex = interfere, __call = interfere, __tostring = interfere, __len = function()
		interfere()
		return 2
	end, __pairs = function()
		interfere()
		return function(_, key)
			interfere()
			return not key and "a" or nil, 1
		end
	end, __gc = interfere,
})
values[#values + 1] = { a = values[#values], b = { values[#values] } }

-- A third of the time a handle; nil now and then.
local function argument(draw)
	if draw(3) == 1 then
		return handles[draw(#kinds)]
	end
	return values[draw(#values + 1)]
end

local function of_sample(v)
	if type(v) ~= "table" then
		return v
	elseif v.handle_of then
		return handles[numbers[v.handle_of]]
	end
	local copy = {}
	for key, item in pairs(v) do
		copy[key] = of_sample(item)
	end
	return copy
end

local function arguments_for(f, first, draw)
	local sample = samples[f.name]
	local list, n = {}, draw(7) - 1
	if sample and draw(2) == 1 then
		for i in pairs(sample) do
			n = math.max(n, i)
		end
		for i = 1, n do
			list[i] = of_sample(sample[i])
		end
		local changed = draw(n + 1)
		if changed <= n and not (first and changed == 1) then
			list[changed] = argument(draw)
		end
	else
		for i = 1, n do
			list[i] = argument(draw)
		end
	end
	if first then
		list[1] = first
	end
	return list, math.max(n, first and 1 or 0)
end

local calls, digest, told = 0, 0, false
local tracing = os.getenv "HOSTILE_TRACE"

-- Told early, too: on a busy machine a finalizer may be interrupted before it is through.
local function finish()
	io.stderr:write(("calls: %d, which are %x\n"):format(calls, digest))
	io.stderr:flush()
end

local function shown(v)
	local meta = type(v) == "userdata" and debug.getmetatable(v)
	if meta then
		return meta.__name
	elseif type(v) == "string" or type(v) == "number" then
		return ("%q"):format(tostring(v):sub(1, 40))
	end
	return type(v)
end

-- A call that is going to be made.
local function planned(f, list, n)
	local words = {}
	for i = 1, n do
		words[i] = shown(list[i])
	end
	local text = ("> %s(%s)\n"):format(f.name, table.concat(words, ", "))
	for i = 1, #text do
		digest = (digest ~ text:byte(i)) * 0x100000001B3
	end
	return { text = text, list = list, n = n }
end

local function call(f, plan)
	calls = calls + 1
	if calls >= 100 and not told then
		told = true
		finish()
	end
	if tracing then
		io.stderr:write(plan.text)
	end
	return pcall(f.f, table.unpack(plan.list, 1, plan.n))
end

-- Whoever is ended in the midst of it has drawn all.
local function hostile_calls(f, first, n)
	local draw = draws(f.name .. (first and "" or "?"))
	local plans = {}
	for i = 1, n do
		plans[i] = planned(f, arguments_for(f, first, draw))
	end
	for _, plan in ipairs(plans) do
		call(f, plan)
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

local function hostile_events(handle)
	for _, event in ipairs { function() return #handle end, function() return tostring(handle) end, function()
		handle.a = 1
	end, function() return handle.decode end, function() return handle("x") end } do
		pcall(event)
		calls = calls + 1
	end
end

local function every_method(n)
	for _, handle in ipairs(handles) do
		for _, f in ipairs(methods_of(handle)) do
			hostile_calls(f, handle, n)
			hostile_calls(f, nil, 1)
		end
		hostile_events(handle)
	end
end

-- ---- ways ----

local ways = {}

function ways.functions()
	handles = make_all()
	local list = all_functions()
	for name, make in pairs(closures) do
		list[#list + 1] = { name = name, f = make() }
	end
	for _, f in ipairs(in_order(list)) do
		hostile_forks(f, nil, 6)
	end
end

function ways.living()
	handles = make_all()
	for _, handle in ipairs(handles) do
		for _, f in ipairs(methods_of(handle)) do
			if not f.name:find ":__gc$" then
				hostile_forks(f, handle, 6)
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

-- A handle of each kind that coroutines wait for, and a function that does: for what the server at `port` says.
local waits = {
	["reef.fd.waiter"] = function(waiter, port)
		return waiter, function()
			loaded["reef.fd.core"].wait(waiter, loaded["client.socket"].connect("127.0.0.1", port), 1, 1000)
		end
	end,
	["reef.http.frames"] = function(_, port)
		local frames = loaded["reef.http.frames"].new(socket.open("127.0.0.1", port), false, 1000)
		return frames, function()
			while frames:receive() do
			end
		end
	end,
	["reef.http.parser"] = function(parser, port)
		local id = socket.open("127.0.0.1", port)
		return parser, function()
			while parser:read(id) ~= nil do
			end
		end
	end,
	["reef.mongo.connection"] = function(connection, port)
		return connection, function()
			connection:connect("127.0.0.1", port, 10)
			connection:request(10, "b", "find", nil, nil, "find", "x")
		end
	end,
	["reef.mysql.connection"] = function(_, port)
		local options = { port = port }
		for name, value in pairs(MYSQL) do
			options[name] = options[name] or value
		end
		local connection = loaded["reef.mysql.core"].new(options)
		return connection, function()
			loaded["reef.sql.core"].new({}):connect("connect", 1e9, connection, operations.my.connect)
		end
	end,
	["reef.postgres.connection"] = function(_, port)
		local connection = loaded["reef.postgres.core"].new { host = "127.0.0.1", port = tostring(port), user = "u" }
		return connection, function()
			loaded["reef.sql.core"].new({}):connect("connect", 1e9, connection, operations.pg.connect)
		end
	end,
	["reef.redis.connection"] = function(connection, port)
		local core = loaded["reef.redis.core"]
		return connection, function()
			connection:connect("127.0.0.1", port, 10)
			connection:ready()
			core.command "get" ({ core.handle(connection, 10, false, false, {}, nothing) }, "k")
		end
	end,
	["reef.redis.handle"] = function(_, port)
		local core = loaded["reef.redis.core"]
		local connection = core.connection(nothing, nil, {})
		local handle = core.handle(connection, 10, false, false, {}, nothing)
		return handle, function()
			connection:connect("127.0.0.1", port, 10)
			connection:ready()
			core.pipeline({ handle }, { { "GET", "a" }, { "GET", "b" } }, {})
		end
	end,
	["reef.socket.reader"] = function(_, port)
		local id = socket.open("127.0.0.1", port)
		local reader
		for _, value in next, debug.getregistry() do
			local item = type(value) == "table" and rawget(value, id)
			reader = type(item) == "userdata" and debug.getmetatable(item).__name == "reef.socket.reader" and item or reader
		end
		return reader, function()
			socket.readline(id)
		end
	end,
	["reef.sql.turn"] = function(turn)
		skynet.fork(function()
			turn:enter(1e9, 1)
			skynet.sleep(3)
			turn:leave()
		end)
		return turn, function()
			turn:enter(1e9, 1)
		end
	end,
}

local ANSWERS = {
	"", "+OK\r\n+OK\r\n", "$5\r\nhe", mongo_reply(1), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x81\x01x\x88\0", "N",
	"E\0\0\0\20SERROR\0MNo\0\0", "\n", ("\xff"):rep(1000), "R\0\0\0\8\0\0\0\0", ":1\r\n:2\r\n:3\r\n",
}

function ways.waiting()
	local draw, connections = draws "waiting", {}
	local port = listen(function(id)
		connections[#connections + 1] = id
	end)
	handles = make_all()
	local waiting = sorted_keys(waits)
	for _, name in ipairs(waiting) do
		local handle, wait = waits[name](handles[numbers[name]], port)
		handles[numbers[name]] = handle
		skynet.fork(pcall, wait)
	end
	skynet.sleep(2)
	local list = {}
	for _, name in ipairs(waiting) do
		for _, f in ipairs(methods_of(handles[numbers[name]])) do
			f.handle = handles[numbers[name]]
			table.insert(list, draw(#list + 1), f)
		end
	end
	-- Finalizers, and what closes: now and then.
	for _, f in ipairs(list) do
		if not (f.name:find ":__gc$" or f.name:find "close$") or draw(2) == 1 then
			hostile_forks(f, f.handle, 2)
		end
	end
	for _, id in ipairs(connections) do
		socket.write(id, ANSWERS[draw(#ANSWERS)])
	end
	skynet.sleep(1)
	collectgarbage()
	for _, id in ipairs(connections) do
		socket.close(id)
	end
	handles = {}
	collectgarbage()
	skynet.sleep(3)
end

-- An object whose finalizer does all this, and that was there before the handles: so theirs have run already.
local function guard_with_handles()
	local guard = setmetatable({}, {
		__gc = function(self)
			handles = self.handles
			every_method(2)
			for _, f in ipairs(all_functions()) do
				hostile_calls(f, nil, 2)
			end
			finish()
		end,
	})
	guard.handles = make_all()
	return guard
end

-- A walk through the heap holds the collector.
local function without_walk(guard)
	guard.handles[numbers["reef.heap"]]:close()
end

function ways.collected()
	without_walk(guard_with_handles())
	collectgarbage()
	collectgarbage()
end

function ways.exit()
	_G.guard = guard_with_handles()
end
ways.kill = ways.exit

skynet.start(function()
	skynet.error("hostile " .. what)
	make_other_kinds()
	ways[what]()
	check_kinds()
	if what == "functions" or what == "living" or what == "finalized" or what == "waiting" then
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
