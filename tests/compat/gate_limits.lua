-- What a gate allows its clients: floods, slow and silent ones, and those that do not read. And blocks in pieces.
local skynet = require "skynet"
local blocks = require "reef.blocks"
local gate = require "reef.gate"
local socket = require "skynet.socket"
require "skynet.manager"
local test = require "test"

local heard = {} ---@type any[][]
local talking ---@type integer
local times = {} ---@type table<any, number> when a client was told of

skynet.dispatch("lua", function(_, source, _, what, fd, ...)
	if source == talking then
		heard[#heard + 1] = { what, fd, ... }
		times[fd] = skynet.now()
	end
end)

---The first thing of that kind that was heard (and of that client), once it has been.
local function expect(what, fd)
	return test.eventually(what, 20, function()
		for i, got in ipairs(heard) do
			if got[1] == what and (fd == nil or got[2] == fd) then
				return table.remove(heard, i)
			end
		end
	end)
end

local function open(conf)
	local id = skynet.newservice "gate"
	test.defer(skynet.kill, id)
	heard, talking = {}, id
	conf.address, conf.port = "127.0.0.1", 0
	local _, port = skynet.call(id, "lua", "open", conf)
	local function connect(silently)
		local client = assert(socket.open("127.0.0.1", port))
		test.defer(function()
			if not socket.invalid(client) then
				socket.close(client)
			end
		end)
		if silently then
			return client
		end
		local fd = expect("open")[2]
		skynet.call(id, "lua", "accept", fd)
		return client, fd
	end
	return id, connect
end

local function small(text)
	return string.pack(">s2", text)
end

-- ---- limits ----

test.case("a limit that is none is refused, and what is not set changes nothing", function()
	for _, wrong in ipairs { { rate = 0 }, { silence = "x" }, { peraddress = -1 }, { packet_time = 1.5 },
		{ unsent = true }, { maxclient = "many" }, { maxclient = 0 }, { blocks = { mots = 1 } },
		{ blocks = { most = 0 } } } do
		local id = skynet.newservice "gate"
		test.defer(skynet.kill, id)
		wrong.address, wrong.port = "127.0.0.1", 0
		test.raises("call failed: .*[st]%w*: [%w ]+", skynet.call, id, "lua", "open", wrong)
	end
	local _, connect = open { maxclient = "100" } -- as it comes from the configuration
	local client, fd = connect()
	socket.write(client, "\0")
	skynet.sleep(100)
	socket.write(client, "\3abc")
	test.equal(expect("data", fd)[3], "abc")
end)

test.case("so many connections from one address, and room again when one ends", function()
	local id, connect = open { peraddress = 2 }
	local a, fd_a = connect()
	connect()
	local refused = connect(true)
	test.equal(socket.read(refused, 1), false)
	test.equal(heard, {})
	socket.close(a)
	expect("close", fd_a)
	skynet.call(id, "lua", "kick", fd_a)
	connect()
end)

test.case("more connections than the rate wait to be accepted, and none is lost", function()
	local rate, count = 20, 60
	local _, connect = open { rate = rate }
	local start = skynet.now()
	for _ = 1, count do
		connect(true)
	end
	local opened = 0
	test.eventually("all are accepted", 30, function()
		opened = 0
		for _, got in ipairs(heard) do
			opened = opened + (got[1] == "open" and 1 or 0)
		end
		return opened == count
	end)
	-- As many as the rate come at once, the others one by one.
	test.truthy(skynet.now() - start >= (count - rate - 1) * 100 / rate - 5)
end)

test.case("a client that is silent is closed; one that speaks now and then is not", function()
	local _, connect = open { silence = 60 }
	local speaking, fd_speaking = connect()
	local silent, fd_silent = connect()
	local start = skynet.now()
	local stop = false
	skynet.fork(function()
		while not stop do
			socket.write(speaking, small "")
			skynet.sleep(5)
		end
	end)
	test.matches(expect("error", fd_silent)[3], "^silent for 0%.60 s$")
	test.truthy(times[fd_silent] - start >= 58)
	test.equal(socket.read(silent, 1), false)
	skynet.sleep(80)
	stop = true
	for _, got in ipairs(heard) do
		test.equal({ got[1], got[2] }, { "data", fd_speaking })
	end
end)

test.case("a packet that never ends is, whether its length has come or not", function()
	local _, connect = open { packet_time = 40 }
	for _, beginning in ipairs { "\0", "\255\255abc" } do
		local client, fd = connect()
		socket.write(client, small "whole" .. beginning)
		test.equal(expect("data", fd)[3], "whole")
		local dripping = true
		skynet.fork(function()
			while dripping and #beginning > 1 and not socket.invalid(client) and socket.write(client, "x") do
				skynet.sleep(3)
			end
		end)
		test.matches(expect("error", fd)[3], "^a packet takes longer than 0%.40 s$")
		test.equal(socket.read(client, 1), false)
		dripping = false
	end
end)

test.case("a client that does not read is closed when too much waits for it", function()
	local _, connect = open { unsent = 2000 }
	local client, fd = connect()
	socket.pause(client)
	test.eventually("it is closed", 20, function()
		for _ = 1, 16 do
			socket.write(fd, ("x"):rep(65536))
		end
		return heard[#heard] and heard[#heard][1] == "error"
	end)
	test.matches(expect("error", fd)[3], "^%d+ KiB wait to be sent$")
end)

-- ---- one write to many ----

test.case("a broadcast reaches everybody whole, among what each is sent besides", function()
	local _, connect = open {}
	local clients, fds = {}, {}
	for i = 1, 50 do
		clients[i], fds[i] = connect()
	end
	local all = {}
	for _ = 1, 20 do
		local text = ("%d."):rep(math.random(0, 3000)):gsub("%%d", tostring(math.random(1000)))
		all[#all + 1] = text
		test.equal(gate.broadcast(fds, small(text)), 50)
		socket.write(fds[7], small "to one")
	end
	test.equal(gate.broadcast({}, "nobody"), 0)
	test.raises("not an array of sockets", gate.broadcast, { fds[1], "x" }, "nothing is sent")
	for i, client in ipairs(clients) do
		for _, text in ipairs(all) do
			test.equal(socket.read(client, 2 + #text) == small(text), true)
			if i == 7 then
				test.equal(socket.read(client, 8), small "to one")
			end
		end
	end
	socket.close(clients[1])
	expect("close", fds[1])
	socket.close_fd(fds[2])
	fds[3] = 123456789
	test.between(gate.broadcast(fds, "x"), 47, 48) -- the half-open one may take it
end)

-- ---- blocks ----

---So many messages from a connection.
local function read_blocks(client, count)
	local inbox = blocks.inbox { most = 64 << 20 }
	local list = {}
	local netpack = require "skynet.netpack"
	while #list < count do
		local size = assert(socket.read(client, 2))
		local body = socket.read(client, (string.unpack(">I2", size)))
		local msg, sz = inbox:add(1, require("skynet.socketdriver").str2p(body))
		assert(msg or not sz, sz)
		if msg then
			list[#list + 1] = netpack.tostring(msg, sz)
		end
	end
	return list
end

test.case("messages of any size pass a gate both ways, and small ones overtake", function()
	local id, connect = open { blocks = { most = 8 << 20, together = 16 << 20 } }
	local client, fd = connect()
	local sizes = { 0, 1, 32767, 32768, 32769, 65534, 65535, 65536, 100000, 8 << 20 }
	for _, size in ipairs(sizes) do
		local text = ("%08d"):rep(size // 8 + 1):sub(1, size)
		test.equal(blocks.send(client, text), true)
		test.equal(expect("data", fd)[3] == text, true)
		blocks.send(fd, text)
		test.equal(read_blocks(client, 1)[1] == text, true)
	end
	-- What does not fit into the kernel's buffers is overtaken.
	local large = ("x"):rep(8 << 20)
	socket.pause(client)
	blocks.send(fd, large)
	skynet.sleep(5)
	blocks.send(fd, "small")
	local got = read_blocks(client, 2)
	test.equal({ got[1], #got[2] }, { "small", #large })
	-- An agent gets whole ones.
	local agent = test.service "actor"
	skynet.call(agent, "lua", [[
		local skynet = require "skynet"
		skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT, unpack = skynet.tostring,
			dispatch = function(fd, _, text) skynet.ignoreret() GOT = #text end }
	]])
	skynet.call(id, "lua", "forward", fd, 0, agent)
	blocks.send(client, large)
	test.eventually("the agent has it", 20, function()
		return skynet.call(agent, "lua", "return GOT") == #large
	end)
end)

local function first(number, size, bytes)
	return small(bytes .. string.pack(">I4I4B", number, size, 1))
end

local function more(number, bytes)
	return small(bytes .. string.pack(">I4B", number, 2))
end

test.case("pieces that lie end their connection, and nobody else's", function()
	local _, connect = open { blocks = { most = 1000, together = 1500, open = 3 }, packet_time = 50 }
	local good, fd_good = connect()
	for reason, bytes in pairs {
		["a block is longer than is allowed"] = first(1, 1001, "x"),
		["a block is longer than was announced"] = first(1, 3, "ab") .. more(1, "cd"),
		["a block of no bytes"] = first(1, 0, ""),
		["a second block with the number"] = first(1, 10, "") .. first(1, 10, "a"),
		["too many unfinished blocks"] = first(1, 10, "") .. first(2, 10, "") .. first(3, 10, "") .. first(4, 10, ""),
		["too many bytes in unfinished blocks"] = first(1, 1000, ("a"):rep(999)) .. first(2, 1000, ("a"):rep(502)),
		["a piece of no block"] = more(1, "x"),
		["a piece of no bytes"] = first(1, 10, "x") .. more(1, ""),
		["neither a message nor a piece"] = small "abc",
		["neither a message nor a piece of one"] = small "",
		["a packet takes longer"] = first(9, 100, "x"),
	} do
		local client, fd = connect()
		socket.write(client, small "before\0" .. bytes)
		test.equal(expect("data", fd)[3], "before")
		test.matches(expect("error", fd)[3], reason)
		test.equal(socket.read(client, 1), false)
		blocks.send(good, "still here")
		test.equal(expect("data", fd_good)[3], "still here")
	end
end)

test.case("blocks of several numbers and streams may be mixed", function()
	local inbox = blocks.inbox { most = 5000, together = 25000, open = 10 }
	local driver, netpack = require "skynet.socketdriver", require "skynet.netpack"
	local open_blocks, want, got = {}, {}, {}
	local function add(stream, body)
		local msg, sz = inbox:add(stream, driver.str2p(body))
		test.truthy(msg or not sz, sz)
		if msg then
			got[#got + 1] = netpack.tostring(msg, sz)
		end
	end
	for step = 1, test.count(5000) do
		local stream = math.random(1, 4)
		local mine = open_blocks[stream] or {}
		open_blocks[stream] = mine
		local number = math.random(1, 5)
		local block = mine[number]
		local roll = math.random()
		if roll < 0.2 then
			want[#want + 1] = "small " .. step
			add(stream, want[#want] .. "\0")
		elseif not block then
			local text = ("%d,"):format(step):rep(math.random(1, 900))
			local n = math.random(0, #text - 1)
			mine[number] = { text = text, at = n }
			add(stream, text:sub(1, n) .. string.pack(">I4I4B", number, #text, 1))
		else
			local n = math.min(#block.text - block.at, math.random(1, 900))
			local piece = block.text:sub(block.at + 1, block.at + n)
			block.at = block.at + n
			if block.at == #block.text then
				mine[number] = nil
				want[#want + 1] = block.text
			end
			add(stream, piece .. string.pack(">I4B", number, 2))
		end
		test.equal(#got, #want)
	end
	test.equal(got, want)
	inbox:forget(1)
	inbox:forget(77)
end)

test.run()
