-- timeout: 200
-- TLS and a shared secret between nodes: who has them is let in, who has not is not, both ways, and the log and the
-- configuration say what is open to anybody.
local frame = require "reef.cluster.frame"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
local test_nodes = require "test.nodes"
local tls = require "test.tls"

local function start(more)
	return test_nodes.start("x", { more = more })
end

local function config(more)
	return test_nodes.new("x", { more = more }).config
end

-- A node whose configuration is `mine` calls one whose is `its`; the way to `mine` is its proxy of control: a second
-- port that is open to this test, which has neither.
local function call(mine, its)
	local other = start(its)
	local names = process.path "names"
	local file <close> = assert(io.open(names, "w"))
	file:write(('other = "127.0.0.1:%d"\n'):format(other.port))
	file:close()
	local script = process.path "asks" .. ".lua"
	local asks <close> = assert(io.open(script, "w"))
	asks:write [[
		local cluster = require "skynet.cluster"
		local skynet = require "skynet"
		skynet.start(function()
			print("result", pcall(cluster.call, "other", "@main", "echo", "hello"))
			print("result", pcall(cluster.call, "other", "@main", "size", ("x"):rep(100000)))
			require("reef.process").stop()
		end)
	]]
	asks:close()
	local path = process.path "config"
	local out <close> = assert(io.open(path, "w"))
	out:write(('thread = 2\nluaservice = "%s/?.lua"\nstart = "%s"\ncluster = "%s"\n%s'):format(
		script:match "^(.*)/", script:match "([^/]*)%.lua$", names, mine))
	out:close()
	local _, output = process.run({ test.reef, path }, 60)
	return output, other.process:output(), other
end

local SECRET <const> = 'cluster_secret = "0123456789abcdef0"\n'
local WRONG <const> = 'cluster_secret = "0123456789abcdefX"\n'

local function fails(mine, its, why)
	local output, there = call(mine, its)
	test.truthy(output:find "result%s+false", output)
	test.truthy(not output:find "result%s+true", output)
	if why then
		test.matches(output .. there, why)
	end
end

local function works(mine, its)
	local output = call(mine, its)
	test.truthy(output:find "result%s+true%s+hello", output)
	test.truthy(output:find "result%s+true%s+100000", output)
end

test.case("a shared secret", { timeout = 90 }, function()
	works(SECRET, SECRET)
	fails(WRONG, SECRET, "cluster_secret: it does not know the secret")
	fails("", SECRET, "a request before it has shown that it knows cluster_secret")
	fails(SECRET, "", "nobody is registered as reef.auth")
end)

test.case("TLS, with certificates of one authority", { timeout = 90 }, function()
	tls.check()
	local world = tls.world()
	local function with(certificate, ca)
		return ('cluster_cert_file = "%s"\ncluster_key_file = "%s"\ncluster_ca_file = "%s"\n'):format(certificate.cert,
			certificate.key, ca.file)
	end
	local good = with(world.good, world.ca)
	works(good .. SECRET, with(world.other, world.ca) .. SECRET)
	works(good, good)
	fails("", good)
	fails(good, "cluster_unfinished = 50\n")
	fails(with(world.stranger, world.ca), good)
	fails(good, with(world.stranger, world.unknown))
end)

test.case("whatever is sent to a node with a secret, it is not served", { timeout = 60 }, function()
	local node = start(SECRET)
	local function try(...)
		local id = assert(socket.open("127.0.0.1", node.port))
		for i = 1, select("#", ...) do
			socket.write(id, (select(i, ...)))
		end
		local got = test.within(20, function()
			return socket.readall(id)
		end)
		socket.close(id)
		return got
	end
	local echo = frame.request("@main", 1, skynet.packstring("echo", "secret word"))
	local hello = frame.request(0, 1, skynet.packstring("reef.auth", "x"))
	test.equal(try(echo), "")
	test.equal(try(frame.request(0, 1, skynet.packstring "main")), "")
	test.equal(try(hello, echo):find("secret word", 1, true), nil)
	test.equal(try(hello, hello, echo):find("secret word", 1, true), nil)
	test.equal(try("\0\1\4"), "")
	-- The node's own proof, sent back to it, is none.
	local id = assert(socket.open("127.0.0.1", node.port))
	local mine = ("m"):rep(16)
	socket.write(id, (frame.request(0, 1, skynet.packstring("reef.auth", mine))))
	local size = string.unpack(">I2", (socket.read(id, 2)))
	local payload = socket.read(id, size)
	local _, _, rest = frame.parse_response(payload, 1, #payload)
	local _, its = skynet.unpack(rest)
	test.equal(#its, 32)
	socket.write(id, (frame.request(0, 2, skynet.packstring("reef.auth", its))) .. echo)
	test.equal(socket.readall(id):find("secret word", 1, true), nil)
	socket.close(id)
	for _ = 1, test.count(200) do
		local bytes = {}
		for i = 1, math.random(40) do
			bytes[i] = string.char(math.random(0, 255))
		end
		id = assert(socket.open("127.0.0.1", node.port))
		socket.write(id, table.concat(bytes))
		socket.close(id)
	end
	works(SECRET, SECRET)
end)

test.case("who does not show in time that it knows the secret is put out", { timeout = 60 }, function()
	local node = start(SECRET)
	local hello = frame.request(0, 1, skynet.packstring("reef.auth", ("m"):rep(16)))
	for _, text in ipairs { "", "\0", hello } do
		local id = assert(socket.open("127.0.0.1", node.port))
		socket.write(id, text)
		test.within(20, socket.readall, id)
		socket.close(id)
	end
	works(SECRET, SECRET)
end)

test.case("what is open to anybody is a line in the log, or refused", { timeout = 60 }, function()
	local open = start ""
	open.process:expect("whoever reaches that can call every service", 20)
	local closed = start(SECRET)
	test.equal(closed.process:output():find "whoever reaches", nil)
	local path = config 'cluster_listen = "secure"\n'
	local _, output = process.run { test.reef, path }
	test.matches(output, 'cluster_listen = "secure" forbids it')
	start(SECRET .. 'cluster_listen = "secure"\n')
	path = config 'cluster_secret = "short"\n'
	_, output = process.run { test.reef, path }
	test.matches(output, "cluster_secret has 5 bytes")
	path = config 'cluster_cert_file = "x"\n'
	_, output = process.run { test.reef, path }
	test.matches(output, "TLS between nodes needs")
	test.equal(open:call("echo", 1), 1)
end)

test.run()
