-- tsan: no, one thread does all of it
-- Connection strings: what the public suites do not say, or say in files that one may not have.
local mongo = require "skynet.db.mongo"
local test = require "test"
local uri = require "reef.mongo.uri"

test.case("what is malformed is refused, and the error does not give the password away", function()
	for _, text in ipairs {
		"", "mongo://localhost", "mongodb://", "mongodb:///", "mongodb:///tmp/mongodb-27017.sock", "mongodb://a,,b",
		"mongodb://a:0", "mongodb://a:65536", "mongodb://a:-1", "mongodb://a:x", "mongodb://a:", "mongodb://a:1:2",
		"mongodb://[::1", "mongodb://[::1]x", "mongodb://[zz]", "mongodb://u:sec:ret@a", "mongodb://u@v:secret@a",
		"mongodb://:secret@a", "mongodb://u/x:secret@a", "mongodb://u:sec/ret@a", "mongodb://u%zz:secret@a",
		"mongodb://u%:secret@a",
		"mongodb://a/?w", "mongodb://a/?=1", "mongodb://a/b c", "mongodb://a/b$c", "mongodb://a/?authSource=",
		"mongodb://a/?proxyPort=1", "mongodb://a/?proxyHost=b&proxyUsername=c", "mongodb+srv://a,b", "mongodb+srv://a:1",
		"mongodb+srv://a/?directConnection=true",
	} do
		local err = test.raises("Invalid MongoDB connection string", uri.parse, text)
		test.equal(err:find("secret", 1, true), nil, text)
	end
end)

test.case("options are read whatever the case of their names", function()
	local u = uri.parse("mongodb://a,b:2/?READPREFERENCE=nearest&readPreferenceTags=dc:ny,rack:1&readPreferenceTags="
		.. "&compressors=zlib,snappy&W=majority&maxPoolSize=0&maxStalenessSeconds=-1")
	test.equal(u.options, {
		readPreference = "nearest",
		readPreferenceTags = { { dc = "ny", rack = "1" }, {} },
		compressors = { "zlib", "snappy" },
		w = "majority",
		maxPoolSize = 0,
		maxStalenessSeconds = -1,
	})
	test.equal(u.warnings, {})
	test.equal(u.hosts[2], { host = "b", port = 2, type = "hostname" })
end)

test.case("values that make no sense are left out and named", function()
	for _, option in ipairs {
		"maxConnecting=0", "maxPoolSize=-1", "zlibCompressionLevel=10", "readPreferenceTags=x", "w=-1", "tls=yes",
		"maxStalenessSeconds=-2", "readPreference=fastest", "nonsense=1",
	} do
		local u = uri.parse("mongodb://a/?" .. option)
		test.equal(u.options, {})
		test.equal(#u.warnings, 1)
		test.matches(u.warnings[1], option:match "^%w+")
	end
end)

-- ---- options of a table ----

local function client(options)
	options.port, options.lazy, options.heartbeatFrequencyMS = 1, true, options.heartbeatFrequencyMS or 10000
	local c = mongo.client(options)
	local merged = c._core.options
	c:disconnect()
	return merged
end

test.case("options of a table are read as those of a connection string", function()
	for name, pair in pairs {
		timeoutMS = { 500.0, 500 }, maxPoolSize = { "5", 5 }, retryWrites = { "false", false },
		w = { "majority", "majority" },
		readPreference = { "nearest", "nearest" }, maxIdleTimeMS = { 0.25, 1 }, appName = { 5, "5" },
		readPreferenceTags = { "dc:ny", { { dc = "ny" } } },
	} do
		test.equal(client({ [name] = pair[1] })[name], pair[2], name)
	end
	test.equal(client({ uri = "mongodb://127.0.0.1:1/?timeoutMS=70", timeoutMS = 80 }).timeoutMS, 80)
	test.equal(client({ compressors = "zlib" }).compressors, client({ compressors = { "zlib" } }).compressors)
end)

test.case("options of a table that make no sense are refused by name", function()
	for name, value in pairs {
		timeoutMS = "soon", maxPoolSize = -1, maxConnecting = 0, retryWrites = "no", readPreference = "fastest",
		journal = "x", heartbeatFrequencyMS = "x", connectTimeoutMS = {}, tls = "yes", localThresholdMS = "x",
		waitQueueTimeoutMS = "x",
		wTimeoutMS = "x", loadBalanced = "x", serverSelectionTimeoutMS = 0 / 0,
		maxIdleTimeMS = -math.huge,
		compressors = "zip",
		serverMonitoringMode = "x", directConnection = 5, socketTimeoutMS = print, readPreferenceTags = "x",
		proxyHost = "a", authMechanism = "FOO", zlibCompressionLevel = 10, w = -1,
	} do
		test.matches(test.raises("mongo", client, { [name] = value }), name)
	end
	local wrong = { timeoutms = "timeoutMS", TLS = "tls", ssl = "tls", j = "journal", maxpoolsize = "maxPoolSize" }
	for given, name in pairs(wrong) do
		test.raises(("no option '%s', it is called '%s'"):format(given, name), client, { [given] = 1 })
	end
	for _, value in ipairs { 5, false, print } do
		test.raises("neither a connection string nor a table", mongo.client, value)
	end
	test.raises("neither a connection string nor a table", mongo.client)
end)

test.run()
