-- Packets that gates hand to agents right where they were read: they are counted as messages of the gate, and a log of
-- its messages shows them.
local skynet = require "skynet"
local core = require "skynet.core"
local process = require "test.process"
local services = require "reef.services"
local socket = require "skynet.socket"
require "skynet.manager"
local test = require "test"

local logs = process.path "logs"
process.mkdir(logs)
skynet.setenv("logpath", logs)

local opened = {} ---@type integer[] clients that a gate has told of
local got = {} ---@type string[] what came as from a client

skynet.dispatch("lua", function(_, _, _, what, fd)
	if what == "open" then
		opened[#opened + 1] = fd
	end
end)
skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = tostring,
	unpack = skynet.tostring,
	dispatch = function(_, _, text)
		opened[#opened + 1] = math.tointeger(text:match "^(%d+) open")
	end,
}
skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = skynet.tostring,
	dispatch = function(_, _, text)
		skynet.ignoreret()
		got[#got + 1] = text
	end,
}

local gates = {}

function gates.lua()
	local gate = skynet.newservice "gate"
	local _, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0 })
	return gate, port, ">s2", function(fd)
		skynet.call(gate, "lua", "forward", fd, 0, skynet.self())
	end
end

function gates.c()
	local port = process.free_port()
	local gate = assert(skynet.launch("gate", "L", skynet.address(skynet.self()), "127.0.0.1:" .. port, 0, 64))
	return gate, port, ">s4", function(fd)
		skynet.send(gate, "text", ("forward %d %s :0"):format(fd, skynet.address(skynet.self())))
		skynet.send(gate, "text", "start " .. fd)
	end
end

local function messages(gate)
	local addresses, _, counts = services.snapshot()
	for i, address in ipairs(addresses) do
		if address == gate then
			return counts[i]
		end
	end
end

local function log_of(gate)
	local f <close> = io.open(("%s/%08x.log"):format(logs, gate))
	return f and f:read "a" or ""
end

local function hex(text)
	return (text:gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

for kind, launch in pairs(gates) do
	test.case(kind .. ": packets for an agent are counted, logged if wanted, and whole either way", { timeout = 60 },
		function()
			local gate, port, format, forward = launch()
			test.defer(skynet.kill, gate)
			opened, got = {}, {}
			local id = assert(socket.open("127.0.0.1", port))
			test.defer(socket.close, id)
			forward(test.eventually("the client is there", 30, function()
				return opened[1]
			end))
			local count = 0
			local function send(text)
				socket.write(id, string.pack(format, text))
				count = count + 1
				test.eventually("it comes", 30, function()
					return got[count] == text
				end)
			end
			local function log(on)
				core.command(on and "LOGON" or "LOGOFF", skynet.address(gate))
			end
			send "the first"
			local before = messages(gate)
			local function counted(n) -- the last one is when the gate has done with it, also that before the first of them
				test.eventually(("%d are counted"):format(n), 30, function()
					return messages(gate) - before >= n
				end)
				test.between(messages(gate) - before, n, n + 1)
			end
			for i = 1, 20 do
				send("counted " .. i)
			end
			counted(20)
			log(true)
			for i = 1, 20 do
				send("logged " .. i)
			end
			counted(40)
			log(false)
			send "hidden"
			local text = log_of(gate)
			for i = 1, 20 do
				test.matches(text, "\n:00000000 6 0 %d+ %x*" .. hex(string.pack(format, "logged " .. i)) .. "\n")
			end
			test.equal(text:find(hex "hidden"), nil)
			test.equal(text:find(hex "counted"), nil)

			-- However the stream is cut, and whenever the log begins and ends.
			local parts, want = {}, {}
			for i = 1, test.count(200) do
				want[i] = ("%d."):format(i):rep(math.random(0, 1) * math.random(0, 3000) + 1)
				parts[i] = string.pack(format, want[i])
			end
			got = {}
			local stream, at = table.concat(parts), 1
			while at <= #stream do
				local n = math.random(4) == 1 and math.random(1, 20000) or math.random(1, 100)
				socket.write(id, stream:sub(at, at + n - 1))
				at = at + n
				if math.random(5) == 1 then
					log(math.random(2) == 1)
				end
				if math.random(3) == 1 then
					skynet.sleep(0)
				end
			end
			test.eventually("all are there", 60, function()
				return #got == #want
			end)
			test.equal(got, want)
		end)
end

test.run()
