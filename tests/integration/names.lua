-- timeout: 300
-- Names that sockets connect to, in a process that has a resolv.conf and a hosts file of its own (a mount namespace).
local ns = require "test.nameserver"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"

local function write(name, text)
	local path = process.path(name)
	local f <close> = assert(io.open(path, "w"))
	f:write(text)
	return path
end

-- What a service printed that ran `body` there; `server` is the only name server, `hosts` the hosts file.
local function run(server, hosts, body)
	local resolv_conf = write("resolv.conf", server
		and ("nameserver %s\n%s\n"):format(server.ip, server.options or "") or "")
	local mounts = {
		("mount --bind %s /etc/resolv.conf"):format(resolv_conf),
		("mount --bind %s /etc/hosts"):format(write("hosts", hosts)),
	}
	local allowed, why = process.run { "unshare", "-m", "sh", "-c", table.concat(mounts, " && ") }
	if allowed ~= 0 then
		test.skip("no mount namespace: " .. why)
	end
	local script = write("client.lua", [[
		local skynet = require "skynet"
		local socket = require "skynet.socket"
		local function open(...)
			local since = skynet.hpc()
			local id, err = socket.open(...)
			return id, err, (skynet.hpc() - since) / 1e9
		end
		skynet.start(function()
			]] .. body .. [[
			require "skynet.manager".abort()
		end)
	]])
	mounts[#mounts + 1] = ("%s run %s 2>%s"):format(test.reef, script, process.path "log")
	local _, output = process.run({ "unshare", "-m", "sh", "-c", table.concat(mounts, " && ") }, 120)
	return output
end

-- Nobody answers a connect there: its queue is full.
local function black_hole(ip, port)
	local hole, _, real_port = socket.listen(ip, port, 0)
	test.defer(socket.close, hole)
	local fillers = {}
	for i = 1, 4 do
		skynet.fork(function()
			fillers[i] = socket.open(ip, real_port, { timeout = 12000 })
		end)
	end
	test.defer(function()
		for _, id in pairs(fillers) do
			socket.close(id)
		end
	end)
	return real_port
end

-- A port where connects to 127.0.0.1 are never answered, and those to `good` are.
local function half_good(good)
	local port = black_hole("127.0.0.1", 0)
	local listener = socket.listen(good, port)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		socket.close(id)
	end)
	skynet.sleep(20)
	return port
end

test.case("an address that does not answer costs a name a fraction of the deadline", { timeout = 60 }, function()
	local port = half_good "127.0.0.2"
	local output = run(nil, "127.0.0.1 two.test\n127.0.0.2 two.test\n", ([[
		for _, timeout in ipairs { 3000, 100 } do
			local id, err, took = open("two.test", %d, { timeout = timeout })
			print(id and true, err, took < timeout / 100 * 0.7)
		end
		print(socket.open("one.test", %d, { timeout = 30 }))
	]]):format(port, port))
	test.matches(output, "^true\tnil\ttrue\ntrue\tnil\ttrue\nnil\t")
end)

test.case("many addresses that do not answer are gone through, too", { timeout = 60 }, function()
	local port = half_good "127.0.0.20"
	local hosts = { "127.0.0.1 many.test" }
	for i = 2, 11 do
		black_hole("127.0.0." .. i, port)
		hosts[i] = ("127.0.0.%d many.test"):format(i)
	end
	skynet.sleep(20)
	hosts[12] = "127.0.0.20 many.test\n"
	test.equal(run(nil, table.concat(hosts, "\n"), ([[
		local id, err, took = open("many.test", %d)
		print(id and true, err, took < 20)
	]]):format(port)), "true\tnil\ttrue\n")
end)

