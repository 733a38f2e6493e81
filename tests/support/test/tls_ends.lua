-- The ends of TLS connections in this process, with certificates of a world of the test's own.
local certificates = require "test.tls"
local socket = require "skynet.socket"
local test = require "test"
local tls = require "reef.tls"

---The certificates, within a case.
local world = {}
local ends = { world = world }

---A case that has the certificates.
function ends.case(name, f)
	test.case(name, function()
		certificates.check()
		for key, value in pairs(certificates.world()) do
			world[key] = value
		end
		f()
	end)
end

local function copy(t, more)
	local result = {}
	for k, v in pairs(t) do
		result[k] = v
	end
	for k, v in pairs(more or {}) do
		result[k] = v
	end
	return result
end

-- A listener whose connections are served by f(id).
function ends.serve(options, f)
	local listener, _, port = tls.listen("127.0.0.1", 0, options)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		if tls.start(id) then
			f(id)
			socket.close(id)
		end
	end)
	return port
end

function ends.echo(id)
	while true do
		local bytes = socket.read(id)
		if not bytes then
			break
		end
		socket.write(id, bytes)
	end
end

function ends.good(more)
	return copy({ cert_file = world.good.cert, key_file = world.good.key }, more)
end

function ends.connect(port, more)
	local id = assert(tls.connect("localhost", port, copy({ ca_file = world.ca.file }, more)))
	test.defer(socket.close, id)
	return id
end

function ends.refused(pattern, port, more)
	local id, err = tls.connect("localhost", port, copy({ ca_file = world.ca.file }, more))
	test.equal(id, nil)
	test.matches(err, pattern)
end

return ends
