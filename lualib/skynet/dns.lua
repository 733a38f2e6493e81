-- Names to addresses over UDP (RFC 1035, RFC 3596), without blocking a worker.
--
--     dns.server()                       -- what /etc/resolv.conf says
--     print(dns.resolve "example.com")   -- "93.184.215.14", { "93.184.215.14" }
--
-- Asked in this order: the name itself when it is an address, the hosts file, the cache, the server. Queries go out
-- again every few seconds; an answer counts only when it comes from the server and repeats number and question.
local skynet = require "skynet"
local socket = require "skynet.socket"

local TYPE_A <const>, TYPE_CNAME <const>, TYPE_AAAA <const>, CLASS_IN <const> = 1, 5, 28, 1
local TIMEOUT <const> = 3000 -- cs, of a whole resolve
local REPEAT <const> = 300   -- cs between two sends of a query
local IDLE <const> = 6000    -- cs after which the socket is closed
local MAX_HOPS <const> = 64  -- of compressed names and of CNAME chains

---@class skynet.dns
local dns = {
	DEFAULT_HOSTS = "/etc/hosts",
	DEFAULT_RESOLV_CONF = "/etc/resolv.conf",
}

---@class dns.entry
---@field ips string[]
---@field expires integer cs

local server = {}    -- address, port; fd while it is open, and when it was used last
local cache = {}     ---@type table<integer, table<string, dns.entry>> by question type
local hosts          ---@type table<integer, table<string, string[]>>|nil
local questions = {} -- by query number: { name=, qtype=, token=, reply= }

-- ---- names ----

local function is_ipv4(text)
	local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
	return a and tonumber(a) < 256 and tonumber(b) < 256 and tonumber(c) < 256 and tonumber(d) < 256
end

local function is_ipv6(text)
	return text:find(":", 1, true) and not text:find "[^%x:.]"
end

local function is_legal(name)
	if name == "" or #name > 1024 or name:find "[^a-z0-9_%-.]" or name:find("..", 1, true) or name:sub(1, 1) == "." then
		return false
	end
	for label in name:gmatch "[^.]+" do
		if #label > 63 then
			return false
		end
	end
	return true
end

local function read_file(path)
	local f = io.open(path)
	if not f then
		return ""
	end
	local text = f:read "a"
	f:close()
	return text or ""
end

