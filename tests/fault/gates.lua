-- Hostile clients of gates, many at a time: those that lie about lengths, flood, fall silent in mid-packet, vanish, and
-- send noise, while good ones are served. Both the Lua service `gate` and the C service stay small and lose nothing.
local skynet = require "skynet"
local memory = require "reef.allocator"
local process = require "test.process"
local socket = require "skynet.socket"
require "skynet.manager"
local test = require "test"

local HOSTILE <const> = test.count(150)
local MIB <const> = 1 << 20

local talking ---@type integer?
local packets = {} ---@type table<integer, string[]> of each client that the gate has told of
local ended = {} ---@type table<integer, boolean>
local opened ---@type fun(fd: integer)

local function note(what, fd, text)
	if what == "open" then
		packets[fd] = {}
		opened(fd)
	elseif what == "data" and #text < 1000 then
		table.insert(packets[fd], text)
	elseif what == "close" or what == "error" then
		ended[fd] = true
	end
end

skynet.dispatch("lua", function(_, source, _, ...)
	if source == talking then
		note(...)
	end
end)
skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = tostring,
	unpack = skynet.tostring,
	dispatch = function(_, source, text)
		if source == talking then
			local fd, what, rest = text:match "^(%d+) (%a+) ?(.*)$"
			note(what, math.tointeger(fd), rest)
		end
	end,
}

local gates = {}

function gates.lua()
	local gate = skynet.newservice "gate"
	local conf = { address = "127.0.0.1", port = 0, maxclient = 4096, packet_time = 100, backlog = 1024 }
	local _, port = skynet.call(gate, "lua", "open", conf)
	return gate, port, ">s2", function(fd)
		skynet.send(gate, "lua", "accept", fd)
	end
end

function gates.c()
	local port = process.free_port()
	local gate = assert(skynet.launch("gate", "L", skynet.address(skynet.self()), "127.0.0.1:" .. port, 0, 4096))
	return gate, port, ">s4", function(fd)
		skynet.send(gate, "text", "start " .. fd)
	end
end

-- What a hostile client does with its connection; `header` is the format of a packet.
local deeds = {
	function(id, header)
		local format, most = ">I2", 65535
		if header == ">s4" then
			format, most = ">I4", 16 * MIB
		end
		socket.write(id, string.pack(format, most) .. "abc")
	end,
	function(id)
		socket.write(id, "\255\255\255\255")
	end,
	function(id, header)
		socket.write(id, string.pack(header, "last words"):sub(1, -2))
		socket.shutdown(id)
	end,
	function(id)
		local noise = {}
		for i = 1, math.random(1, 2000) do
			noise[i] = string.char(math.random(0, 255))
		end
		socket.write(id, table.concat(noise))
	end,
	function(id, header)
		socket.write(id, string.pack(header, ""):rep(20000))
	end,
	function() end, -- says nothing
	function(id, header)
		for byte in string.pack(header, "slowly"):gmatch "." do
			if not socket.write(id, byte) then
				break
			end
			skynet.sleep(1)
		end
	end,
}

for kind, launch in pairs(gates) do
	test.case(kind .. ": good clients are served among hostile ones, and lies of lengths cost nothing", { timeout = 60 },
		function()
			local gate, port, header, open = launch()
			test.defer(skynet.kill, gate)
			talking, packets, ended, opened = gate, {}, {}, open
			local before = memory.total()
			local hostile = {}
			for i = 1, HOSTILE do
				local id = assert(socket.open("127.0.0.1", port))
				hostile[i] = id
				skynet.fork(deeds[i % #deeds + 1], id, header)
			end
			local good, sent = {}, {}
			for i = 1, 20 do
				good[i] = assert(socket.open("127.0.0.1", port))
				sent[i] = {}
			end
			for round = 1, 50 do
				for i, id in ipairs(good) do
					local text = ("good %d %d"):format(i, round)
					sent[i][round] = text
					socket.write(id, string.pack(header, text))
				end
				skynet.sleep(0)
			end
			test.eventually("all good packets", 30, function()
				local whole = 0
				for _, list in pairs(packets) do
					local i = #list == 50 and list[1]:match "^good (%d+) 1$"
					if i then
						test.equal(list, sent[tonumber(i)])
						whole = whole + 1
					end
				end
				return whole == #good
			end)
			-- A byte more than was promised would be 16 MiB for each liar of the C gate.
			test.truthy(memory.total() - before < 64 * MIB)
			for _, id in ipairs(hostile) do
				if not socket.invalid(id) then
					socket.close(id)
				end
			end
			test.eventually("the hostile ones have ended", 30, function()
				local count = 0
				for _ in pairs(ended) do
					count = count + 1
				end
				return count >= HOSTILE
			end)
			for _, id in ipairs(good) do
				socket.close(id)
			end
		end)
end

test.run()
