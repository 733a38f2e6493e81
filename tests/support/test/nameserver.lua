-- Name servers that answer as a script says, over UDP and TCP, on loopback.
--
--     local ns = require "test.nameserver"
--     local server = ns.start(function(name, qtype, query, over_tcp)
--         return { ns.reply(query, ns.OK, { ns.a "10.0.0.1" }) }    -- the datagrams, or nothing
--     end)
--     server.port, server.asked["a.test"]                            -- how often, of either type
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local nameserver = {
	OK = 0x8180, TRUNCATED = 0x8380, SERVFAIL = 0x8182, NXDOMAIN = 0x8183, -- flags of replies
	A = 1, CNAME = 5, TXT = 16, AAAA = 28, SRV = 33,
}

---@param name string
---@return string as it is in messages (RFC 1035, 3.1)
function nameserver.name(name)
	return name:gsub("([^.]+)%.?", function(label)
		return string.pack("s1", label)
	end) .. "\0"
end

---A record; without a name its name is the question's.
function nameserver.record(rtype, ttl, rdata, name)
	return (name and nameserver.name(name) or "\xc0\x0c") .. string.pack(">I2I2I4s2", rtype, 1, ttl, rdata)
end

---@param ip string IPv4
function nameserver.a(ip, ttl, name)
	local a, b, c, d = ip:match "(%d+)%.(%d+)%.(%d+)%.(%d+)"
	return nameserver.record(nameserver.A, ttl or 60, string.char(a, b, c, d), name)
end

---The loopback address of IPv6.
function nameserver.loopback6(ttl, name)
	return nameserver.record(nameserver.AAAA, ttl or 60, ("\0"):rep(15) .. "\1", name)
end

---Where a service is.
---@param host string
---@param port integer
function nameserver.srv(host, port, ttl)
	return nameserver.record(nameserver.SRV, ttl or 60, string.pack(">I2I2I2", 0, 5, port) .. nameserver.name(host))
end

---@param strings string[]
function nameserver.txt(strings, ttl)
	local packed = {}
	for i, text in ipairs(strings) do
		packed[i] = string.pack("s1", text)
	end
	return nameserver.record(nameserver.TXT, ttl or 60, table.concat(packed))
end

function nameserver.reply(query, flags, records)
	return query:sub(1, 2) .. string.pack(">I2I2I2I2I2", flags, 1, #records, 0, 0)
		.. query:sub(13) .. table.concat(records)
end

local function question(query)
	local labels, pos = {}, 13
	while query:byte(pos) ~= 0 do
		local label
		label, pos = string.unpack("s1", query, pos)
		labels[#labels + 1] = label
	end
	return table.concat(labels, "."), (string.unpack(">I2", query, pos + 1))
end

---Ends with the case.
---@param script fun(name: string, qtype: integer, query: string, over_tcp: boolean): string[]|nil
---@param ip string|nil
---@param port integer|nil
function nameserver.start(script, ip, port)
	local server = { ip = ip or "127.0.0.1", port = port or process.free_port(), asked = {}, over_tcp = 0 }
	server.address = ("%s:%d"):format(server.ip, server.port)
	local function answers(query, over_tcp)
		local name, qtype = question(query)
		server.asked[name] = (server.asked[name] or 0) + 1
		return script(name, qtype, query, over_tcp) or {}
	end
	local udp
	udp = socket.udp(function(query, from)
		for _, datagram in ipairs(answers(query, false)) do
			socket.sendto(udp, from, datagram)
		end
	end, server.ip, server.port)
	test.defer(socket.close, udp)
	local listener = socket.listen(server.ip, server.port)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		server.over_tcp = server.over_tcp + 1
		for size in function() return socket.read(id, 2) or nil end do
			local query = socket.read(id, string.unpack(">I2", size))
			for _, answer in ipairs(query and answers(query, true) or {}) do
				-- In pieces: a stream has no borders.
				local framed = string.pack(">s2", answer)
				socket.write(id, framed:sub(1, 3))
				skynet.sleep(1)
				socket.write(id, framed:sub(4))
			end
		end
		socket.close(id)
	end)
	return server
end

---One on the standard port, as resolv.conf needs it, on a loopback address of its own. Skips when that is not allowed.
function nameserver.start_on_53(script)
	for _ = 1, 20 do
		local ip = ("127.%d.%d.%d"):format(math.random(1, 254), math.random(0, 255), math.random(1, 254))
		local ok, server = pcall(nameserver.start, script, ip, 53)
		if ok then
			return server
		elseif not tostring(server):find "in use" then
			test.skip(tostring(server))
		end
	end
	test.skip "no address has port 53 to give"
end

return nameserver
