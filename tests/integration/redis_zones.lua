-- Reads by zone: what the user says of servers, what Valkey's say themselves, and what is done when nobody is near.
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local test = require "test"

local fake, resp = scripted.start, scripted.resp

-- A master and two replicas with all slots. `says(i)`: the zone that node i tells of in INFO; `maps(i)`: in the map.
local function shard(says, maps)
	local nodes = {}
	local function item(i)
		local zone = maps and maps(i)
		return { "127.0.0.1", nodes[i].port, "id" .. i, zone and { "availability-zone", zone } or {} }
	end
	for i = 1, 3 do
		nodes[i] = fake(function(words, _, close)
			if words[1] == "CLUSTER" and words[2] == "SLOTS" then
				return resp { { 0, 16383, item(1), item(2), item(3) } }:sub(1, -3)
			elseif words[1] == "CLUSTER" then
				return "-ERR unknown subcommand"
			elseif words[1] == "INFO" then
				local zone = says and says(i)
				return resp("# Server\r\nredis_version:7.2.4\r\n" .. (zone and "availability_zone:" .. zone .. "\r\n" or ""))
					:sub(1, -3)
			elseif words[1] == "GET" then
				if nodes[i].gone then
					close()
					return ""
				end
				return resp(tostring(i)):sub(1, -3)
			end
		end)
	end
	return nodes
end

local function connect(nodes, options)
	local conf = { hosts = {}, read = "zone", zone = "a", timeout = 2, connect_timeout = 2 }
	for i, node in ipairs(nodes) do
		conf.hosts[i] = "127.0.0.1:" .. node.port
	end
	for name, value in pairs(options or {}) do
		conf[name] = value
	end
	local db = redis.connect(conf)
	test.defer(db.disconnect, db)
	return db
end

