-- A server of lines, and socket channels to it.
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local test = require "test"

local ends = {}

-- A server for this case: serve(id, peer) runs once a connection. Returns its port, and a table of living ids.
function ends.listen(serve)
	local living = {}
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(newid, peer)
		socket.start(newid)
		living[newid] = true
		serve(newid, peer)
		living[newid] = nil
		socket.close(newid)
	end)
	local function stop()
		socket.close(id)
		for one in pairs(living) do
			socket.shutdown(one)
		end
	end
	test.defer(stop)
	return port, living, stop
end

-- Lines in, lines out: `f(line)` says what to answer; nil: nothing.
function ends.line_server(f)
	return ends.listen(function(id)
		while true do
			local line = socket.readline(id)
			if not line then
				return
			end
			local reply = f(line, id)
			if reply then
				socket.write(id, reply .. "\n")
			end
		end
	end)
end

function ends.channel(port, more)
	local desc = { host = "127.0.0.1", port = port }
	for k, v in pairs(more or {}) do
		desc[k] = v
	end
	local ch = socketchannel.channel(desc)
	test.defer(ch.close, ch)
	return ch
end

function ends.read_line(sock)
	return true, sock:readline()
end

function ends.echo(line)
	return line
end

return ends
