-- skynet.dns against scripted name servers.
-- timeout: 240
local dns = require "skynet.dns"
local ns = require "test.nameserver"
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"

local encode_name, record, reply, OK = ns.name, ns.record, ns.reply, ns.OK

---The server that skynet.dns asks; how often it was asked for each name.
local function nameserver(script)
	local server = ns.start(script)
	dns.flush()
	dns.server(server.ip, server.port)
	return server.asked
end

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
	local hosts = process.path "hosts"
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

-- ---- truncation, several servers, bounds ----

test.case("what is too long for a datagram is asked for over TCP", function()
	local server = ns.start(function(_, _, query, over_tcp)
		if not over_tcp then
			return { reply(query, ns.TRUNCATED, {}) }
		end
		local records = {}
		for i = 1, 200 do
			records[i] = ns.a(("10.0.1.%d"):format(i))
		end
		return { reply(query, OK, records) }
	end)
	dns.flush()
	dns.server(server.ip, server.port)
	local ip, ips = dns.resolve "many.test"
	test.equal({ ip, #ips, ips[200] }, { "10.0.1.1", 200, "10.0.1.200" })
	test.equal(server.over_tcp, 1)
end)

test.case("a server that fails, refuses or is not there is followed by the next", { timeout = 60 }, function()
	local good = ns.start(function(_, _, query)
		return { reply(query, OK, { ns.a "10.0.0.2" }) }
	end)
	for _, flags in ipairs { ns.SERVFAIL, 0x8184, 0x8185 } do
		local bad = ns.start(function(_, _, query)
			return { reply(query, flags, {}) }
		end)
		dns.flush()
		dns.server { bad.address, good.address }
		test.equal((dns.resolve "one.test"), "10.0.0.2")
		test.equal(bad.asked["one.test"], 1)
	end
	dns.flush()
	dns.server { "127.0.0.1:" .. process.free_port(), good.address }
	test.equal((dns.resolve "one.test"), "10.0.0.2")
	local silent = ns.start(function() end)
	dns.flush()
	dns.server { silent.address, good.address }
	test.equal((dns.resolve "one.test"), "10.0.0.2")
end)

test.case("resolv.conf names several servers, and domains to search in", function()
	local bad = ns.start_on_53(function(_, _, query)
		return { reply(query, ns.SERVFAIL, {}) }
	end)
	local good = ns.start_on_53(function(name, _, query)
		if name == "db.second.test" then
			return { reply(query, OK, { ns.a "10.0.0.3" }) }
		end
		return { reply(query, ns.NXDOMAIN, {}) }
	end)
	local path = process.path "resolv.conf"
	local f <close> = assert(io.open(path, "w"))
	f:write(("# a comment\nnameserver %s\nnameserver %s\nsearch first.test second.test\n"):format(bad.ip, good.ip))
	f:close()
	local before = dns.DEFAULT_RESOLV_CONF
	test.defer(function()
		dns.DEFAULT_RESOLV_CONF = before
	end)
	dns.DEFAULT_RESOLV_CONF = path
	dns.flush()
	dns.server()
	test.equal((dns.resolve "db"), "10.0.0.3")
	test.equal(good.asked["db.first.test"], 1)
	test.raises("Name or service not known: timeout or no answer", dns.resolve, "db.")
	test.equal(good.asked["db"], 1)
	dns.DEFAULT_RESOLV_CONF = "/nonexistent"
	test.raises("Call dns.server first", dns.server)
end)

test.case("a time to live of 0 is not remembered, nor one beyond 31 bits; a long one is bounded", function()
	local ttl
	local asked = nameserver(function(_, _, query)
		return { reply(query, OK, { ns.a("10.0.0.1", ttl) }) }
	end)
	for i, case in ipairs { { 0, 2 }, { 0x80000000, 2 }, { 0xffffffff, 2 }, { 0x7fffffff, 1 } } do
		ttl = case[1]
		local name = ("ttl%d.test"):format(i)
		dns.resolve(name)
		dns.resolve(name)
		test.equal(asked[name], case[2], ("%x"):format(ttl))
	end
end)

test.case("servers are addresses", function()
	for _, list in ipairs { { "example.test" }, { "127.0.0.1:53:53" }, { "127.0.0.1\0" }, { "[::1" }, { "" } } do
		test.raises("is no address", dns.server, list)
	end
	dns.server { "::1", "[::1]:53", "127.0.0.1", "127.0.0.1:53" }
	dns.server("::1", 53)
end)

test.case("localhost is here, whoever is asked", function()
	nameserver(function(_, _, query)
		return { reply(query, OK, { ns.a "6.6.6.6" }) }
	end)
	for _, name in ipairs { "localhost", "a.localhost", "LocalHost." } do
		test.equal((dns.resolve(name)), "127.0.0.1")
		test.equal((dns.resolve(name, true)), "::1")
	end
	test.equal((dns.resolve "notlocalhost"), "6.6.6.6")
end)

test.case("whatever bytes a server answers with, each question ends", { timeout = 120 }, function()
	math.randomseed(test.seed)
	local whole
	nameserver(function(name, _, query)
		local good = reply(query, OK, { ns.record(ns.CNAME, 60, encode_name "x.test"), ns.a("10.0.0.1", 60, "x.test") })
		if name:find "^good" then
			return { good }
		end
		local bytes = { good:byte(1, -1) }
		-- Behind the number, so that it is taken for the answer; the reply bit stays.
		for _ = 1, math.random(8) do
			local at = math.random(4, #bytes)
			bytes[at] = math.random(0, 255)
		end
		whole = string.char(table.unpack(bytes)):sub(1, math.random(3, #bytes + 20))
		-- What c-ares does not take for an answer is followed by one.
		return { whole, good }
	end)
	for i = 1, test.count(300) do
		local ok, ip, err = pcall(dns.resolve, ("bad%d.test"):format(i))
		test.truthy(not ok or type(ip) == "string" or type(err) == "string")
	end
	test.equal((dns.resolve "good.test"), "10.0.0.1")
end)

test.case("a killed coroutine's question is given up with its sockets", function()
	local function descriptors()
		local n = 0
		local list <close> = io.popen "ls /proc/$PPID/fd"
		for _ in list:lines() do
			n = n + 1
		end
		return n
	end
	nameserver(function() end)
	local before = descriptors()
	for round = 1, 3 do
		local tasks = {}
		for i = 1, 50 do
			tasks[i] = skynet.fork(dns.resolve, ("never%d.test"):format(i))
		end
		test.eventually("they wait", 5, function()
			return descriptors() >= before + 50
		end)
		for _, task in ipairs(tasks) do
			skynet.killthread(task)
		end
		test.between(descriptors(), 0, before + 5, "round " .. round)
	end
end)

test.run()
