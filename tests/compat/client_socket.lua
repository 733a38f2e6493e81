-- client.socket: scripts that play a client, as they are written for the API.
local skynet = require "skynet"
local process = require "test.process"
local socket = require "skynet.socket"
local test = require "test"

local CLIENT = [[
	local socket = require "client.socket"
	local fd = assert(socket.connect("127.0.0.1", tonumber((...))))
	local last = ""
	local function unpack_package(text)
		if #text < 2 or #text < 2 + text:byte(1) * 256 + text:byte(2) then
			return nil, text
		end
		local size = text:byte(1) * 256 + text:byte(2)
		return text:sub(3, 2 + size), text:sub(3 + size)
	end
	while true do
		local package
		package, last = unpack_package(last)
		if package then
			print("got " .. package)
			io.stdout:flush()
		else
			local text = socket.recv(fd)
			if text == "" then
				print "closed"
				socket.close(fd)
				return
			end
			last = last .. (text or "")
		end
		local line = socket.readstdin()
		if line then
			socket.send(fd, string.pack(">s2", line))
		elseif not package then
			socket.usleep(100)
		end
	end
]]

test.case("a client that polls, sends what is typed and shows what comes", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	local lines = {}
	socket.start(listener, function(id)
		socket.start(id)
		while true do
			local size = socket.read(id, 2)
			if not size then
				break
			end
			local text = socket.read(id, (string.unpack(">I2", size)))
			lines[#lines + 1] = text
			if text == "bye" then
				break
			end
			for _, byte in ipairs { string.byte(string.pack(">s2", text:upper()), 1, -1) } do
				socket.write(id, string.char(byte))
			end
		end
		socket.close(id)
	end)
	local file = assert(io.open(test.dir .. "/client.lua", "w"))
	file:write(CLIENT)
	file:close()
	local code, output = process.run {
		"/bin/sh", "-c",
		("(echo hello; echo two words; sleep 0.2; echo bye) | '%s' run client.lua %d"):format(test.reef, port),
		cwd = test.dir,
	}
	test.equal(code, 0, output)
	test.equal(lines, { "hello", "two words", "bye" })
	test.matches(output, "got HELLO\n.*got TWO WORDS\n.*closed\n")
end)

test.case("who cannot connect, and who talks to nobody, is told", function()
	local client = require "client.socket"
	test.raises("Connect 127%.0%.0%.1 %d+ failed: Connection refused", client.connect, "127.0.0.1", process.free_port())
	test.raises("Connect no%.such%.host%.invalid 1 failed", client.connect, "no.such.host.invalid", 1)
	for _, wrong in ipairs { -1, 0, 2, 12345, 1 << 40 } do
		test.raises("not from connect", client.recv, wrong)
		test.raises("not from connect", client.send, wrong, "x")
		test.raises("not from connect", client.close, wrong)
	end
	test.raises("microseconds", client.usleep, -1)
end)

test.case("what does not fit into the kernel's buffers is sent all the same", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	local total, got = 16 << 20, 0
	socket.start(listener, function(id)
		socket.start(id)
		while true do
			local text = socket.read(id)
			if not text then
				break
			end
			got = got + #text
		end
		socket.close(id)
	end)
	-- It blocks its thread: so it is another service that sends.
	local actor = test.service "actor"
	skynet.call(actor, "lua", [[
		local client = require "client.socket"
		local port, total = ...
		local fd = client.connect("127.0.0.1", port)
		client.send(fd, ("x"):rep(total))
		client.close(fd)
	]], port, total)
	test.eventually("all has come", 20, function()
		return got == total
	end)
end)

test.run()
