-- config: socket_limit = 0
-- Every C function of every module and every handle (userdata with a metatable), in every state, with hostile
-- arguments: each answers or raises, none brings the process down. Under a sanitizer that means: none touches what
-- is gone.
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"

local function nothing() end

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

for _, what in ipairs { "functions", "living", "waiting", "finalized", "collected", "exit", "kill" } do
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

test.case("bytes that a reader lends are there until its function is through, whoever finalizes it", function()
	local stm = require "skynet.stm"
	local writer = stm.new(("x"):rep(10000))
	local reader = stm.newcopy(stm.copy(writer))
	test.truthy(reader(function(pointer, size)
		getmetatable(reader).__gc(reader)
		writer "y"
		getmetatable(writer).__gc(writer)
		test.equal(skynet.tostring(pointer, size), ("x"):rep(10000))
	end))
	getmetatable(reader).__gc(reader)
	test.raises("was collected", reader, nothing)
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

-- Metatables that the sources name: each is a kind that hostile.lua has a handle of, or says why it has none.
test.case("every kind in the sources is called, or said to be out of reach", function()
	local file = io.open(source, "rb")
	local known = file:read "a"
	file:close()
	local files = io.popen(("grep -rlE 'luaL_newmetatable|reef_lua_handle_methods' --include=*.c %s"):format(
		("R/core R/socket R/sharetable R/datasheet R/drivers"):gsub("R", "'" .. test.root .. "'")))
	local count = 0
	for path in files:lines() do
		file = io.open(path, "rb")
		local text = file:read "a"
		file:close()
		for constant in text:gmatch "luaL_newmetatable%(L, ([%w_]+)%)" do
			local name = text:match("define " .. constant .. ' "([^"]+)"') or text:match(constant .. '%[%] = "([^"]+)"')
			-- What is only a parameter, or lies in a header, is found in the registry.
			if name then
				count = count + 1
				test.truthy(known:find('["' .. name .. '"]', 1, true), name)
			end
		end
	end
	files:close()
	test.between(count, 20, 1000)
end)

test.case("the same seed makes the same calls", { timeout = 120 }, function()
	for _, what in ipairs { "functions", "living", "finalized" } do
		local digests = {}
		for i = 1, 2 do
			local _, output = run(what, test.seed)
			digests[i] = output:match "calls: .*calls: %d+, which are (%x+)"
			test.truthy(digests[i])
		end
		test.equal(digests[1], digests[2])
	end
end)

test.case("debug changes nothing of what C keeps, and shows no values of it", function()
	local counted = 0
	local function lua()
		counted = counted + 1
	end
	test.equal(debug.getupvalue(lua, 1), "counted")
	test.equal(debug.setupvalue(lua, 1, 5), "counted")
	test.equal(counted, 5)
	test.truthy(debug.upvalueid(lua, 1))
	local name, value = debug.getlocal(1, 1)
	test.equal(name, "counted")
	test.equal(value, 5)
	test.equal(debug.setlocal(1, 1, 6), "counted")
	test.equal(debug.getlocal(function(a) return a end, 1), "a")
	local core = require "reef.redis.core"
	for _, f in ipairs { core.command "get", require "reef.socketcore".read, string.gmatch("x", "x"), print } do
		local named, kept = debug.getupvalue(f, 1)
		test.equal(named, f ~= print and "" or nil)
		test.equal(kept, nil)
		test.equal(select("#", debug.setupvalue(f, 1, {})), 0)
		test.equal(debug.upvalueid(f, 1) ~= nil, f ~= print)
	end
	local connection = core.connection(nothing, nil, {})
	test.equal(debug.getuservalue(connection, 1), nil)
	test.equal(debug.setuservalue(connection, 1, 1), nil)
	local seen, set = 0, nil
	skynet.packstring(setmetatable({}, { __pairs = function()
		for i = 1, 10 do
			set = set or debug.setlocal(2, i, 1) or debug.setlocal(coroutine.running(), 2, i, 1)
			seen = seen + 1
		end
		return next, {}
	end }))
	test.equal(seen, 10)
	test.equal(set, nil)
end)

test.case("an operation of one driver is refused on a connection of another", function()
	local sql, mysql, postgres = require "reef.sql.core", require "reef.mysql.core", require "reef.postgres.core"
	local connection = mysql.new { host = "127.0.0.1", port = 1, user = "u", seconds = 1 }
	local turn = sql.new({ gone = error, lost = error }, nothing)
	turn:use(connection, 1)
	test.raises("on a connection of mysql", turn.run, turn, "query", 1, postgres.operations.query, "select 1")
	test.raises("on a connection of mysql", turn.connect, turn, "connect", 1, connection, postgres.operations.connect)
	test.raises("operation expected", turn.run, turn, "query", 1, connection, "select 1")
	test.raises("operation expected", sql.statement, connection, nothing, nothing)
end)

test.case("what a caller does with his options does not matter to a connection", function()
	local sql, mysql = require "reef.sql.core", require "reef.mysql.core"
	local options = { host = ("127.0.0.%d"):format(1 + test.seed % 200), port = 1, user = ("u"):rep(100), seconds = 5 }
	local host = options.host
	local connection = mysql.new(options)
	options.host, options.user = nil, nil
	collectgarbage()
	local _, _, why = sql.new({}):connect("connect", 1e9, connection, mysql.operations.connect)
	test.truthy(tostring(why):find(host, 1, true), tostring(why))
	test.raises("strings", require "reef.postgres.core".new, { host = "127.0.0.1", port = 1 })
end)

test.case("a WebSocket's end that was finalized while somebody waits for it says nothing more", function()
	local socket = require "skynet.socket"
	local connection
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(newid)
		connection = newid
		socket.start(newid)
	end)
	local frames = require "reef.http.frames".new(socket.open("127.0.0.1", port), false, 1000)
	local came
	skynet.fork(function()
		came = { frames:receive() }
	end)
	test.eventually("a connection", 10, function() return connection end)
	skynet.yield()
	getmetatable(frames).__gc(frames)
	socket.write(connection, "\x81\x01x")
	test.eventually("its end", 10, function() return came end)
	test.equal(came[1], false)
	socket.close(id)
	socket.close(connection)
end)

