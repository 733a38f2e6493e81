-- skynet.socket: other descriptors, names and statistics, as the API says.
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"

test.case("header reads big-endian numbers of up to four bytes", function()
	test.equal(socket.header "\1", 1)
	test.equal(socket.header "\1\2", 258)
	test.equal(socket.header "\1\2\3", 66051)
	test.equal(socket.header "\255\255\255\255", 4294967295)
	test.raises("header", socket.header, "")
	test.raises("header", socket.header, "12345")
end)

test.case("resolve gives addresses or raises", { timeout = 60 }, function()
	local found
	for _, ip in ipairs(socket.resolve "localhost") do
		found = found or ip == "127.0.0.1" or ip == "::1"
	end
	test.equal(found, true)
	test.raises(".", socket.resolve, "does-not-exist.invalid")
end)

test.case("netstat shows owner, kind, counters and addresses", function()
	local port, _, l = stream.listen(function() end)
	local c = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, c)
	socket.write(c, "12345")
	local function info(id)
		for _, i in ipairs(socket.netstat()) do
			if i.id == id then
				return i
			end
		end
	end
	test.eventually("written", 5, function()
		return info(c).write == 5
	end)
	local i = info(c)
	test.equal({ i.type, i.address, i.peer, i.read, i.wbuffer, i.reading, i.writing },
		{ "TCP", skynet.self(), "127.0.0.1:" .. port, 0, 0, true, false })
	test.between(i.wtime, skynet.now() - 500, skynet.now() + 1)
	i = info(l)
	test.equal({ i.type, i.address, i.sock, i.accept }, { "LISTEN", skynet.self(), "127.0.0.1:" .. port, 1 })
end)

test.case("a process reads its standard input and writes to a bound descriptor", function()
	local process = require "test.process"
	local script = process.path "stdin.lua"
	local f = assert(io.open(script, "w"))
	f:write [[
		local skynet = require "skynet"
		local socket = require "skynet.socket"
		skynet.start(function()
			local id, out = assert(socket.stdin()), assert(socket.bind(1))
			while true do
				local line, rest = socket.readline(id)
				if not line then
					socket.write(out, "END" .. rest .. "\n")
					break
				end
				socket.write(out, "GOT" .. line .. "\n")
			end
			skynet.exit()
		end)
	]]
	f:close()
	local input = process.path "input"
	f = assert(io.open(input, "w"))
	f:write "one\ntwo\nrest"
	f:close()
	for _, command in ipairs { "%s run %s < %s", "cat %3$s | %1$s run %2$s" } do
		command = command:gsub("%%(%d)%$s", function(n)
			return ({ test.reef, script, input })[tonumber(n)]
		end)
		local code, output = process.run { "sh", "-c", command:format(test.reef, script, input) }
		test.equal(code, 0)
		test.matches(output, "GOTone\n.*GOTtwo\n.*ENDrest\n")
	end
end)

test.case("what can only be written to is not read", function()
	local process = require "test.process"
	local script = process.path "late.lua"
	local f = assert(io.open(script, "w"))
	f:write [[
		local skynet = require "skynet"
		local socket = require "skynet.socket"
		skynet.start(function()
			local out = assert(socket.bind(1))
			skynet.sleep(5)
			socket.write(out, "still there\n")
			skynet.exit()
		end)
	]]
	f:close()
	for _, command in ipairs { "%s run %s", "%s run %s | cat" } do
		local _, output = process.run { "sh", "-c", command:format(test.reef, script) }
		test.matches(output, "still there\n")
	end
end)

test.run()
