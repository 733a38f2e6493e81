-- A string with a zero byte is no name, path or host: to C it would be another, shorter one. It is refused wherever one
-- is expected, and what has the shorter name is not touched.
local datasheet = require "reef.datasheet"
local mongo = require "skynet.db.mongo"
local sharemap = require "skynet.sharemap"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
require "skynet.manager"

-- Names that begin like ones that exist, with a zero byte somewhere: seeded.
local function bad(name)
	local at = math.random(0, #name)
	return name:sub(1, at) .. "\0" .. name:sub(at + 1) .. (math.random(2) == 1 and "" or "x")
end

local function refused(what, f, ...)
	local ok, reason = pcall(f, ...)
	if ok then
		test.fail(what .. " takes a name with a zero byte")
	end
	test.matches(tostring(reason), "zero byte", what)
end

test.case("a datasheet's name is all of it", function()
	datasheet.publish { a = { 1 } }
	for _ = 1, test.count(200) do
		local name = bad "a"
		refused("publish", datasheet.publish, { [name] = { 1 } })
		refused("publish", datasheet.publish, { [name] = { 1 }, ["a\0y"] = { 2 } })
		refused("delete", datasheet.delete, name)
		refused("delete", datasheet.delete, "a", name)
		refused("exists", datasheet.exists, name)
		test.equal(datasheet.exists "a", true)
	end
	datasheet.delete "a"
	test.equal(datasheet.exists "a", false)
end)

test.case("services, tables, files and hosts have no zero byte in their names", function()
	sharetable.loadtable("t", { 1 })
	local path = test.dir .. "/x.sproto"
	local file = io.open(path, "w")
	file:write ".A { hp 1 : integer }"
	file:close()
	for _ = 1, test.count(50) do
		refused("loadtable", sharetable.loadtable, bad "t", { 2 })
		refused("loadstring", sharetable.loadstring, bad "t", "return {}")
		refused("loadfile", sharetable.loadfile, bad(path))
		refused("query", sharetable.query, bad "t")
		refused("update", sharetable.update, bad "t")
		refused("sharemap", sharemap.register, bad(path))
		refused("name", skynet.name, bad ".here", skynet.self())
		refused("register", skynet.register, bad ".here")
		refused("localname", skynet.localname, bad ".launcher")
		refused("send", skynet.send, bad ".launcher", "lua", 1)
		refused("call", skynet.call, bad "somebody", "lua", 1)
		refused("launch", skynet.launch, "snlua", bad "echo")
		refused("newservice", skynet.newservice, bad "echo")
		refused("uniqueservice", skynet.uniqueservice, bad "echo")
		refused("getenv", skynet.getenv, bad "thread")
		refused("setenv", skynet.setenv, bad "name", "value")
		refused("setenv", skynet.setenv, "name", bad "value")
		refused("protocol", skynet.register_protocol, { name = bad "mine", id = 77 })
		refused("require", require, bad "skynet")
		refused("loadfile", loadfile, bad(path))
		refused("dofile", dofile, bad(path))
		refused("io.open", io.open, bad(path))
		refused("io.open", io.open, path, bad "r")
		refused("io.lines", io.lines, bad(path))
		refused("io.input", io.input, bad(path))
		refused("io.output", io.output, bad(path))
		refused("io.popen", io.popen, bad "true")
		refused("os.execute", os.execute, bad "true")
		refused("os.remove", os.remove, bad(path))
		refused("os.rename", os.rename, path, bad(path))
		refused("os.rename", os.rename, bad(path), path)
		refused("os.getenv", os.getenv, bad "HOME")
		refused("os.setlocale", os.setlocale, bad "C")
		refused("loadlib", package.loadlib, bad(path), "f")
		refused("searchpath", package.searchpath, bad "x", "./?.lua")
		refused("searchpath", package.searchpath, "x", bad "./?.lua")
		refused("mongo", mongo.client, { host = bad "127.0.0.1", port = 1 })
		refused("mongo", mongo.client, { uri = "mongodb://a%00b:1/" })
		refused("listen", socket.listen, bad "127.0.0.1", 0)
		refused("open", socket.open, bad "127.0.0.1", 1)
		refused("udp", socket.udp, function() end, bad "127.0.0.1", 0)
		refused("dial", socket.udp_dial, bad "127.0.0.1", 1, function() end)
	end
	test.equal(sharetable.query("t")[1], 1)
	test.equal(skynet.getenv "name", nil)
	test.raises("message type", skynet.send, skynet.self(), bad "lua", 1)
end)

test.run()
