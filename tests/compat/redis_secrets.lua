-- Servers that repeat the password: it is in no error, whoever logs in, and in which protocol.
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local SECRET = "s3cr3t'x y"

-- Refuses everything as Redis refuses a command that it does not know: with its arguments.
local function start_server()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		while true do
			local count = socket.readline(id, "\r\n")
			if not count then
				return socket.close(id)
			end
			local words = {}
			for i = 1, tonumber(count:match "%d+") do
				socket.readline(id, "\r\n")
				words[i] = ("'%s' "):format(socket.readline(id, "\r\n") or "")
			end
			socket.write(id, ("-ERR unknown command %s, with args beginning with: %s\r\n"):format(words[1],
				table.concat(words, "", 2)))
		end
	end)
	return port
end

local function assert_hidden(ok, err)
	test.equal(ok, false)
	local text = tostring(err)
	test.equal(text:find("s3cr3t", 1, true), nil, text)
	test.matches(text, "unknown command")
end

test.case("a login that the server repeats does not show the password", { timeout = 60 }, function()
	local port = start_server()
	for _, resp in ipairs { 2, 3 } do
		for _, username in ipairs { false, "bob" } do
			local conf = { host = "127.0.0.1", port = port, auth = SECRET, username = username or nil, resp = resp,
				errors = "object" }
			assert_hidden(pcall(redis.connect, conf))
			local db
			assert_hidden(pcall(function()
				db = pool.redis(conf, { size = 1, pool = ("%d%s"):format(resp, username) })
				return db:get "x"
			end))
			pool.close(db)
		end
	end
	skynet.sleep(1)
end)

test.run()
