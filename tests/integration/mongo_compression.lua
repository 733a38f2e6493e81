-- Compressed messages: what is sent and answered so, and what is not. Against the peer.
local bson = require "bson"
local core = require "reef.mongo.core"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local test = require "test"

math.randomseed(test.seed or 1)

local here = core.compressors()
if not here[1] then
	test.case("there are compressors", function() test.skip "this was built without" end)
end

for _, name in ipairs(here) do
	test.case("by " .. name .. " documents of all sizes go and come back", function()
		local set = peers.deployment { topology = "single", version = "8.0.0", compressors = here,
			users = { user = "pencil" } }
		test.defer(set.close, set)
		local client = mongo.client(set:uri("compressors=" .. name):gsub("//", "//user:pencil@", 1))
		test.defer(client.disconnect, client)
		local c = client.db.c
		for i, n in ipairs { 0, 1, 100, 70000, test.count(2000000), math.random(300000) } do
			local text = i % 2 == 0 and ("ab"):rep(n // 2) or test.random_bytes and test.random_bytes(n) or ("x"):rep(n)
			c:insertOne { _id = i, text = text }
			test.equal(c:findOne({ _id = i }).text == text, true, n .. " bytes")
		end
		test.equal(c:countDocuments {}, 6)
		-- Greetings and passwords are not.
		local m = set.members[1]
		local plain = (m.seen.hello or 0) + (m.seen.saslStart or 0) + (m.seen.saslContinue or 0)
		test.truthy(m.compressed >= 13, "commands came compressed")
		test.truthy(plain > 0)
	end)
end

test.case("what the server does not have is not used, what nobody has is named", function()
	local set = peers.deployment { topology = "single", version = "8.0.0" }
	test.defer(set.close, set)
	local client = mongo.client(set:uri("compressors=" .. table.concat(here, ",")))
	test.defer(client.disconnect, client)
	client.db.c:insertOne { _id = 1 }
	test.equal(set.members[1].compressed, 0)
end)

test.case("a message that is damaged is refused, and no other one comes of it", function()
	local message = ("<i4i4i4i4I4"):pack(21 + 5, 7, 0, 2013, 0) .. "\0" .. ("<i4"):pack(5) .. "\0"
	for _, name in ipairs(here) do
		local packed = core.deflate(message, name)
		test.equal(core.inflate(packed), message)
		for i = 1, #packed do
			local damaged = packed:sub(1, i - 1) .. string.char(math.random(0, 255)) .. packed:sub(i + 1)
			local got, why = core.inflate(damaged)
			test.truthy(type(got) == "string" or type(why) == "string")
			got, why = core.inflate(packed:sub(1, i - 1))
			test.truthy(type(got) == "string" or type(why) == "string")
		end
		-- A size that is a lie.
		local huge = packed:sub(1, 20) .. ("<I4"):pack(47000000) .. packed:sub(25)
		test.equal(core.inflate(huge), nil)
		test.equal(core.inflate(packed:sub(1, 20) .. ("<I4"):pack(0xffffffff) .. packed:sub(25)), nil)
		test.equal(core.inflate(packed:sub(1, 16) .. ("<I4"):pack(2012) .. packed:sub(21)), nil)
	end
end)

-- Resident KiB of the process.
local function resident()
	local file = assert(io.open "/proc/self/status")
	local kib = file:read("a"):match "VmRSS:%s*(%d+)"
	file:close()
	return tonumber(kib)
end

test.case("what expands to more than a message may be is refused, nothing of it stays", { timeout = 120 }, function()
	-- One byte more than the longest message, header and all; and the longest.
	local most = 48000000
	for _, name in ipairs(here) do
		for more, ok in pairs { [0] = true, [1] = false } do
			local message = ("<i4i4i4i4"):pack(most + more, 7, 0, 2013) .. ("\0"):rep(most + more - 16)
			local packed = core.deflate(message, name)
			message = nil -- luacheck: ignore
			collectgarbage()
			test.truthy(#packed < 4000000, "it is a bomb")
			local before = resident()
			local got, why = core.inflate(packed)
			test.equal(got and #got or false, ok and most)
			test.truthy(got or why:find "out of range", why)
			got = nil -- luacheck: ignore
			collectgarbage()
			-- Sanitizers keep what was freed for a while.
			test.truthy(test.sanitizer or resident() - before < 16 * 1024, "nothing of it stays")
		end
	end
end)

test.case("a bomb in place of a reply ends its connection, and the next is asked", function()
	for _, name in ipairs(here) do
		local set = peers.deployment { topology = "single", version = "8.0.0", compressors = here }
		test.defer(set.close, set)
		local client = mongo.client(set:uri("retryReads=false&compressors=" .. name))
		test.defer(client.disconnect, client)
		client.db.c:insertOne { _id = 1 }
		for _, size in ipairs { 48000001, 0x7fffffff, 0xffffffff } do
			local times = 1
			set.members[1].on.find = function(command, member)
				if times == 0 then
					return nil
				end
				times = times - 1
				return { bytes = tostring(bson.encode(member:usual("find", command))), spoil = function(message)
					return message:sub(1, 20) .. ("<I4"):pack(size) .. message:sub(25)
				end }
			end
			local ok, err = pcall(client.db.c.findOne, client.db.c, { _id = 1 })
			test.equal({ ok, ok or err.code }, { false, "protocol" })
			test.equal(client.db.c:findOne({ _id = 1 })._id, 1)
		end
	end
end)

test.run()