test.case("whenever a connect is given up, nothing of it is left", { timeout = 120 }, function()
	local port = half_good "127.0.0.2"
	local server = ns.start_on_53(function(name, qtype, query)
		if name:find "^answered" then
			if qtype == ns.AAAA then
				skynet.sleep(math.random(0, 8))
			end
			local records = qtype == ns.A and { ns.a("127.0.0.1", 0), ns.a("127.0.0.2", 0) } or { ns.loopback6(0) }
			return { ns.reply(query, ns.OK, records) }
		end
	end)
	local hosts = "127.0.0.1 localhost\n127.0.0.1 two.test\n127.0.0.2 two.test\n127.0.0.1 hole.test\n"
	test.equal(run(server, hosts, ([[
		math.randomseed(%d)
		local function descriptors()
			local n, list <close> = 0, io.popen "ls /proc/$PPID/fd"
			for _ in list:lines() do
				n = n + 1
			end
			return n
		end
		socket.open("localhost", 1)
		local before, tasks, opened = descriptors(), {}, 0
		local names = { "two.test", "hole.test", "answered%%d.test", "silent%%d.test", "localhost" }
		for i = 1, %d do
			local name = names[math.random(#names)]:format(math.random(20))
			tasks[#tasks + 1] = skynet.fork(function()
				local id = socket.open(name, %d, { timeout = math.random(1, 60) })
				if id then
					opened = opened + 1
					socket.close(id)
				end
			end)
			if i %% 7 == 0 then
				skynet.sleep(math.random(0, 3))
			end
			if i %% 3 == 0 then
				pcall(skynet.killthread, table.remove(tasks, math.random(#tasks)))
			end
		end
		skynet.sleep(100)
		local left = 0
		for _, info in ipairs(socket.netstat()) do
			left = left + (info.type == "CONNECTING" and 1 or 0)
		end
		print(left, descriptors() - before <= 3, opened > 0)
	]]):format(test.seed, test.count(1000), port)), "0\ttrue\ttrue\n")
end)

test.case("a family that is not answered does not hold up the other", { timeout = 120 }, function()
	local port = stream.listen(socket.close)
	local port6 = stream.listen(socket.close, "::1")
	local server = ns.start_on_53(function(name, qtype, query)
		if name == "four.test" and qtype == ns.A then
			return { ns.reply(query, ns.OK, { ns.a "127.0.0.1" }) }
		elseif name == "six.test" and qtype == ns.AAAA then
			return { ns.reply(query, ns.OK, { ns.loopback6() }) }
		elseif name == "late.test" then
			-- IPv6 is refused at once; what works comes afterwards.
			if qtype == ns.A then
				skynet.sleep(50)
				return { ns.reply(query, ns.OK, { ns.a "127.0.0.1" }) }
			end
			return { ns.reply(query, ns.OK, { ns.loopback6() }) }
		elseif name == "both.test" then
			return { ns.reply(query, ns.OK, { qtype == ns.A and ns.a "127.0.0.1" or ns.loopback6() }) }
		end
	end)
	local output = run(server, "127.0.0.1 localhost\n", ([[
		for _, case in ipairs { { "four.test", %d }, { "six.test", %d }, { "late.test", %d }, { "both.test", %d } } do
			local id, err, took = open(case[1], case[2], { timeout = 2000 })
			print(case[1], id and true, err, took < 10)
		end
		local since = skynet.now()
		print(socket.resolve("four.test")[1], skynet.now() - since < 1500)
		print(socket.open("both.test", 1))
		print(table.concat(socket.resolve "both.test", " "))
	]]):format(port, port6, port, port))
	test.equal(output, "four.test\ttrue\tnil\ttrue\nsix.test\ttrue\tnil\ttrue\nlate.test\ttrue\tnil\ttrue\n"
		.. "both.test\ttrue\tnil\ttrue\n127.0.0.1\ttrue\nnil\tConnection refused\n::1 127.0.0.1\n")
end)

test.case("names that are not answered delay nobody, and leave nothing behind", { timeout = 120 }, function()
	local port = stream.listen(socket.close)
	local server = ns.start_on_53(function() end)
	local output = run(server, "127.0.0.1 localhost mine.test\n", ([[
		local function descriptors()
			local n, list <close> = 0, io.popen "ls /proc/$PPID/fd"
			for _ in list:lines() do
				n = n + 1
			end
			return n
		end
		local before, slow = descriptors(), 0
		for i = 1, 100 do
			skynet.fork(function()
				local _, err = socket.open("slow" .. i %% 60 .. ".test", 80, { timeout = 150 })
				assert(err == "Connection timed out")
				slow = slow + 1
			end)
		end
		skynet.yield()
		local during = descriptors() -- one for each name
		for _, host in ipairs { "localhost", "mine.test", "127.0.0.1", "a.localhost" } do
			local id, err, took = open(host, %d)
			print(id and true, err, took < 1)
			socket.close(id)
		end
		print(slow, during >= before + 60)
		while slow < 100 do
			skynet.sleep(5)
		end
		skynet.sleep(5)
		print(descriptors() - before <= 5)
		local clock = os.clock()
		skynet.sleep(100)
		print(os.clock() - clock < 0.05)
	]]):format(port))
	test.equal(output, ("true\tnil\ttrue\n"):rep(4) .. "0\ttrue\ntrue\ntrue\n")
end)

test.case("answers are remembered for their time to live; the hosts file is read anew", { timeout = 60 }, function()
	local port = stream.listen(socket.close)
	local server = ns.start_on_53(function(name, qtype, query)
		return { ns.reply(query, ns.OK, { qtype == ns.A and ns.a("127.0.0.1", name == "zero.test" and 0 or 1) or nil }) }
	end)
	local output = run(server, "127.0.0.1 localhost\n", ([[
		for _, name in ipairs { "one.test", "One.Test", "one.test", "zero.test", "zero.test" } do
			socket.close(assert(socket.open(name, %d)))
		end
		skynet.sleep(120)
		socket.close(assert(socket.open("one.test", %d)))
		local hosts <close> = assert(io.open("/etc/hosts", "w"))
		hosts:write("127.0.0.1 one.test\n127.0.0.7 mine.test\n")
		hosts:flush()
		print(socket.resolve("one.test")[1], socket.resolve("mine.test")[1])
	]]):format(port, port))
	test.equal(output, "127.0.0.1\t127.0.0.7\n")
	test.equal(server.asked, { ["one.test"] = 4, ["zero.test"] = 4 })
end)

test.case("an answer that is too long comes over TCP, and what fails has the words of getaddrinfo", function()
	local server = ns.start_on_53(function(name, qtype, query, over_tcp)
		if name == "long.test" and not over_tcp then
			return { ns.reply(query, ns.TRUNCATED, {}) }
		elseif name == "long.test" and qtype == ns.A then
			local records = {}
			for i = 1, 100 do
				records[i] = ns.a("127.0.0." .. i)
			end
			return { ns.reply(query, ns.OK, records) }
		elseif name == "fail.test" then
			return { ns.reply(query, ns.SERVFAIL, {}) }
		end
		return { ns.reply(query, name == "none.test" and ns.OK or ns.NXDOMAIN, {}) }
	end)
	local output = run(server, "", [[
		print(#socket.resolve "long.test")
		for _, name in ipairs { "gone.test", "none.test", "fail.test" } do
			print(socket.open(name, 80))
			print(pcall(socket.resolve, name))
		end
	]])
	test.equal(output, "100\n"
		.. "nil\tName or service not known\nfalse\tName or service not known\n"
		.. "nil\tNo address associated with hostname\nfalse\tNo address associated with hostname\n"
		.. "nil\tTemporary failure in name resolution\nfalse\tTemporary failure in name resolution\n")
end)

test.case("both families come from the same name of a search list", function()
	local server = ns.start_on_53(function(name, qtype, query)
		if name == "db.first.test" or name == "db.sub" then
			return { ns.reply(query, ns.OK, qtype == ns.A and { ns.a "127.0.0.4" } or {}) }
		elseif name == "db.second.test" or name == "db.sub.first.test" then
			return { ns.reply(query, ns.OK, { qtype == ns.AAAA and ns.loopback6() or ns.a "127.6.6.6" }) }
		end
		return { ns.reply(query, ns.NXDOMAIN, {}) }
	end)
	server.options = "search first.test second.test"
	local output = run(server, "", [[
		for _, name in ipairs { "db", "db.sub", "only", "only." } do
			local ok, ips = pcall(socket.resolve, name)
			print(name, ok and table.concat(ips, " ") or ips)
		end
	]])
	test.equal(output, "db\t127.0.0.4\ndb.sub\t127.0.0.4\nonly\tName or service not known\n"
		.. "only.\tName or service not known\n")
	test.equal(server.asked, {
		["db.first.test"] = 2, ["db.sub"] = 2,
		["only.first.test"] = 2, ["only.second.test"] = 2, ["only"] = 4,
	})
end)

test.case("without dns in nsswitch.conf nobody is asked", function()
	local server = ns.start_on_53(function(_, _, query)
		return { ns.reply(query, ns.OK, { ns.a "127.0.0.1" }) }
	end)
	local path = write("nsswitch.conf", "hosts: files\n")
	local output = run(server, "127.0.0.9 mine.test\n", ([[
		assert(os.execute "mount --bind %s /etc/nsswitch.conf")
		print(pcall(socket.resolve, "other.test"))
		print(socket.resolve("mine.test")[1])
	]]):format(path))
	test.equal(output, "false\tName or service not known\n127.0.0.9\n")
	test.equal(server.asked, {})
end)

test.run()