test.case("a connection goes over to TLS by a target, and by nothing else", function()
	local socket, core = require "skynet.socket", require "reef.socketcore"
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, nothing)
	local connection = socket.open("127.0.0.1", port)
	test.raises("TLS target expected", core.use_tls, connection, nil)
	test.raises("TLS target expected", core.use_tls, connection)
	socket.close(connection)
	socket.close(id)
end)

test.case("a document's metamethod that sends or encodes another one does no harm", function()
	local socket, core, bson = require "skynet.socket", require "reef.mongo.core", require "bson"
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, nothing)
	local connection = core.connection(nothing)
	test.truthy(connection:connect("127.0.0.1", port, 10))
	local function within(does, late)
		return bson.document("a", ("x"):rep(3000), "b", setmetatable({}, { __pairs = function()
			if not late then
				does()
			end
			return function(_, key)
				if key == "first" and late then
					does()
				end
				return not key and "first" or key == "first" and "second" or nil, 1
			end
		end }), "c", 1)
	end
	local function send_another()
		connection:send("insert", nil, nil, { a = ("x"):rep(200000) })
	end
	for _, late in ipairs { false, true } do
		test.raises("metamethod used MongoDB", connection.send, connection, "insert", nil, nil, within(send_another, late))
		test.raises("metamethod used MongoDB", connection.send, connection, "insert", "documents",
			{ within(send_another, late) }, "insert", "x")
	end
	for _, n in ipairs { 1, 10, 100, 1000, 60000 } do
		local batch = core.batch({ { a = ("x"):rep(n) } }, 1, 100000, 10)
		core.release(batch)
		test.raises("this batch was released", connection.send, connection, "insert", "documents", batch, "insert", "c")
		local object = bson.encode(within(function()
			core.release(batch)
			bson.encode { c = ("y"):rep(n) }
			getmetatable(batch).__gc(batch)
		end))
		test.equal(#object:decode().a, 3000)
		test.equal(#bson.encode { c = ("y"):rep(n) }:decode().c, n)
	end
	connection:close()
	socket.close(id)
end)

test.run()
