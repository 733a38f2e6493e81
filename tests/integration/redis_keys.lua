-- Where the keys of commands are, and which slot a key is in: what we think, held against what a server says.
local core = require "reef.redis.core"
local keys = require "reef.redis.cluster.keys"
local map = require "reef.redis.cluster.map"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local test = require "test"

local function open(options)
	local s = server.start(options)
	local db = redis.connect { host = "127.0.0.1", port = s.port }
	test.defer(db.disconnect, db)
	return db
end

-- Arguments that make sense for commands whose keys depend on them; K is a key, N so many keys, V a value.
local special = {
	eval = "V N K V", evalsha = "V N K V", eval_ro = "V N K V", evalsha_ro = "V N K V", fcall = "V N K V",
	fcall_ro = "V N K V", blmpop = "V N K V", bzmpop = "V N K V", lmpop = "N K V", zmpop = "N K V", sintercard = "N K",
	zdiff = "N K", zinter = "N K", zintercard = "N K", zunion = "N K", zdiffstore = "K1 N K", zinterstore = "K1 N K",
	zunionstore = "K1 N K", xread = "COUNT V STREAMS K I", xreadgroup = "GROUP V V STREAMS K I",
	sort = "K1 STORE K1", georadius = "K1 V V V m STORE K1", georadiusbymember = "K1 V V m STOREDIST K1",
}

local function fill(pattern)
	local list, n = {}, math.random(1, 4)
	for word in pattern:gmatch "%S+" do
		if word == "N" then
			list[#list + 1] = n
		elseif word == "K1" then
			list[#list + 1] = "key" .. math.random(1000)
		elseif word == "K" or word == "I" then
			for _ = 1, n do
				list[#list + 1] = (word == "K" and "key" or "") .. math.random(1000)
			end
		else
			list[#list + 1] = word == "V" and tostring(math.random(1000)) or word
		end
	end
	return list
end

-- Random arguments, as many as the command wants or a few more.
local function random_arguments(info)
	local list = {}
	local least = math.abs(info[2]) - 1
	local step = math.max(info[6], 1)
	local n = info[2] < 0 and least + step * math.random(0, 3) or least
	for i = 1, n do
		list[i] = "arg" .. math.random(1000)
	end
	return list
end

test.case("keys are where the server says that they are", function()
	local db = open()
	local compared, commands = 0, 0
	for _, info in ipairs(db:command()) do
		local name = info[1]
		local rule = keys.rule(name:upper())
		local has_key = info[4] > 0 or special[name] or name == "object" or name == "xgroup" or name == "xinfo"
		if rule.nowhere then
			test.truthy(not has_key or name == "migrate" or rule.nowhere == "node", name .. " has a key")
		elseif info[4] == 0 and not special[name] and info[7] and not has_key then
			test.fail(name .. " has no key, and no rule")
		end
		commands = commands + 1
		for _ = 1, (info[4] > 0 or special[name]) and not rule.nowhere and 20 or 0 do
			local list = special[name] and fill(special[name]) or random_arguments(info)
			local ok, want = pcall(db.command, db, "GETKEYS", name, table.unpack(list))
			if ok then
				compared = compared + 1
				local got = {}
				for i, place in ipairs(keys.places(name:upper(), list)) do
					got[i] = tostring(list[place])
				end
				table.sort(got)
				table.sort(want)
				test.equal(got, want, name .. " " .. table.concat(list, " "))
			end
		end
	end
	test.truthy(commands > 200 and compared > 2000, ("%d of %d"):format(compared, commands))
end)

test.case("commands that read are those that the server calls so", function()
	local db = open()
	for _, info in ipairs(db:command()) do
		local read, write
		for _, flag in ipairs(info[3]) do
			read, write = read or flag == "readonly", write or flag == "write"
		end
		local rule = keys.rule(info[1]:upper())
		if rule.reads then
			test.truthy(read and not write, info[1] .. " is said to read")
		elseif read and not rule.nowhere then
			-- Those that block on a replica, or change something at the reader's wish, are the master's.
			test.truthy(info[1] == "xread" or info[1] == "object" or info[1]:find "_ro$", info[1] .. " reads")
		end
	end
end)

test.case("slots are what the server computes, for keys of any bytes", function()
	local db = open { "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf" }
	local parts = { "{", "}", "a", "\0", "\r\n", "{}", "\255", "user" }
	for _ = 1, test.count(3000) do
		local key = {}
		for i = 1, math.random(0, 8) do
			key[i] = math.random(2) == 1 and parts[math.random(#parts)] or string.char(math.random(0, 255))
		end
		local text = table.concat(key)
		test.equal(core.slot(text), db:cluster("KEYSLOT", text), ("%q"):format(text))
	end
	test.equal({ core.slot "123456789", core.slot(7), core.slot "7" }, { 0x31c3, db:cluster("KEYSLOT", 7),
		db:cluster("KEYSLOT", 7) })
end)

test.case("both answers about slots make the same map, with names, without, and with unknown addresses", function()
	local slots = {
		{ 0, 99, { "10.0.0.1", 7000, "id1", {} }, { "10.0.0.2", 7000, "id2", {} } },
		{ 100, 16383, { "10.0.0.3", 7000, "id3", {} } }, { 200, 200, { "10.0.0.1", 7000, "id1", {} } },
	}
	slots[2], slots[3], slots[4] = { 100, 199, slots[2][3] }, { 201, 16383, slots[2][3] }, slots[3]
	local function node(id, host, role, health)
		return { "id", id, "port", 7000, "ip", host, "endpoint", host, "role", role, "health", health or "online" }
	end
	local shards = {
		{ "slots", { 0, 99, 200, 200 }, "nodes", { node("id1", "10.0.0.1", "master"), node("id2", "10.0.0.2", "replica") } },
		{ "slots", { 100, 199, 201, 16383 }, "nodes", { node("id3", "10.0.0.3", "master"),
			node("id4", "10.0.0.4", "replica", "failed") } },
	}
	local a, b = map.read({}, "SLOTS", slots, "x"), map.read({}, "SHARDS", shards, "x")
	test.equal(a:masters(), { "10.0.0.1:7000", "10.0.0.3:7000" })
	test.equal(b:masters(), a:masters())
	for slot = 0, 16383 do
		test.equal(a:master(slot), b:master(slot), slot)
	end
	test.equal(a:find(50).replicas, { "10.0.0.2:7000" })
	-- A node that has no name, or not its own address, is where it was asked; NAT comes last.
	local odd = { { 0, 10, { nil, 7000, "id1", {} } }, { 11, 20, { "?", 7001, "id2", { "ip", "10.0.0.9" } } },
		{ 21, 30, { "", 7002, "id3" } }, { 31, 40, { "host.example", 7003, "id4", {} } }, { 41, 50, { "::1", 7004, "id5" } } }
	local c = map.read({ nat = { ["host.example:7003"] = "1.2.3.4:5" } }, "SLOTS", odd, "asked")
	test.equal({ c:master(0), c:master(11), c:master(21), c:master(31), c:master(41), c:master(60) },
		{ "asked:7000", "10.0.0.9:7001", "asked:7002", "1.2.3.4:5", "[::1]:7004", nil })
	for _, reply in ipairs { {}, "OK", 5, { 1 }, { { 0 } }, { { 0, 1, {} } } } do
		local none, why = map.read({}, "SLOTS", reply, "x")
		test.equal(none, nil)
		test.equal(type(why), "string")
	end
end)

test.run()
