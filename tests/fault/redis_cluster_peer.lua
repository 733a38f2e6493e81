-- The cluster client against a peer that says what a test wants: endless redirections, answers that make no sense, and
-- what is in one packet.
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

-- Commands as lists of words, out of what has come; and the rest.
local function parse(bytes)
	local list, at = {}, 1
	while true do
		local n, next_at = bytes:match("^%*(%d+)\r\n()", at)
		local words = {}
		for i = 1, tonumber(n) or 0 do
			local size, from = bytes:match("^%$(%d+)\r\n()", next_at)
			if not size or #bytes < from + size + 1 then
				return list, bytes:sub(at)
			end
			words[i], next_at = bytes:sub(from, from + size - 1), from + size + 2
		end
		if not n then
			return list, bytes:sub(at)
		end
		list[#list + 1], at = words, next_at
	end
end

---A node that has all slots; `answer(words, packet)` returns RESP, packet being all commands that came together.
local function peer(answer)
	local listening, _, port = socket.listen("127.0.0.1", 0)
	local self = { port = port, seen = {}, connections = 0 }
	local slots = ("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nid\r\n"):format(port)
	socket.start(listening, function(id)
		self.connections = self.connections + 1
		socket.start(id)
		local rest = ""
		while true do
			local bytes = socket.read(id)
			if not bytes then
				return socket.close(id)
			end
			local commands
			commands, rest = parse(rest .. bytes)
			for _, words in ipairs(commands) do
				table.insert(self.seen, words)
				local word = words[1]:upper()
				local reply = answer(words, commands)
				if not reply then
					reply = word == "CLUSTER" and (self.slots or slots) or word == "PING" and "+PONG\r\n" or "+OK\r\n"
				end
				socket.write(id, reply)
			end
		end
	end)
	test.defer(socket.close, listening)
	return self
end

local function connect(one, options)
	options = options or {}
	options.timeout = options.timeout or 10
	local db = redis.connect({ hosts = { "127.0.0.1:" .. one.port } }, options)
	test.defer(pcall, db.disconnect, db)
	return db
end

test.case("redirections without end are given up", { timeout = 60 }, function()
	local one
	one = peer(function(words)
		if words[1] == "GET" then
			return ("-%s 5 127.0.0.1:%d\r\n"):format(words[2] == "moved" and "MOVED" or "ASK", one.port)
		end
	end)
	local db = connect(one)
	for _, key in ipairs { "moved", "asked" } do
		one.seen = {}
		local err = test.raises("^Too many Cluster redirections%?", db.get, db, key)
		test.matches(err, key == "moved" and "MOVED" or "ASK")
		local times = 0
		for _, words in ipairs(one.seen) do
			times = times + (words[1] == "GET" and 1 or 0)
		end
		test.equal(times, 17)
	end
	local rc = require "skynet.db.redis.cluster".new { host = "127.0.0.1", port = one.port }
	test.raises("^Too many Cluster redirections%?", rc.get, rc, "moved")
	rc:close_all_connection()
end)

test.case("ASKING comes in the packet of its command, in front of it", function()
	local one, together
	one = peer(function(words, packet)
		if words[1] ~= "GET" then
			return nil
		elseif #packet == 1 then
			return ("-ASK 5 127.0.0.1:%d\r\n"):format(one.port)
		end
		together = packet
		return "$1\r\nx\r\n"
	end)
	test.equal(connect(one):get "k", "x")
	test.equal(together, { { "ASKING" }, { "GET", "k" } })
end)

test.case("what passes is waited for, what is refused for good is told", { timeout = 60 }, function()
	for _, code in ipairs { "CLUSTERDOWN Hash slot not served", "TRYAGAIN Multiple keys", "LOADING Redis is loading",
		"READONLY You can't write" } do
		local left = 3
		local one = peer(function(words)
			if words[1] == "INCR" and left > 0 then
				left = left - 1
				return "-" .. code .. "\r\n"
			elseif words[1] == "INCR" then
				return ":1\r\n"
			end
		end)
		test.equal(connect(one):incr "n", 1, code)
	end
	local one = peer(function(words)
		return words[1] == "INCR" and "-CLUSTERDOWN for ever\r\n" or words[1] == "SET" and "-OOM no\r\n" or nil
	end)
	local db = connect(one, { timeout = 0.5 })
	test.within(5, function()
		test.raises("^CLUSTERDOWN for ever", db.incr, db, "n")
	end)
	test.raises("^OOM no", db.set, db, "n", 1)
	-- One that is no redirection, although it looks like one.
	one = peer(function(words)
		return words[1] == "GET" and "-MOVED somewhere\r\n" or nil
	end)
	db = connect(one)
	test.raises("^MOVED somewhere", db.get, db, "n")
end)

test.case("a silent node costs no more than the call may take, and is said so", { timeout = 60 }, function()
	local one = peer(function(words)
		return words[1] == "INCR" and "" or nil
	end)
	local db = connect(one, { timeout = 0.5, connect_timeout = 0.5 })
	test.within(5, function()
		local err = test.raises("maybe applied", db.incr, db, "n")
		test.equal({ err.code, err.outcome }, { "timeout", "maybe applied" })
		-- Nothing is sent twice.
		local times = 0
		for _, words in ipairs(one.seen) do
			times = times + (words[1] == "INCR" and 1 or 0)
		end
		test.equal(times, 1)
	end)
end)

test.case("answers about slots that make no sense are errors, not maps", function()
	for _, slots in ipairs { "*0\r\n", "+OK\r\n", ":5\r\n", "*1\r\n*1\r\n:0\r\n",
		"-ERR This instance has cluster support disabled\r\n", "*1\r\n*3\r\n$1\r\nx\r\n:1\r\n*0\r\n" } do
		local one = peer(function() end)
		one.slots = slots
		local err = test.raises("", connect, one, { connect_timeout = 1 })
		test.equal({ err.code, err.outcome }, { "connect", "not sent" }, slots)
	end
end)

test.case("looks at the cluster are bounded, whatever happens", function()
	local looks, one = 0, nil
	one = peer(function(words)
		if words[1] == "CLUSTER" and words[2] == "SLOTS" then
			looks = looks + 1
		elseif words[1] == "GET" then
			return ("-MOVED 5 127.0.0.1:%d\r\n"):format(one.port)
		end
	end)
	local db = connect(one, { timeout = 1 })
	local since = skynet.hpc()
	test.together(100, function(i)
		pcall(db.get, db, "k" .. i)
	end)
	local seconds = (skynet.hpc() - since) / 1e9
	test.truthy(looks <= 5 + seconds * 40, ("%d looks in %g s"):format(looks, seconds))
end)

test.run()
