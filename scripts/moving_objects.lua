-- Objects whose methods docs/moving.md lists, made for scripts/moving. Databases are played by servers that say no more
-- than it takes to connect.
local bson -- required when it is needed
local skynet = require "skynet"
local socket = require "skynet.socket"

local objects = {}
local dir = skynet.getenv "moving_dir"

local SCHEMA = [[
.package { type 0 : integer  session 1 : integer }
.Item { id 0 : integer }
take 1 { request Item  response Item }
]]

local function write(name, text)
	local f <close> = assert(io.open(dir .. "/" .. name, "w"))
	f:write(text)
	return dir .. "/" .. name
end

---A server that gives each connection to `talk`; its port.
local function serve(talk)
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(connection)
		socket.start(connection)
		pcall(talk, connection)
		socket.close(connection)
	end)
	return port
end

local made = {}

---Makes an object once.
local function once(name, make)
	objects[name] = function()
		made[name] = made[name] or make()
		return made[name]
	end
end

once("request", function() return skynet.request() end)
once("multicast", function() return require("skynet.multicast").new() end)
once("channel", function() return require("skynet.socketchannel").channel { host = "127.0.0.1", port = 1 } end)
once("stream", function()
	local port = serve(function(id)
		socket.readline(id, "\r\n\r\n")
		socket.write(id, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
		socket.read(id)
	end)
	return require("http.httpc").request_stream("GET", "127.0.0.1:" .. port, "/")
end)
once("tls", function() return require("http.tlshelper").newctx() end)
once("corelib", function() return require("skynet.sharedata.corelib").host end)
once("sproto", function() return require("sproto").parse(SCHEMA) end)
once("sproto_host", function() return objects.sproto():host "package" end)
once("sharemap_writer", function()
	local sharemap = require "skynet.sharemap"
	sharemap.register(write("item.sp", ".Item { id 0 : integer }\n"))
	return sharemap.writer("Item", { id = 1 })
end)
once("sharemap_reader", function()
	return require("skynet.sharemap").reader("Item", objects.sharemap_writer():copy())
end)
once("snax", function()
	write("moving_snax.lua", "function init() end function exit() end function response.ping() return true end")
	return require("skynet.snax").newservice "moving_snax"
end)

-- ---- Redis ----

local function redis_port()
	return serve(function(id)
		while true do
			local words = {}
			for _ = 1, tonumber(socket.readline(id, "\r\n"):match "^%*(%d+)$") do
				socket.readline(id, "\r\n")
				words[#words + 1] = socket.readline(id, "\r\n")
			end
			local is_slots = words[1]:upper() == "CLUSTER"
			socket.write(id, is_slots and "*0\r\n" or words[1]:upper() == "HELLO" and "-ERR unknown command\r\n" or "+OK\r\n")
		end
	end)
end

once("redis", function()
	return require("skynet.db.redis").connect { host = "127.0.0.1", port = redis_port() }
end)
once("redis_watch", function()
	return require("skynet.db.redis").watch { host = "127.0.0.1", port = redis_port() }
end)
once("redis_cluster", function()
	return require("skynet.db.redis.cluster").new({ { host = "127.0.0.1", port = redis_port() } }, {})
end)

-- ---- MongoDB ----

local HELLO = {
	ok = 1, ismaster = true, isWritablePrimary = true, helloOk = true, maxBsonObjectSize = 16777216, minWireVersion = 0,
	maxMessageSizeBytes = 48000000, maxWriteBatchSize = 100000, maxWireVersion = 17,
}

local function mongo_port()
	bson = require "bson"
	return serve(function(id)
		while true do
			local size, request, _, opcode = ("<i4i4i4i4"):unpack(socket.read(id, 16))
			socket.read(id, size - 16)
			local body = tostring(bson.encode(HELLO))
			local is_message = opcode == 2013
			body = (is_message and ("<I4B"):pack(0, 0) or ("<i4i8i4i4"):pack(8, 0, 0, 1)) .. body
			socket.write(id, ("<i4i4i4i4"):pack(16 + #body, 1, request, is_message and 2013 or 1) .. body)
		end
	end)
end

once("mongo_client", function()
	return require("skynet.db.mongo").client { host = "127.0.0.1", port = mongo_port() }
end)
once("mongo_database", function() return objects.mongo_client():getDB "db" end)
once("mongo_collection", function() return objects.mongo_database():getCollection "items" end)
once("mongo_find", function() return objects.mongo_collection():find {} end)
once("mongo_aggregate", function() return objects.mongo_collection():aggregate {} end)
once("mongo_transactions", function()
	pcall(require("skynet.db.mongo").enable, "transaction")
	return objects.mongo_database()
end)
once("bson", function() return require("bson").encode {} end)

-- ---- MySQL ----

once("mysql", function()
	local function packet(sequence, body)
		return ("<I3B"):pack(#body, sequence) .. body
	end
	local port = serve(function(id)
		-- Protocol 10; capabilities of 5.7: protocol 4.1, secure connection, plugin authentication, transactions.
		local capabilities = 0x0008a20d
		socket.write(id, packet(0, ("<Bz I4 c8 B I2 B I2 I2 B c10 c13 z"):pack(10, "5.7.0", 1, "12345678", 0,
			capabilities & 0xffff, 33, 2, capabilities >> 16, 21, ("\0"):rep(10), "901234567890\0", "mysql_native_password")))
		local sequence = 1
		while true do
			local size = ("<I3"):unpack(socket.read(id, 4))
			socket.read(id, size)
			sequence = sequence == 1 and 2 or 1
			socket.write(id, packet(sequence, "\0\0\0\2\0\0\0"))
		end
	end)
	return require("skynet.db.mysql").connect { host = "127.0.0.1", port = port, user = "u", password = "" }
end)

return objects
