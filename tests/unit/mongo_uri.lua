-- Connection strings: what the public suites do not say, or say in files that one may not have.
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

test.run()