-- Who answers, once it is known who is where.
local function readers(db, wanted)
	test.eventually("readers " .. wanted, 10, function()
		local seen = {}
		for _ = 1, 12 do
			seen[db:get "k"] = true
		end
		local list = {}
		for who in pairs(seen) do
			list[#list + 1] = who
		end
		table.sort(list)
		return table.concat(list, " ") == wanted
	end)
end

test.case("what the user says of servers counts first", function()
	local nodes = shard(function()
		return "b"
	end)
	local by_address = { ["127.0.0.1:" .. nodes[3].port] = "a", ["127.0.0.1"] = "c" }
	readers(connect(nodes, { zones = by_address }), "3")
	readers(connect(nodes, { zones = function(host, port)
		return host == "127.0.0.1" and port ~= nodes[2].port and "a" or "b"
	end }), "1 3")
end)

test.case("what servers say themselves, in the map or when they are asked", function()
	local function zone(i)
		return i == 2 and "a" or "b"
	end
	readers(connect(shard(nil, zone)), "2")
	readers(connect(shard(zone)), "2")
	-- The map's word is that of all nodes at the same time.
	readers(connect(shard(function()
		return "b"
	end, zone)), "2")
end)

test.case("nobody near: any replica; nobody but the master near: the master", function()
	readers(connect(shard()), "2 3")
	readers(connect(shard(function()
		return "b"
	end)), "2 3")
	readers(connect(shard(function(i)
		return i == 1 and "a" or "b"
	end)), "1")
end)

test.case("one that is near and does not answer is left for another", function()
	local nodes = shard(nil, function(i)
		return i == 2 and "a" or "b"
	end)
	local db = connect(nodes)
	readers(db, "2")
	nodes[2].gone = true
	readers(db, "3")
end)

-- A Sentinel, a master and two replicas; `says(i)`: the zone that server i tells of in INFO.
local function watched(says)
	local servers = {}
	for i = 1, 3 do
		servers[i] = fake(function(words, _, close)
			if servers[i].gone then
				close()
				return ""
			elseif words[1] == "INFO" then
				return resp("# Server\r\navailability_zone:" .. (says and says(i) or "") .. "\r\n"):sub(1, -3)
			elseif words[1] == "ROLE" then
				return resp { i == 1 and "master" or "slave" }:sub(1, -3)
			elseif words[1] == "GET" then
				return resp(tostring(i)):sub(1, -3)
			end
		end)
	end
	local epoch, master = 1, 1
	local sentinel = fake(function(words)
		local word = words[2] and words[2]:upper()
		local list = {}
		if word == "GET-MASTER-ADDR-BY-NAME" then
			list = { "127.0.0.1", tostring(servers[master].port) }
		elseif word == "MASTER" then
			list = { "name", "m", "config-epoch", tostring(epoch) }
		elseif word == "REPLICAS" then
			for i = 1, 3 do
				if i ~= master then
					list[#list + 1] = { "ip", "127.0.0.1", "port", tostring(servers[i].port), "flags", "slave" }
				end
			end
		end
		return resp(list):sub(1, -3)
	end)
	return servers, "redis+sentinel://127.0.0.1:" .. sentinel.port .. "/m"
end

-- Who is connected to, of `n` connections.
local function connected(uri, options, n)
	local seen, list = {}, {}
	for _ = 1, n or 6 do
		options.timeout, options.connect_timeout = 3, 3
		local db = redis.connect(uri, options)
		seen[db:get "k"] = true
		db:disconnect()
	end
	for who in pairs(seen) do
		list[#list + 1] = who
	end
	table.sort(list)
	return table.concat(list, " ")
end

test.case("servers that Sentinels know are read by zone, too", { timeout = 60 }, function()
	local function zone(i)
		return i == 2 and "a" or "b"
	end
	local servers, uri = watched(zone)
	test.equal(connected(uri, { read = "zone", zone = "a" }), "2")
	-- What the user says counts first.
	local by_address = { ["127.0.0.1:" .. servers[2].port] = "c", ["127.0.0.1:" .. servers[3].port] = "a" }
	test.equal(connected(uri, { read = "zone", zone = "a", zones = by_address }), "3")
	-- Nobody near: a replica. Only the master near: the master.
	test.equal(connected(uri, { read = "zone", zone = "z" }, 20), "2 3")
	local _, other = watched(function(i)
		return i == 1 and "a" or "b"
	end)
	test.equal(connected(other, { read = "zone", zone = "a" }), "1")
	test.equal(connected(uri, { read = "any" }, 40), "1 2 3")
	test.equal(connected(uri, { read = "master" }), "1")
	-- One that is gone, while the Sentinels have not noticed it yet.
	servers[2].gone = true
	test.equal(connected(uri, { read = "zone", zone = "a" }), "3")
	servers[3].gone = true
	test.equal(connected(uri, { read = "replica" }), "1")
end)

test.case("a pool reads by zone where Sentinels know the servers", function()
	local pool = require "reef.pool"
	local servers, uri = watched(function(i)
		return i == 3 and "a" or "b"
	end)
	local near = pool.redis(uri, { read = "zone", zone = "a" })
	local far = pool.redis(uri, { read = "zone", zone = "a", zones = { ["127.0.0.1:" .. servers[2].port] = "a",
		["127.0.0.1:" .. servers[3].port] = "b" } })
	local plain = pool.redis(uri)
	test.equal({ near:get "k", far:get "k", plain:get "k" }, { "3", "2", "1" })
	for _, db in ipairs { near, far, plain } do
		pool.close(db)
	end
	test.raises("zones is a function, which services cannot share", pool.redis, uri, { read = "zone", zone = "a",
		zones = function() end })
end)

test.case("options that make no sense are refused", function()
	test.raises("zone where we are is required", redis.connect, { hosts = { "127.0.0.1:1" }, read = "zone" })
	for _, read in ipairs { "nearest", "fallback" } do
		test.raises('with Sentinels read is "master", "replica", "any" or "zone", not "' .. read, redis.connect,
			"redis+sentinel://127.0.0.1:1/m", { read = read })
	end
	test.raises("zones is a table or a function", redis.connect, { hosts = { "127.0.0.1:1" }, zones = "a" })
	test.raises("zone has to be a string", redis.connect, { hosts = { "127.0.0.1:1" }, read = "zone", zone = {} })
end)

test.run()
