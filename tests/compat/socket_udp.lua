-- UDP in skynet.socket, and skynet.dns against a scripted name server.
local dns = require "skynet.dns"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

-- ---- UDP ----

test.case("a datagram arrives whole with an address to answer to", function()
	local process = require "test.process"
	for host, size in pairs { ["127.0.0.1"] = 7, ["::1"] = 19 } do
		local port = process.free_port()
		local server
		server = socket.udp_listen(host, port, function(data, from)
			test.equal(#from, size)
			local ip, from_port = socket.udp_address(from)
			test.equal(ip, host)
			test.equal(socket.sendto(server, from, ("%s from %d"):format(data, from_port)), true)
		end)
		local answers = {}
		local client = socket.udp_dial(host, port, function(data)
			answers[#answers + 1] = data
		end)
		test.equal(socket.write(client, "question"), true)
		socket.write(client, "")
		test.eventually("two answers", 5, function()
			return #answers == 2
		end)
		test.matches(answers[1], "^question from %d+$")
		test.matches(answers[2], "^ from %d+$")
		socket.close(client)
		socket.close(server)
	end
end)

test.case("udp_connect makes write work, without it a write is dropped with a log", function()
	local port = require("test.process").free_port()
	local got
	local server = socket.udp(function(data)
		got = data
	end, "127.0.0.1", port)
	local client = socket.udp(function() end)
	test.equal(socket.write(client, "lost"), true)
	socket.udp_connect(client, "127.0.0.1", port)
	test.equal(socket.write(client, "found"), true)
	test.eventually("received", 5, function()
		return got
	end)
	test.equal(got, "found")
	test.raises("udp connect failed$", socket.udp_connect, client, "::1", port)
	socket.close(client)
	socket.close(server)
end)

test.case("the largest datagram passes and a larger one does not", function()
	local port = require("test.process").free_port()
	local sizes = {}
	local server = socket.udp(function(data)
		sizes[#sizes + 1] = #data
	end, "127.0.0.1", port)
	local client = socket.udp_dial("127.0.0.1", port, function() end)
	socket.write(client, ("x"):rep(65507))
	socket.write(client, ("x"):rep(65508))
	socket.write(client, "y")
	test.eventually("two arrive", 5, function()
		return #sizes == 2
	end)
	test.equal(sizes, { 65507, 1 })
	socket.close(client)
	socket.close(server)
end)

test.case("listening on port 0 is refused, as is an address of another family", function()
	test.raises("udp listen host failed$", socket.udp_listen, "127.0.0.1", 0, print)
	local id = socket.udp(function() end, "127.0.0.1", 0)
	test.equal(socket.sendto(id, "\2\0\1" .. ("\0"):rep(16), "x"), false)
	test.equal(socket.sendto(id, "nonsense", "x"), false)
	test.raises("Invalid udp address", socket.udp_address, "nonsense")
	socket.close(id)
end)

test.case("a thousand datagrams arrive in the order they were sent", function()
	local port = require("test.process").free_port()
	local last, disorder = 0, 0
	local server = socket.udp(function(data)
		local n = tonumber(data)
		disorder = disorder + (n > last and 0 or 1)
		last = n
	end, "127.0.0.1", port)
	local client = socket.udp_dial("127.0.0.1", port, function() end)
	for i = 1, 1000 do
		socket.write(client, tostring(i))
		if i % 100 == 0 then
			skynet.sleep(1)
		end
	end
	test.eventually("the last one", 5, function()
		return last == 1000
	end)
	test.equal(disorder, 0)
	socket.close(client)
	socket.close(server)
end)

-- ---- names ----

local function encode_name(name)
	return name:gsub("([^.]+)%.?", function(label)
		return string.pack("s1", label)
	end) .. "\0"
end

---An answer's record; the name is a pointer to the question's.
local function record(rtype, ttl, rdata, name)
	return (name and encode_name(name) or "\xc0\x0c") .. string.pack(">I2I2I4s2", rtype, 1, ttl, rdata)
end

local function reply(query, flags, records)
	return query:sub(1, 2) .. string.pack(">I2I2I2I2I2", flags, 1, #records, 0, 0)
		.. query:sub(13) .. table.concat(records)
end

---A name server that answers as `script(name, qtype, query)` says: a list of datagrams. Counts what it was asked.
local function nameserver(script)
	local port = require("test.process").free_port()
	local asked = {}
	local id
	id = socket.udp(function(query, from)
		local labels, pos = {}, 13
		while query:byte(pos) ~= 0 do
			local label
			label, pos = string.unpack("s1", query, pos)
			labels[#labels + 1] = label
		end
		local name = table.concat(labels, ".")
		asked[name] = (asked[name] or 0) + 1
		for _, datagram in ipairs(script(name, string.unpack(">I2", query, pos + 1), query)) do
			socket.sendto(id, from, datagram)
		end
	end, "127.0.0.1", port)
	test.defer(socket.close, id)
	dns.flush()
	dns.server("127.0.0.1", port)
	return asked
end

local OK <const> = 0x8180

test.case("a name is asked once for its time to live, in lower case", function()
	local asked = nameserver(function(_, _, query)
		return { reply(query, OK, { record(1, 2, "\10\0\0\1"), record(1, 300, "\10\0\0\2") }) }
	end)
	for _ = 1, 3 do
		test.equal({ dns.resolve "Example.Test" }, { "10.0.0.1", { "10.0.0.1", "10.0.0.2" } })
	end
	test.equal(asked, { ["example.test"] = 1 })
	dns.flush()
	dns.resolve "example.test"
	test.equal(asked, { ["example.test"] = 2 })
	skynet.sleep(220)
	dns.resolve "example.test"
	test.equal(asked, { ["example.test"] = 3 })
end)

test.case("IPv6 is asked for as such", function()
	nameserver(function(_, qtype, query)
		return { reply(query, OK, { record(qtype, 60, qtype == 28 and ("\0"):rep(15) .. "\1" or "\1\2\3\4") }) }
	end)
	test.equal({ dns.resolve("both.test", true) }, { "::1", { "::1" } })
	test.equal({ dns.resolve "both.test" }, { "1.2.3.4", { "1.2.3.4" } })
end)

test.case("aliases are followed, loops are not", function()
	nameserver(function(name, _, query)
		if name == "loop.test" then
			return { reply(query, OK, { record(5, 60, encode_name "loop.test") }) }
		end
		return { reply(query, OK, {
			record(5, 60, encode_name "b.test"),
			record(5, 60, encode_name "c.test", "b.test"),
			record(1, 60, "\10\0\0\9", "c.test"),
			record(1, 60, "\10\6\6\6", "unrelated.test"),
		}) }
	end)
	test.equal({ dns.resolve "a.test" }, { "10.0.0.9", { "10.0.0.9" } })
	test.raises("timeout or no answer$", dns.resolve, "loop.test")
end)

test.case("addresses and hosts need no server", function()
	local hosts = require("test.process").path "hosts"
	local f = assert(io.open(hosts, "w"))
	f:write "# comment\n10.1.1.1 One one.test # more\n::2 one.test\n10.1.1.2\tone.test\n"
	f:close()
	local before = dns.DEFAULT_HOSTS
	dns.DEFAULT_HOSTS = hosts
	dns.flush()
	test.defer(function()
		dns.DEFAULT_HOSTS = before
		dns.flush()
	end)
	test.equal((dns.resolve "1.2.3.4"), "1.2.3.4")
	test.equal((dns.resolve "::1"), "::1")
	test.equal({ dns.resolve "ONE.test" }, { "10.1.1.1", { "10.1.1.1", "10.1.1.2" } })
	test.equal((dns.resolve("one.test", true)), "::2")
end)

test.case("names that cannot be are refused without asking", function()
	for _, name in ipairs { "", "a b", "a..b", ("x"):rep(64) .. ".test", ("x."):rep(600), "ümlaut.test", ".test" } do
		test.equal({ dns.resolve(name) }, { nil, "illegal name" })
	end
end)

test.case("a lost query is repeated", { timeout = 60 }, function()
	local lost = 1
	local asked = nameserver(function(_, _, query)
		if lost > 0 then
			lost = lost - 1
			return {}
		end
		return { reply(query, OK, { record(1, 60, "\10\0\0\1") }) }
	end)
	test.equal((dns.resolve "lossy.test"), "10.0.0.1")
	test.equal(asked["lossy.test"], 2)
end)

test.case("answers to other questions, and to nobody, are not believed", function()
	nameserver(function(_, _, query)
		local wrong_number = string.pack(">I2", string.unpack(">I2", query) ~ 1) .. query:sub(3)
		local wrong_name = query:sub(1, 12) .. encode_name "evil.test" .. query:sub(-4)
		local answer = { record(1, 60, "\6\6\6\6") }
		return {
			reply(wrong_number, OK, answer),
			reply(wrong_name, OK, { record(1, 60, "\6\6\6\6", "evil.test") }),
			query,
			"",
			"x",
			reply(query, OK, { record(1, 60, "\10\0\0\1") }),
		}
	end)
	test.equal((dns.resolve "good.test"), "10.0.0.1")
end)

test.case("malformed answers are an error, whatever is wrong with them", function()
	local whole
	local cut
	nameserver(function(_, _, query)
		whole = reply(query, OK, { record(5, 60, "\xc0\x0c"), record(1, 60, "\10\0\0\1", "x.test") })
		return { whole:sub(1, cut or #whole) .. (cut and "" or "\xc0") }
	end)
	test.raises("timeout or no answer$", dns.resolve, "bad.test")
	-- Every cut behind the question: the header promises two records.
	for at = #whole - 30, #whole - 1 do
		cut = at
		dns.flush()
		test.raises("timeout or no answer$", dns.resolve, "bad.test")
	end
end)

test.case("an unknown name is an error at once, and an expired address better than none", function()
	local rcode = 0
	nameserver(function(_, _, query)
		return { reply(query, OK | rcode, rcode == 0 and { record(1, 1, "\10\0\0\1") } or {}) }
	end)
	test.equal((dns.resolve "gone.test"), "10.0.0.1")
	rcode = 3
	test.raises("timeout or no answer$", dns.resolve, "never.test")
	skynet.sleep(120)
	test.equal((dns.resolve "gone.test"), "10.0.0.1")
end)

test.case("a hundred coroutines get each their own answer", function()
	nameserver(function(name, _, query)
		local n = tonumber(name:match "%d+")
		return { reply(query, OK, { record(1, 60, string.pack("BBBB", 10, 0, n // 256, n % 256)) }) }
	end)
	local done = 0
	for i = 1, 100 do
		skynet.fork(function()
			test.equal((dns.resolve(("host%d.test"):format(i))), ("10.0.%d.%d"):format(i // 256, i % 256))
			done = done + 1
		end)
	end
	test.eventually("all", 20, function()
		return done == 100
	end)
end)

test.run()
