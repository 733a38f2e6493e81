local skynet = require "skynet"
local test = require "test"
local datasheet = require "reef.datasheet"
local sharedata = require "skynet.sharedata"
local stm = require "skynet.stm"

test.case("data come from tables, sources and files, with arguments", function()
	sharedata.new("table", { a = 1, list = { 1, 2 } })
	sharedata.new("source", "local x = ... return { x = x, pi = math.pi }", 42)
	sharedata.new("globals", "a = 1 b = { c = (...) }", "arg")
	sharedata.new "empty"
	local path = test.dir .. "/data.lua"
	local file = assert(io.open(path, "w"))
	file:write "return { from = 'file' }"
	file:close()
	sharedata.new("file", "@" .. path)
	test.equal(sharedata.query("table").list[2], 2)
	test.equal(sharedata.query("source").x, 42)
	test.equal(sharedata.query("globals").b.c, "arg")
	test.equal(next(sharedata.query "empty"), nil)
	test.equal(sharedata.query("file").from, "file")
	test.raises("there is 'table' already", sharedata.new, "table", {})
	test.raises("there is no 'none'", sharedata.query, "none")
	test.raises("there is no 'none'", sharedata.delete, "none")
	test.raises("bad:1:", sharedata.new, "bad", "return {")
	test.raises("shared table", function()
		sharedata.query("table").a = 2
	end)
end)

test.case("held objects follow updates; the deleted stay as they were", function()
	sharedata.update("live", { v = 1, sub = { v = 1 } })
	local live = sharedata.query "live"
	local sub = live.sub
	local run = test.service "share_reader"
	skynet.call(run, "lua", 'T = require "skynet.sharedata".query "live" sub = T.sub')
	sharedata.update("live", { v = 2, sub = { v = 2 } })
	test.equal({ live.v, sub.v }, { 2, 2 })
	test.equal({ skynet.call(run, "lua", "return T.v, sub.v") }, { 2, 2 })
	test.truthy(rawequal(live, sharedata.query "live"))
	sharedata.delete "live"
	test.raises("there is no 'live'", sharedata.query, "live")
	sharedata.new("live", { v = 3 })
	test.equal({ live.v, sharedata.query("live").v }, { 2, 3 })
	test.equal(sharedata.deepcopy("live"), { v = 3 })
	test.equal(sharedata.deepcopy("table", "list", 2), 2)
	test.equal(sharedata.deepcopy("table", "a", "b"), nil)
	sharedata.flush()
end)

test.case("what was deleted is freed when nobody holds it", function()
	local function settle()
		collectgarbage()
		sharedata.flush()
		return datasheet.stat()
	end
	local before = settle()
	local rows = {}
	for i = 1, 100 do
		rows[i] = { name = "the name of row " .. i }
	end
	for _ = 1, 5 do
		sharedata.new("short", { rows = rows })
		test.equal(sharedata.query("short").rows[100].name, "the name of row 100")
		sharedata.delete "short"
	end
	test.eventually("nothing is left of it", 20, function()
		local now = settle()
		return now.rows <= before.rows and now.bytes <= before.bytes
	end)
end)

test.case("a block has one writer, and readers see the newest once", function()
	local writer = stm.new(skynet.pack(1, "one"))
	local reader = stm.newcopy(stm.copy(writer))
	test.equal({ reader(skynet.unpack) }, { true, 1, "one" })
	test.equal({ reader(skynet.unpack) }, { false })
	writer(skynet.pack(2))
	writer "raw"
	test.equal({ reader(function(p, size, ud)
		return skynet.tostring(p, size), size, ud
	end, "ud") }, { true, "raw", 3, "ud" })
	local run = test.service "share_reader"
	skynet.call(run, "lua", 'r = require "skynet.stm".newcopy(...)', stm.copy(writer))
	local READ = 'return r(function(p, size) return require "skynet".tostring(p, size) end)'
	test.equal({ skynet.call(run, "lua", READ) }, { true, "raw" })
	test.equal({ skynet.call(run, "lua", READ) }, { false })
	writer "next"
	test.raises("on purpose", reader, function()
		error "on purpose"
	end)
	writer = nil -- luacheck: ignore
	collectgarbage()
	test.equal({ skynet.call(run, "lua", READ) }, { false }, "the writer is gone")
	test.equal({ reader(print) }, { false })
end)

test.run()
