-- tsan: no, one thread does all of it
-- Options that nobody knows: every public function that takes a table of them names the one that was probably meant.
local test = require "test"

local function refused(pattern, f, ...)
	test.raises(pattern, f, ...)
end

test.case("a name that is like a known one is told, whatever the mistake", function()
	local options = require "reef.options"
	local known = { timeout = true, size = true, upsert = true, connect_timeout = true }
	for _ = 1, test.count(300) do
		local names = { "timeout", "upsert", "connect_timeout" }
		local name = names[math.random(#names)]
		local at = math.random(2, #name - 1)
		local wrong = ({
			name:sub(1, at - 1) .. name:sub(at + 1),
			name:sub(1, at) .. "q" .. name:sub(at + 1),
			name:sub(1, at - 1) .. "q" .. name:sub(at + 1),
			name:sub(1, at - 1) .. name:sub(at + 1, at + 1) .. name:sub(at, at) .. name:sub(at + 2),
		})[math.random(4)]
		if not known[wrong] then
			refused("it: unknown option " .. wrong .. " %(did you mean " .. name .. "%?%)", options.check, "it",
				{ [wrong] = 1 }, known)
		end
	end
	refused("it: unknown option colour$", options.check, "it", { colour = 1 }, known)
	refused("it: unknown option 1$", options.check, "it", { "x" }, known)
	refused("it: options are a table, not a number", options.check, "it", 5, known)
	options.check("it", nil, known)
	options.check("it", { size = 1 }, known)
end)

test.case("functions of the contract take what they do not know, unless it is like what they do", function()
	local options = require "reef.options"
	local skynet = require "skynet"
	local said = {}
	local before = skynet.error
	skynet.error = function(text)
		said[#said + 1] = text
	end
	test.defer(function()
		skynet.error = before
	end)
	for _ = 1, 3 do
		options.check_contract("that", { colour = 1, size = 1 }, { size = true }, 1)
		options.warn("this", { sise = 1 }, { size = true })
		options.hint("these", { seize = 1, servername = "mine", [1] = 2, size = 3 }, { size = true })
	end
	test.equal(said, { "warning: that: unknown option colour",
		"warning: this: unknown option sise (did you mean size?)",
		"warning: these: unknown option seize (did you mean size?)" })
	refused("that: unknown option sise %(did you mean size%?%)", options.check_contract, "that", { sise = 1 },
		{ size = true })
	refused("that: options are a table", options.check_contract, "that", 5, { size = true })
end)

test.case("pools, connections and helpers", function()
	local pool = require "reef.pool"
	refused("unknown option sise %(did you mean size%?%)", pool.redis, "redis://127.0.0.1:1", { sise = 4 })
	refused("unknown option sise %(did you mean size%?%)", pool.mongo, "mongodb://127.0.0.1:1", { sise = 4 })
	refused("unknown option maxPolSize %(did you mean maxPoolSize%?%)", pool.mongo, "mongodb://127.0.0.1:1",
		{ maxPolSize = 4 })
	refused("unknown option sise %(did you mean size%?%)", pool.mysql, {}, { sise = 4 })
	refused("unknown option sise %(did you mean size%?%)", pool.postgres, {}, { sise = 4 })
	local redis = require "reef.redis"
	refused("unknown option timeot %(did you mean timeout%?%)", redis.connect, { host = "h", timeot = 1 })
	local db = redis.lazy(require("reef.redis.config").new { host = "127.0.0.1", port = 1 })
	refused("unknown option timeuot %(did you mean timeout%?%)", db.with, db, { timeuot = 1 })
	refused("unknown option ca_fil %(did you mean ca_file%?%)", require("reef.tls").connect, "127.0.0.1", 1,
		{ ca_fil = "x" })
	refused("unknown option timeot %(did you mean timeout%?%)", require("skynet.socket").open, "127.0.0.1", 1,
		{ timeot = 1 })
	refused("unknown option timeot %(did you mean timeout%?%)", require("reef.cluster").with, { timeot = 1 })
	refused("cluster.with: timeout is", require("reef.cluster").with)
	refused("unknown option mesages %(did you mean messages%?%)", require("reef.mailbox").limit, { mesages = 1 })
	refused("unknown option windw %(did you mean window%?%)", require("reef.proxy.balance").new, "x", { windw = 1 })
	refused("unknown option windw %(did you mean window%?%)", require("reef.proxy.balance").set, 1, { windw = 1 })
	refused("unknown option concurent %(did you mean concurrent%?%)", require("reef.proxy.limit").new, 1,
		{ concurent = 1 })
	refused("unknown option concurent %(did you mean concurrent%?%)", require("reef.proxy.limit").set, 1,
		{ concurent = 1 })
	local config = require "reef.config"
	for _, name in ipairs { "load", "check", "watch" } do
		refused("unknown option max_eror %(did you mean max_errors%?%)", config[name], "x", { max_eror = 1 })
	end
	refused("unknown option quiet", config.load, "x", { quiet = 1 })
end)

test.case("MongoDB: every method that takes options, before a server is asked", function()
	local mongo = require "reef.mongo"
	local client = mongo.client { uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=1", lazy = true }
	test.defer(client.disconnect, client)
	local db = client:getDB "d"
	local c = db:getCollection "c"
	local wrong = { timoutMS = 1 }
	local meant = "unknown option timoutMS %(did you mean timeoutMS%?%)"
	refused("mongo: updateOne: unknown option upsret %(did you mean upsert%?%)", c.updateOne, c, {}, { ["$set"] = {} },
		{ upsret = true })
	refused("mongo: updateOne: unknown option multi", c.updateOne, c, {}, { ["$set"] = {} }, { multi = true })
	for name, count in pairs {
		insertOne = 1, insertMany = 1, updateOne = 2, updateMany = 2, replaceOne = 2, deleteOne = 1, deleteMany = 1,
		findOneAndUpdate = 2, findOneAndReplace = 2, findOneAndDelete = 1, countDocuments = 1, estimatedDocumentCount = 0,
		count = 1, distinct = 2, findWith = 1, watch = 1, mapReduce = 3, bulkWrite = 1, createIndexesWith = 1, dropIndex = 1,
		dropIndexes = 0, drop = 0, rename = 1, createSearchIndex = 1, createSearchIndexes = 1, updateSearchIndex = 2,
		dropSearchIndex = 1, listIndexes = 0, listIndexNames = 0,
	} do
		local arguments = { c }
		for i = 1, count do
			arguments[i + 1] = {}
		end
		arguments[count + 2] = wrong
		refused("mongo: " .. name .. ": " .. meant, c[name], table.unpack(arguments))
	end
	for name, count in pairs {
		collection = 1, runCursorCommand = 1, createCollection = 1, listCollections = 1, listCollectionNames = 1,
		dropDatabase = 0, watch = 1, bucket = 0,
	} do
		local arguments = { db }
		for i = 1, count do
			arguments[i + 1] = "x"
		end
		arguments[count + 2] = wrong
		refused("mongo: " .. name .. ": " .. meant, db[name], table.unpack(arguments))
	end
	refused(meant, client.database, client, "d", wrong)
	refused(meant, client.listDatabases, client, wrong)
	refused(meant, client.watch, client, {}, wrong)
	refused("mongo: startSession: unknown option snapshott %(did you mean snapshot%?%)", client.startSession, client,
		{ snapshott = true })
	refused("mongo: bulkWrite: " .. meant, client.bulkWrite, client, { { insertOne = { namespace = "a.b",
		document = {} } } },
		wrong)
	refused("mongo: bulkWrite: updateOne: unknown option upsret %(did you mean upsert%?%)", c.bulkWrite, c,
		{ { updateOne = { filter = {}, update = { ["$set"] = {} }, upsret = true } } })
	refused("mongo: bulkWrite: insertOne: unknown option documnt %(did you mean document%?%)", client.bulkWrite, client,
		{ { insertOne = { namespace = "a.b", documnt = {} } } })
	local bucket = db:bucket()
	for name, count in pairs {
		openUploadStream = 1, uploadFromStream = 2, openDownloadStream = 1, openDownloadStreamByName = 1,
		downloadToStream = 2, downloadToStreamByName = 2, delete = 1, deleteByName = 1, rename = 2, renameByName = 2,
			drop = 0,
	} do
		local arguments = { bucket }
		for i = 1, count do
			arguments[i + 1] = "x"
		end
		arguments[count + 2] = wrong
		refused("mongo: " .. name .. ": " .. meant, bucket[name], table.unpack(arguments))
	end
end)

test.case("a host may be whatever leads to a server, and no URI", function()
	local check = require "reef.options".check_host
	for _, host in ipairs { "h", "a_b.c.", "::1", "[::1]", "fe80::1%eth0", "10.0.0.1", "/run/a@b?c#d", "@abstract",
		"unix:/run/x@y", "unix:run/x", "unix:@abstract",
		"unix:///run/x@y", "//run/x" } do
		check("redis", host)
	end
	for _, host in ipairs { "redis://h", "redis://u:p@h", "unix://u:p@/run/x", "//u:p@h",
		"u:p@h", "u:p@h:1", "h?password=p", "h#p",
		"/redis://u:p@h", "unix:/redis://u:p@h", "p@h" } do
		test.raises("redis: a host is a name, an address or the path of a socket, not a URI", check, "redis", host)
	end
end)

test.run()
