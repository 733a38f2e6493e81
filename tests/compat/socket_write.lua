-- skynet.socket: writing, as the API says.
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"

test.case("write takes strings, numbers, arrays and blocks of memory", function()
	local c, s = stream.pair()
	test.equal(socket.write(c, "text "), true)
	test.equal(socket.write(c, { "a", 1, "b", 2.5, "\n" }), true)
	test.equal(socket.write(c, skynet.pack "packed"), true)
	test.equal(socket.readline(s), "text a1b2.5")
	test.equal(skynet.unpack((socket.read(s))), "packed")
	test.raises("cannot write a boolean", socket.write, c, { "a", true })
end)

test.case("write to an id that nobody has, or that is closing, is false", function()
	local c = stream.pair()
	socket.close(c)
	test.equal(socket.write(c, "x"), false)
	test.equal(socket.lwrite(c, "x"), false)
	test.equal(socket.write(987654321, "x"), false)
end)

test.case("any service may write", function()
	local c, s = stream.pair()
	local other = test.service "actor"
	test.equal(skynet.call(other, "lua", [[
		return require("skynet.socket").write(..., "from another service\n")
	]], c), true)
	test.equal(socket.readline(s), "from another service")
end)

test.case("what several services write is not torn, and each one's order is kept", function()
	local c, s = stream.pair()
	local n = test.count(2000)
	for i = 1, 4 do
		local other = test.service "actor"
		skynet.send(other, "lua", [[
			local id, who, n = ...
			local socket, skynet = require "skynet.socket", require "skynet"
			for i = 1, n do
				socket.write(id, ("%d %d %s\n"):format(who, i, ("x"):rep(i % 300)))
				if i % 50 == 0 then skynet.yield() end
			end
		]], c, i, n)
	end
	local last = { 0, 0, 0, 0 }
	for _ = 1, 4 * n do
		local who, i, x = socket.readline(s):match "^(%d) (%d+) (x*)$"
		who, i = tonumber(who), tonumber(i)
		test.equal(i, last[who] + 1)
		test.equal(#x, i % 300)
		last[who] = i
	end
end)

test.case("normal output overtakes low, and low keeps its order", function()
	local c, s = stream.pair()
	-- More than the kernel takes while the peer does not read.
	socket.pause(s)
	socket.write(c, ("-"):rep(16 * 1024 * 1024))
	for i = 1, 3 do
		socket.lwrite(c, "low" .. i .. " ")
	end
	socket.write(c, "normal ")
	socket.close(c)
	test.equal(socket.readall(s):match "^%-*(.*)$", "normal low1 low2 low3 ")
end)

test.run()