local function load_hosts()
	local found = { [TYPE_A] = {}, [TYPE_AAAA] = {} }
	for line in read_file(dns.DEFAULT_HOSTS):gmatch "[^\n]+" do
		local ip, names = line:gsub("#.*", ""):match "^%s*(%S+)%s+(.+)$"
		local qtype = ip and (is_ipv4(ip) and TYPE_A or is_ipv6(ip) and TYPE_AAAA)
		if qtype then
			for name in names:lower():gmatch "%S+" do
				local ips = found[qtype][name] or {}
				found[qtype][name] = ips
				ips[#ips + 1] = ip
			end
		end
	end
	return found
end

-- ---- messages (RFC 1035 section 4) ----

local function encode_name(name)
	return name:gsub("([^.]+)%.?", function(label)
		return string.pack("s1", label)
	end) .. "\0"
end

local function encode_query(number, name, qtype)
	local recursion_desired <const> = 0x100
	return string.pack(">I2I2I2I2I2I2", number, recursion_desired, 1, 0, 0, 0)
		.. encode_name(name) .. string.pack(">I2I2", qtype, CLASS_IN)
end

---The name at `pos`, lower-case, and where it ends; nil when it is malformed.
local function decode_name(data, pos)
	local labels, after = {}, nil
	for _ = 1, MAX_HOPS * 2 do
		local n = data:byte(pos)
		if n == nil then
			return nil
		elseif n == 0 then
			return table.concat(labels, "."):lower(), after or pos + 1
		elseif n >= 0xc0 then
			local low = data:byte(pos + 1)
			if low == nil then
				return nil
			end
			after = after or pos + 2
			pos = (n & 0x3f) << 8 | low
			pos = pos + 1
		elseif n > 63 or pos + n > #data then
			return nil
		else
			labels[#labels + 1] = data:sub(pos + 1, pos + n)
			pos = pos + 1 + n
		end
	end
end

local function decode_address(qtype, rdata)
	if qtype == TYPE_A and #rdata == 4 then
		return ("%d.%d.%d.%d"):format(rdata:byte(1, 4))
	elseif qtype == TYPE_AAAA and #rdata == 16 then
		-- The socket library knows how to write one.
		return (socket.udp_address("\2\0\0" .. rdata))
	end
end

---The records of an answer section that matter: { [name] = { ips=, ttl=, alias= } }.
local function decode_records(data, pos, count, qtype)
	local records = {}
	for _ = 1, count do
		local name, after = decode_name(data, pos)
		if name == nil or after + 9 > #data then
			return nil
		end
		local rtype, class, ttl, size = string.unpack(">I2I2I4I2", data, after)
		pos = after + 10
		if pos + size - 1 > #data then
			return nil
		end
		local record = records[name] or { ips = {}, ttl = ttl }
		local ip = class == CLASS_IN and rtype == qtype and decode_address(qtype, data:sub(pos, pos + size - 1))
		if ip then
			record.ips[#record.ips + 1] = ip
		elseif class == CLASS_IN and rtype == TYPE_CNAME then
			record.alias = decode_name(data, pos)
		end
		if ip or record.alias then
			record.ttl = math.min(record.ttl, ttl)
			records[name] = record
		end
		pos = pos + size
	end
	return records
end

---Follows aliases from the name that was asked for.
local function pick(records, name)
	local ttl = math.huge
	for _ = 1, MAX_HOPS do
		local record = records[name]
		if record == nil then
			return nil
		end
		ttl = math.min(ttl, record.ttl)
		if #record.ips > 0 then
			return record.ips, ttl
		end
		name = record.alias
		if name == nil then
			return nil
		end
	end
end

---Is this the answer to the question? Then ips and ttl, or nil and why there are none; else false.
local function decode_reply(data, question)
	if #data < 12 then
		return false
	end
	local _, flags, questions_n, answers_n = string.unpack(">I2I2I2I2", data)
	local name, pos = decode_name(data, 13)
	local is_reply <const> = 0x8000
	if flags & is_reply == 0 or questions_n ~= 1 or name ~= question.name or pos + 3 > #data then
		return false
	end
	local qtype, class = string.unpack(">I2I2", data, pos)
	if qtype ~= question.qtype or class ~= CLASS_IN then
		return false
	end
	local rcode = flags & 0xf
	if rcode ~= 0 then
		return nil, rcode == 3 and "no such name" or ("server error %d"):format(rcode)
	end
	local records = decode_records(data, pos + 4, answers_n, qtype)
	if records == nil then
		return nil, "malformed answer"
	end
	local ips, ttl = pick(records, name)
	if ips == nil then
		return nil, "no address of that kind"
	end
	return ips, ttl
end

-- ---- the server ----

local function on_reply(data)
	local question = #data >= 2 and questions[string.unpack(">I2", data)]
	if not question or question.reply then
		return
	end
	local ips, more = decode_reply(data, question)
	if ips ~= false then
		question.reply = { ips = ips, more = more }
		skynet.wakeup(question.token)
	end
end

local function close_idle()
	if server.fd == nil then
		return
	end
	local left = server.used + IDLE - skynet.now()
	if next(questions) == nil and left <= 0 then
		local fd = server.fd
		server.fd = nil
		socket.close(fd)
	else
		skynet.timeout(math.max(left, 100), close_idle)
	end
end

local function first_nameserver()
	for line in read_file(dns.DEFAULT_RESOLV_CONF):gmatch "[^\n]+" do
		local ip = line:match "^%s*nameserver%s+(%S+)"
		if ip then
			return ip
		end
	end
end

local function send(query)
	if server.address == nil then
		dns.server()
	end
	if server.fd and socket.disconnected(server.fd) then
		-- An unreachable server closes a UDP socket.
		socket.close(server.fd)
		server.fd = nil
	end
	if server.fd == nil then
		server.fd = socket.udp_dial(server.address, server.port, on_reply)
		skynet.timeout(IDLE, close_idle)
	end
	server.used = skynet.now()
	socket.write(server.fd, query)
end

local function new_number()
	local number
	repeat
		number = math.random(0, 0xffff)
	until questions[number] == nil
	return number
end

---Asks the server; ips and ttl, or nil and why not.
local function ask(name, qtype)
	local number = new_number()
	local question = { name = name, qtype = qtype, token = {} }
	questions[number] = question
	local query = encode_query(number, name, qtype)
	local deadline = skynet.now() + TIMEOUT
	local sent, err
	while not question.reply and skynet.now() < deadline do
		sent, err = pcall(send, query)
		if not sent then
			break
		end
		skynet.sleep(math.min(REPEAT, deadline - skynet.now()), question.token)
	end
	questions[number] = nil
	if not sent then
		error(err, 0)
	end
	if question.reply then
		return question.reply.ips, question.reply.more
	end
	return nil, ("no reply from %s"):format(server.address)
end

-- ---- what users call ----

---Sets the server; without an address the first nameserver of DEFAULT_RESOLV_CONF.
---@param ip string|nil
---@param port integer|nil
function dns.server(ip, port)
	ip = ip or first_nameserver()
	if ip == nil then
		error("Call dns.server first", 2)
	end
	if server.fd then
		socket.close(server.fd)
	end
	server = { address = ip, port = port or 53, used = 0 }
end

---Forgets what was learned, and reads the hosts file again next time.
function dns.flush()
	cache = {}
	hosts = nil
end

---@param name string
---@param ipv6 boolean|nil
---@return string|nil ip
---@return string[]|string ips or, without an ip, "illegal name"
function dns.resolve(name, ipv6)
	name = name:lower()
	if is_ipv4(name) or is_ipv6(name) then
		return name, { name }
	end
	name = name:gsub("%.$", "")
	if not is_legal(name) then
		return nil, "illegal name"
	end
	local qtype = ipv6 and TYPE_AAAA or TYPE_A
	hosts = hosts or load_hosts()
	local ips = hosts[qtype][name]
	if ips then
		return ips[1], ips
	end
	local known = cache[qtype] or {}
	cache[qtype] = known
	local entry = known[name]
	if entry and entry.expires > skynet.now() then
		return entry.ips[1], entry.ips
	end
	local found, more = ask(name, qtype)
	if found then
		known[name] = { ips = found, expires = skynet.now() + more * 100 }
		return found[1], found
	elseif entry then
		return entry.ips[1], entry.ips
	end
	error(("%s: %s: timeout or no answer"):format(name, more), 2)
end

return dns
