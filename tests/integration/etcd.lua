-- timeout: 300
-- The client of etcd, with real servers: keys, transactions, leases, watches, and members that die, hang and come back.
local peers = require "reef.test.peer"
local servers = require "test.etcd"
local skynet = require "skynet"
local socket = require "reef.socket"
local test = require "test"
local world = require "test.tls"

local etcd = servers.client

local function connect(cluster, more)
	local options = { endpoints = cluster.endpoints, timeout = 5 }
	for name, value in pairs(more or {}) do
		options[name] = value
	end
	local db = etcd.new(options)
	test.defer(db.close, db)
	return db
end

test.case("keys, prefixes, transactions", function()
	local db = connect(servers.start())
	test.equal(db:get "none", nil)
	local any = {}
	for i = 0, 255 do
		any[#any + 1] = string.char(i)
	end
	any = table.concat(any)
	for _, value in ipairs { "", "Ada", any } do
		test.equal(math.type(db:put(any, value)), "integer")
		test.equal(db:get(any), value)
	end
	local _, item = db:get(any)
	test.equal(item.version, 3)
	test.equal(item.key, any)
	for i = 1, 3 do
		db:put("list/" .. i, tostring(i))
	end
	db:put("list0", "behind")
	local items, revision = db:list "list/"
	test.equal({ #items, items[1].key, items[3].value }, { 3, "list/1", "3" })
	test.equal(revision, items[3].mod_revision + 1)
	test.equal(db:delete "list/2", 1)
	test.equal(db:delete("list/", { prefix = true }), 2)
	test.equal(db:get "list0", "behind")

	local held, results = db:txn {
		compare = { { "once", "create_revision", "=", 0 } },
		success = { { "put", "once", "first" }, { "get", "list", prefix = true } },
		failure = { { "get", "once" } },
	}
	test.equal(held, true)
	test.equal(results[1], true)
	test.equal(results[2][1].value, "behind")
	held, results = db:txn {
		compare = { { "once", "create_revision", "=", 0 } },
		success = { { "put", "once", "second" } },
		failure = { { "get", "once" }, { "delete", "list", prefix = true } },
	}
	test.equal({ held, results[1][1].value, results[2] }, { false, "first", 1 })
	test.equal(db:txn { compare = { { "once", "value", "=", "first" }, { "once", "version", ">", 0 } } }, true)

	test.raises("a comparison is", db.txn, db, { compare = { { "a", "b" } } })
	test.raises("etcd: unknown option endpoint ", etcd.new, { endpoint = {} })
	test.raises("begins with neither", etcd.new, { endpoints = { "127.0.0.1:1" } })
end)

test.case("leases end with their holder, and can be told to be valid", function()
	local db = connect(servers.start())
	local kept, left = db:lease(2):keep(), db:lease(1)
	db:put("kept", "1", { lease = kept.id })
	db:put("left", "1", { lease = left.id })
	test.truthy(left:valid())
	test.eventually("the end of a lease", 20, function()
		return db:get "left" == nil
	end)
	test.equal(left:valid(), false)
	test.equal(left:renew(), false)
	test.equal(db:get "kept", "1")
	test.truthy(kept:valid())
	kept:revoke()
	test.equal(db:get "kept", nil)
	test.equal(kept:valid(), false)
end)

test.case("a watch tells what is there and every change, in order", function()
	local db = connect(servers.start())
	db:put("w/1", "before")
	db:put("other", "x")
	local seen = {}
	local w = db:watch("w/", { prefix = true }, function(events)
		for _, e in ipairs(events) do
			seen[#seen + 1] = ("%s %s %s"):format(e.type, e.key, e.value)
		end
	end)
	test.eventually("what is there", 10, function()
		return seen[1] == "put w/1 before"
	end)
	local expected = { seen[1] }
	for i = 1, 100 do
		db:put("w/n", tostring(i))
		expected[#expected + 1] = "put w/n " .. i
	end
	db:put("other", "y")
	db:delete("w/", { prefix = true })
	expected[#expected + 1] = "delete w/1 nil"
	expected[#expected + 1] = "delete w/n nil"
	test.eventually("all changes", 10, function()
		return #seen >= #expected
	end)
	test.equal(seen, expected)
	w:close()
	db:put("w/2", "unheard")
	skynet.sleep(20)
	test.equal(#seen, #expected)
end)

-- Connections of this process to one of these endpoints.
local function connections(endpoint)
	local count = 0
	for _, info in ipairs(socket.netstat()) do
		if info.peer and info.peer:find(endpoint:match ":%d+$" .. "$") then
			count = count + 1
		end
	end
	return count
end

test.case("a watch that is cut within a long history goes on where it was", { timeout = 120 }, function()
	local MOST_AT_ONCE <const> = 1000 -- revisions in one answer of etcd
	local db = connect(servers.start())
	local first, last = math.huge, 0
	test.together(8, function()
		for _ = 1, 2 * MOST_AT_ONCE // 8 + 10 do
			local revision = db:put("h", "")
			first, last = math.min(first, revision), math.max(last, revision)
		end
	end)
	local heard, cut = {}, false
	local w
	w = db:watch("h", { revision = first }, function(events)
		for _, e in ipairs(events) do
			heard[#heard + 1] = e.revision
		end
		if not cut then
			cut = true
			w.connection:close()
		end
	end)
	test.eventually("all of it", 60, function()
		return heard[#heard] == last
	end)
	w:close()
	for i, revision in ipairs(heard) do
		test.equal(revision, first + i - 1)
	end
	test.equal(#heard, last - first + 1)
end)

test.case("what a watch's function raises is said, and leaves no connection behind", { timeout = 60 }, function()
	local cluster = servers.start()
	local db = connect(cluster)
	local calls, heard = 0, nil
	local w = db:watch("h", { revision = 1 }, function(events)
		calls, heard = calls + 1, events[#events].value
		error("handler " .. calls)
	end)
	for i = 1, 5 do
		db:put("h", tostring(i))
		test.eventually("the change", 10, function()
			return heard == tostring(i)
		end)
	end
	test.eventually("one connection to watch, one to ask", 10, function()
		return connections(cluster.endpoints[1]) <= 2
	end)
	w:close()
end)

test.case("an answer that nobody has asked for is nobody's", function()
	local function answer(value)
		local body = ('{"header":{"revision":"1"},"kvs":[{"key":"YQ==","value":"%s"}]}'):format(value)
		return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
	end
	local peer = peers.start(function(c)
		while c:line "\r\n" do
			repeat
				local line = c:line "\r\n"
				local size = line:match "^Content%-Length: (%d+)"
				if size then
					c:line "\r\n"
					c:read(math.tointeger(tonumber(size)))
				end
			until size
			c:write("HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" .. answer "cmlnaHQ=" .. answer "d3Jvbmc=")
		end
	end)
	local db = etcd.new { endpoints = { "http://127.0.0.1:" .. peer.port }, timeout = 2 }
	for _ = 1, 3 do
		test.equal(db:get "a", "right")
	end
end)

test.case("who is ended in the middle of a request leaves no connection behind", function()
	local peer = peers.start(function(c)
		c:stall()
	end)
	local endpoint = "http://127.0.0.1:" .. peer.port
	local db = etcd.new { endpoints = { endpoint }, timeout = 60 }
	local asking
	skynet.fork(function()
		asking = coroutine.running()
		db:get "a"
	end)
	test.eventually("a request", 10, function()
		return peer.connections == 1
	end)
	skynet.sleep(5)
	test.truthy(skynet.killthread(asking))
	test.eventually("its end", 10, function()
		return connections(endpoint) == 0
	end)
end)

test.case("no endpoint answers: not sent, in time", function()
	local db = etcd.new { endpoints = { "http://127.0.0.1:1", "http://127.0.0.1:2" }, timeout = 1 }
	local err = select(2, pcall(db.put, db, "a", "b"))
	test.equal(err.outcome, "not sent")
	test.matches(tostring(err), "etcd put failed: cannot connect")
end)

test.case("what is no etcd is said, and left for another", function()
	local status = 404
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		socket.readline(id, "\r\n\r\n")
		socket.write(id, ("HTTP/1.1 %d Whatever\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"):format(status))
		socket.close(id)
	end)
	local wrong = "http://127.0.0.1:" .. port
	local db = etcd.new { endpoints = { wrong }, timeout = 3 }
	local outcomes = { [404] = "not sent", [501] = "not sent", [200] = "maybe applied", [502] = "maybe applied" }
	for code, outcome in pairs(outcomes) do
		status = code
		local err = select(2, pcall(db.put, db, "a", "b"))
		test.equal(err.outcome, outcome, code)
		test.matches(tostring(err), "this is not how etcd answers: status " .. code)
	end
	status = 404
	local cluster = servers.start()
	db = etcd.new { endpoints = { wrong, cluster.endpoints[1] }, timeout = 10 }
	test.eventually("the other answers", 20, function()
		return pcall(db.put, db, "a", "b")
	end)
end)

test.case("a member that hangs is left for another; what may have been done says so", { timeout = 120 }, function()
	local cluster = servers.start(3)
	local db = connect(cluster, { timeout = 3 })
	test.eventually("a leader", 20, function()
		return pcall(db.put, db, "ready", "1")
	end)
	local count = 0
	local w = db:watch("n", {}, function(events)
		count = count + #events
	end)
	local put = 0
	local function put_one()
		local ok, err = pcall(db.put, db, "n", tostring(put))
		put = put + (ok and 1 or 0)
		return ok or err
	end
	test.equal(put_one(), true)
	local first = db.members.at
	cluster[first]:freeze()
	local err = put_one()
	if err ~= true then
		test.equal(err.outcome, "maybe applied")
	end
	test.equal(db:get "ready", "1")
	test.eventually("puts go on", 20, function()
		return put_one() == true
	end)
	cluster[first]:thaw()
	-- The watch hears everything that was put, from another member.
	test.eventually("all changes", 30, function()
		return count >= put
	end)
	local second = db.members.at
	cluster[second]:kill()
	test.eventually("puts go on without that member", 20, function()
		return put_one() == true
	end)
	cluster[second]:restart()
	test.eventually("all changes again", 30, function()
		return count >= put
	end)
	w:close()
end)

test.case("a watch behind compacted history begins anew with what is there", { timeout = 60 }, function()
	local cluster = servers.start()
	local db = connect(cluster)
	local first = db:put("c", "1")
	for i = 2, 20 do
		db:put("c", tostring(i))
	end
	db.members:ask("/v3/kv/compaction", { revision = tostring(first + 15) }, true)
	local seen, again = {}, 0
	db:watch("c", { revision = first }, function(events, whole)
		again = again + (whole and 1 or 0)
		for _, e in ipairs(events) do
			seen[#seen + 1] = e.value
		end
	end)
	test.eventually("what is there", 10, function()
		return seen[1]
	end)
	test.equal(seen, { "20" })
	test.equal(again, 1)
end)

test.case("user and password, and TLS", { timeout = 60 }, function()
	local tls_world = world.world()
	local cluster = servers.start(1, nil, tls_world)
	local tls = { ca_file = tls_world.ca.file }
	local db = connect(cluster, { tls = tls })
	test.eventually("a leader", 20, function()
		return pcall(db.put, db, "ready", "1")
	end)
	local refused = select(2, pcall(etcd.new({ endpoints = cluster.endpoints, timeout = 2 }).get,
		etcd.new { endpoints = cluster.endpoints, timeout = 2 }, "ready"))
	test.equal(refused.outcome, "not sent")
	for _, step in ipairs {
		{ "/v3/auth/user/add", { name = "root", password = "secret" } },
		{ "/v3/auth/role/add", { name = "root" } },
		{ "/v3/auth/user/grant", { user = "root", role = "root" } },
		{ "/v3/auth/enable", {} },
	} do
		db.members:ask(step[1], step[2], true)
	end
	local err = select(2, pcall(db.get, db, "ready"))
	test.equal(err.outcome, "rejected")
	local wrong = connect(cluster, { tls = tls, user = "root", password = "wrong" })
	test.equal(select(2, pcall(wrong.get, wrong, "ready")).outcome, "rejected")
	local right = connect(cluster, { tls = tls, user = "root", password = "secret" })
	test.equal(right:get "ready", "1")
	right.members.token = "stale.1"
	test.equal(right:get "ready", "1")
	local heard
	local w = right:watch("ready", {}, function(events)
		heard = events[#events].value
	end)
	right:put("ready", "2")
	test.eventually("a watch", 10, function()
		return heard == "2"
	end)
	-- Tokens that are not used are forgotten by etcd, and all are when it is started anew.
	test.eventually("its connection", 10, function()
		return w.connection
	end)
	right.members.token = "stale.1"
	w.connection:close()
	connect(cluster, { tls = tls, user = "root", password = "secret" }):put("ready", "3")
	test.eventually("a watch that logs in again", 20, function()
		return heard == "3"
	end)
	w:close()
end)

test.run()
