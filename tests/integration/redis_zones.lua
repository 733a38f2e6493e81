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

test.case("options that make no sense are refused", function()
	test.raises("zone where we are is required", redis.connect, { hosts = { "127.0.0.1:1" }, read = "zone" })
	test.raises("zones is a table or a function", redis.connect, { hosts = { "127.0.0.1:1" }, zones = "a" })
	test.raises("zone has to be a string", redis.connect, { hosts = { "127.0.0.1:1" }, read = "zone", zone = {} })
end)

test.run()
