-- The C service `gate`: packets with a length of 2 or 4 bytes, texts to a watchdog, messages to agents or a broker.
local skynet = require "skynet"
local process = require "test.process"
local socket = require "skynet.socket"
require "skynet.manager"
local test = require "test"

local MOST <const> = 1 << 24 -- bytes of a packet
local TYPE <const> = 77      -- of messages to agents, where a test chooses one

local heard = {} ---@type string[] what the gate told this service as its watchdog
local talking ---@type integer? the gate that is listened to
skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = tostring,
	unpack = skynet.tostring,
	dispatch = function(_, source, text)
		heard[#heard + 1] = source == talking and text or nil
	end,
}

---@type {[1]: integer, [2]: integer, [3]: string}[] session, source and bytes of what it told this service as an agent
local got = {}
for name, id in pairs { client = skynet.PTYPE_CLIENT, own = TYPE } do
	skynet.register_protocol {
		name = name,
		id = id,
		unpack = skynet.tostring,
		dispatch = function(session, source, text)
			skynet.ignoreret()
			got[#got + 1] = { session, source, text, name }
		end,
	}
end

---The first text of that pattern, once it has been heard; its captures.
local function expect(pattern)
	return table.unpack(test.eventually("the watchdog hears " .. pattern, 10, function()
		for i, text in ipairs(heard) do
			if text:find(pattern) then
				table.remove(heard, i)
				return { text:match(pattern) }
			end
		end
	end))
end

---@param kind "S"|"L"
local function launch(kind, ptype, max, watchdog)
	local port = process.free_port()
	heard = {}
	local gate = assert(skynet.launch("gate", kind, watchdog or skynet.address(skynet.self()), "127.0.0.1:" .. port,
		ptype or 0, max or 64))
	test.defer(skynet.kill, gate)
	talking = gate
	local function connect()
		local id = assert(socket.open("127.0.0.1", port))
		test.defer(function()
			if not socket.invalid(id) then
				socket.close(id)
			end
		end)
		local _, fd, ip = expect "^(%d+) open (%d+) (.*)$"
		test.equal(ip, "127.0.0.1:0")
		return id, fd
	end
	return gate, connect, port
end

local function order(gate, ...)
	skynet.send(gate, "text", table.concat({ ... }, " "))
end

local function small(text)
	return string.pack(">s2", text)
end

local function large(text)
	return string.pack(">s4", text)
end

---What the agent got, when there are n of them.
local function take(n)
	test.eventually(n .. " packets", 10, function()
		return #got >= n
	end)
	local all = got
	got = {}
	return all
end

for kind, packet in pairs { S = small, L = large } do
	test.case(kind .. ": nothing is read before start; then packets come whole, whatever pieces they came in", function()
		local gate, connect = launch(kind)
		local id, fd = connect()
		socket.write(id, packet "early")
		skynet.sleep(5)
		test.equal(heard, {})
		order(gate, "start", fd)
		expect("^" .. fd .. " data early$")
		local sent, stream = {}, {}
		for i = 1, 200 do
			local size = math.random() < 0.1 and math.random(0, 65535) or math.random(0, 200)
			sent[i] = string.rep(string.char(math.random(0, 255)), size)
			stream[i] = packet(sent[i])
		end
		stream = table.concat(stream)
		local at = 1
		while at <= #stream do
			local n = math.random() < 0.5 and math.random(1, 7) or math.random(1, 9000)
			socket.write(id, stream:sub(at, at + n - 1))
			at = at + n
			if math.random() < 0.3 then
				skynet.sleep(0)
			end
		end
		test.eventually("all", 20, function()
			return #heard == #sent
		end)
		for i, text in ipairs(sent) do
			test.equal(heard[i] == fd .. " data " .. text, true)
		end
		heard = {}
		socket.close(id)
		expect("^" .. fd .. " close$")
		skynet.sleep(2)
		test.equal(heard, {})
	end)
end

test.case("L: 16 MiB are a packet, a byte more ends the connection, and nothing else", function()
	local gate, connect = launch "L"
	local id, fd = connect()
	order(gate, "start", fd)
	local text = ("0123456789abcdef"):rep(MOST // 16)
	socket.write(id, large(text))
	socket.write(id, large "behind it")
	test.equal(#expect("^" .. fd .. " data (0123.*)$") == MOST, true)
	expect("^" .. fd .. " data behind it$")
	local other, other_fd = connect()
	order(gate, "start", other_fd)
	socket.write(id, large "before" .. string.pack(">I4", MOST + 1) .. "x")
	expect("^" .. fd .. " data before$")
	expect("^" .. fd .. " close$")
	test.equal(socket.read(id, 1), false)
	socket.write(other, large "still here")
	expect("^" .. other_fd .. " data still here$")
end)

test.case("packets go to the agent, from the client it is told or from the gate, with a type of choice", function()
	for ptype, name in pairs { [0] = "client", [TYPE] = "own" } do
		local gate, connect = launch("S", ptype)
		local me = skynet.address(skynet.self())
		for client, source in pairs { [":0"] = gate, [":00003039"] = 0x3039 } do
			local id, fd = connect()
			order(gate, "forward", fd, me, client)
			skynet.sleep(2)
			socket.write(id, small "one" .. small "two" .. small "")
			skynet.sleep(2)
			test.equal(got, {}) -- to forward is not to read
			order(gate, "start", fd)
			fd = tonumber(fd)
			test.equal(take(3), { { fd, source, "one", name }, { fd, source, "two", name }, { fd, source, "", name } })
			test.equal(heard, {})
		end
	end
end)

test.case("with a broker all packets are its", function()
	skynet.register ".the_broker"
	local gate, connect = launch "S"
	order(gate, "broker", ".the_broker")
	local a, fd_a = connect()
	local b, fd_b = connect()
	order(gate, "forward", fd_a, skynet.address(gate), ":0")
	order(gate, "start", fd_a)
	order(gate, "start", fd_b)
	socket.write(a, small "from a")
	test.equal(take(1), { { tonumber(fd_a), gate, "from a", "client" } })
	socket.write(b, small "from b")
	test.equal(take(1), { { tonumber(fd_b), gate, "from b", "client" } })
end)

test.case("kick ends a client, started or not; it is told of once; what is no client's is an error", function()
	local gate, connect = launch "S"
	for _, started in ipairs { true, false } do
		local id, fd = connect()
		if started then
			order(gate, "start", fd)
		end
		order(gate, "kick", fd)
		expect("^" .. fd .. " close$")
		test.equal(socket.read(id, 1), false)
		skynet.sleep(5)
		test.equal(heard, {})
		test.raises("call failed", skynet.call, gate, "text", "kick " .. fd)
	end
	local _, fd = connect()
	for _, wrong in ipairs { "", "kick", "kick x", "start", "start 0", "start -1", "forward " .. fd, "broker .nobody",
		"nonsense", "start " .. fd .. " more", "close it", ("kick"):rep(1000), "kick " .. ("9"):rep(40), "\0" } do
		test.raises("call failed", skynet.call, gate, "text", wrong)
	end
	test.equal(skynet.call(gate, "text", "start " .. fd), "")
end)

test.case("a client that closes is closed", function()
	local gate, connect, port = launch "S"
	local id, fd = connect()
	order(gate, "start", fd)
	socket.write(id, small "last" .. "\0")
	socket.close(id)
	expect("^" .. fd .. " data last$")
	expect("^" .. fd .. " close$")
	test.eventually("the gate has no socket but its listener", 10, function()
		local own = {}
		for _, info in ipairs(socket.netstat()) do
			own[#own + 1] = info.address == gate and info.sock or nil
			test.different({ info.address, info.type }, { gate, "TCP" })
		end
		return #own == 1 and own[1] == "127.0.0.1:" .. port
	end)
end)

test.case("no more clients than it may have, and none after close", function()
	local gate, connect, port = launch("S", 0, 3)
	local fds = {}
	for i = 1, 3 do
		fds[i] = select(2, connect())
	end
	local refused = assert(socket.open("127.0.0.1", port))
	test.equal(socket.read(refused, 1), false)
	socket.close(refused)
	test.equal(heard, {})
	order(gate, "kick", fds[1])
	expect "close$"
	local id, fd = connect()
	test.equal(skynet.call(gate, "text", "close"), "")
	test.eventually("nobody is taken", 10, function()
		local other = socket.open("127.0.0.1", port)
		if other then
			socket.close(other)
		end
		return not other
	end)
	order(gate, "start", fd)
	socket.write(id, small "still here")
	expect("^" .. fd .. " data still here$")
end)

test.case("an agent that is gone is told of once; its client's packets come to the watchdog", function()
	local gate, connect = launch "S"
	local agent = test.service "actor"
	local id, fd = connect()
	order(gate, "forward", fd, skynet.address(agent), ":0")
	order(gate, "start", fd)
	skynet.kill(agent)
	test.eventually("the next one is here", 10, function()
		socket.write(id, small "hello")
		skynet.sleep(2)
		return heard[1] == fd .. " data hello"
	end)
end)

test.case("what it is launched with is checked", function()
	local me = skynet.address(skynet.self())
	heard, talking = {}, nil
	for _, wrong in ipairs { "", "S", "X " .. me .. " 127.0.0.1:0 0 10", "S .nobody 127.0.0.1:0 0 10",
		"S " .. me .. " 127.0.0.1:0 256 10", "S " .. me .. " 127.0.0.1:0 -1 10", "S " .. me .. " 127.0.0.1:0 0 0",
		"S " .. me .. " 65536 0 10", "S " .. me .. " 127.0.0.1:99999 0 10", "S " .. me .. " no.such.host:1 0 10" } do
		test.equal(skynet.launch("gate", wrong), nil, wrong)
	end
	for _, address in ipairs { "0", ":0", "127.0.0.1:0", "[::1]:0" } do
		local gate = skynet.launch("gate", "L", "!", address, 0, 10)
		test.truthy(gate, address)
		skynet.kill(gate)
	end
	test.equal(heard, {})
end)

test.run()
