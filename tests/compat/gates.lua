-- Gates: packets of clients reach the watchdog or their agents.
local skynet = require "skynet"
local process = require "test.process"
local project = require "project"
local socket = require "skynet.socket"
local test = require "test"

local heard = {} ---@type any[][] what the gate told this service as its watchdog

skynet.dispatch("lua", function(_, _, ...)
	heard[#heard + 1] = { ... }
end)

local function packet(text)
	return string.pack(">s2", text)
end

local function expect(...)
	local want = { ... }
	return test.eventually("the watchdog hears " .. table.concat(want, " ", 1, 2), 10, function()
		for i, got in ipairs(heard) do
			local same = true
			for k = 1, #want do
				same = same and (want[k] == "*" or got[k] == want[k])
			end
			if same then
				return table.remove(heard, i)
			end
		end
	end)
end

local function open(conf)
	local gate = skynet.newservice "gate"
	test.defer(skynet.kill or require("skynet.manager").kill, gate)
	conf = conf or {}
	conf.address, conf.port = "127.0.0.1", 0
	local ip, port = skynet.call(gate, "lua", "open", conf)
	test.equal(ip, "127.0.0.1")
	test.truthy(port > 0)
	return gate, port
end

local function connect(port)
	local id = assert(socket.open("127.0.0.1", port))
	return id, expect("socket", "open", "*", "*")[3]
end

test.case("nothing is read before accept; then packets come whole, whatever pieces they came in", function()
	local gate, port = open()
	local id, fd = connect(port)
	socket.write(id, packet "early")
	skynet.sleep(5)
	test.equal(#heard, 0)
	skynet.call(gate, "lua", "accept", fd)
	test.equal(expect("socket", "data", fd, "*")[4], "early")
	local all = {}
	for i = 1, 300 do
		all[i] = packet(("x"):rep(i) .. i)
	end
	local stream = table.concat(all) .. packet "" .. packet(("y"):rep(65535))
	for at = 1, #stream, 7001 do
		socket.write(id, stream:sub(at, at + 7000))
		skynet.sleep(0)
	end
	for i = 1, 300 do
		test.equal(expect("socket", "data", fd, "*")[4], ("x"):rep(i) .. i)
	end
	test.equal(expect("socket", "data", fd, "*")[4], "")
	test.equal(#expect("socket", "data", fd, "*")[4], 65535)
	socket.close(id)
	expect("socket", "close", fd)
	skynet.call(gate, "lua", "kick", fd)
end)

test.case("an agent gets the bare packets, from the client it is told or from the gate", function()
	local gate, port = open()
	local agent = test.service "actor"
	skynet.call(agent, "lua", [[
		local skynet = require "skynet"
		GOT = {}
		skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT, unpack = skynet.tostring,
			dispatch = function(fd, source, text)
				skynet.ignoreret()
				GOT[#GOT + 1] = { fd, source, text }
			end }
	]])
	local function got()
		return skynet.call(agent, "lua", "local got = GOT GOT = {} return got")
	end
	for client, source in pairs { [0] = gate, [12345] = 12345 } do
		local id, fd = connect(port)
		skynet.call(gate, "lua", "forward", fd, client, agent)
		socket.write(id, packet "one" .. packet "two")
		local list = {}
		test.eventually("both arrive", 10, function()
			table.move(got(), 1, 2, #list + 1, list)
			return #list == 2
		end)
		test.equal(list, { { fd, source, "one" }, { fd, source, "two" } })
		skynet.call(gate, "lua", "kick", fd)
		test.equal(socket.read(id, 1), false)
		socket.close(id)
	end
end)

test.case("the connection that would make the gate full is turned away", function()
	local gate, port = open { maxclient = 4 }
	local ids = {}
	for i = 1, 3 do
		local id, fd = connect(port)
		skynet.call(gate, "lua", "accept", fd)
		ids[i] = id
	end
	local refused = assert(socket.open("127.0.0.1", port))
	test.equal(socket.read(refused, 1), false)
	socket.close(refused)
	test.equal(#heard, 0)
	for _, id in ipairs(ids) do
		socket.close(id)
		expect("socket", "close", "*")
	end
end)

test.case("a gate that is closed takes nobody, and keeps whom it has", function()
	local gate, port = open()
	local id, fd = connect(port)
	skynet.call(gate, "lua", "accept", fd)
	skynet.call(gate, "lua", "close")
	test.eventually("nobody is taken", 10, function()
		local other = socket.open("127.0.0.1", port)
		if other then
			socket.close(other)
		end
		return not other
	end)
	socket.write(id, packet "still here")
	test.equal(expect("socket", "data", fd, "*")[4], "still here")
	test.raises("does not listen", skynet.call, gate, "lua", "close")
	test.raises("no command nonsense", skynet.call, gate, "lua", "nonsense")
	socket.close(id)
end)

test.case("the address may be one string, and the real one is known when the handler's open runs", function()
	local gate = skynet.newservice "gate"
	test.defer(require("skynet.manager").kill, gate)
	local ip, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1:0" })
	test.equal(ip, "127.0.0.1")
	test.truthy(port > 0)
	test.raises("listens already", skynet.call, gate, "lua", "open", { port = 0 })

	local other = skynet.newservice "gate"
	test.defer(require("skynet.manager").kill, other)
	test.raises("gate: a port is required", skynet.call, other, "lua", "open", { address = "127.0.0.1" })
	test.raises("127%.0%.0%.1:" .. port .. ": .*Listen error", skynet.call, other, "lua", "open",
		{ address = "127.0.0.1", port = port })
end)

test.case("the example of the manual works", function()
	local file = assert(io.open(test.root .. "/docs/gates.md"))
	local text = file:read "a"
	file:close()
	local p, port = project.new {}, process.free_port()
	for name, code in text:gmatch "```lua\n%-%- (%w+%.lua).-\n(.-)```" do
		p:write(name, (code:gsub("8888", tostring(port))))
	end
	local server = p:start { "run", "watchdog.lua" }
	test.eventually("it listens", 20, function()
		local id = socket.open("127.0.0.1", port)
		if id then
			socket.close(id)
		end
		return id
	end)
	local code, output = p:run { "run", "client.lua" }
	test.equal(code, 0, output)
	test.matches("\n" .. output, "\nHELLO\n")
	test.truthy(server)
end)

test.run()
