local skynet = require "skynet"
local test = require "test"
local datasheet = require "reef.datasheet"
local sharedata = require "skynet.sharedata"
local sharetable = require "skynet.sharetable"
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

test.case("of services that make, change and delete the same name at once each is told what came of it", function()
	local core = require "reef.datasheet.core"
	for _ = 1, test.count(20) do
		-- Somebody else is publishing meanwhile: the others wait.
		local plan <close> = assert(core.plan("publish", { ["not yet"] = {} }))
		local made, deleted, changed, waiting = 0, 0, 0, 9
		local function ask(f, ...)
			skynet.fork(function(...)
				local ok, reason = pcall(f, ...)
				made = made + (ok and f == sharedata.new and 1 or 0)
				deleted = deleted + (ok and f == sharedata.delete and 1 or 0)
				changed = changed + (ok and f == sharedata.update and 1 or 0)
				test.truthy(ok or reason:find "there is")
				waiting = waiting - 1
			end, ...)
		end
		for i = 1, 3 do
			ask(sharedata.new, "at once", { i })
		end
		skynet.sleep(0)
		for i = 1, 3 do
			ask(sharedata.delete, "at once")
			ask(sharedata.update, "at once", { -i })
		end
		skynet.sleep(1)
		getmetatable(plan).__close(plan)
		test.eventually("all are told", 10, function()
			return waiting == 0
		end)
		-- Whoever makes it finds none, whoever deletes it finds one; the last change is there.
		test.equal({ made, deleted, changed }, { 1, 3, 3 })
		test.equal(sharedata.query "at once"[1], -3)
		sharedata.delete "at once"
	end
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

test.case("deepcopy follows what leads back to itself, and gives what is there twice twice", function()
	sharedata.new("cyclic", [[
		local t, leaf = { list = { 1, 2 } }, { 5 }
		t.self, t.list.up, t.list.list, t.a, t.b = t, t, t.list, leaf, leaf
		return t]])
	local t = sharedata.deepcopy "cyclic"
	test.truthy(t.self == t and t.list.up == t and t.list.list == t.list)
	test.truthy(t.a ~= t.b and t.a[1] == 5 and t.b[1] == 5)
	t.a[1] = 6
	t.list[1] = 7
	test.equal(sharedata.query("cyclic").a[1], 5)
	local list = sharedata.deepcopy("cyclic", "list")
	test.truthy(list.list == list and list.up.list == list and list[1] == 1)
	sharedata.delete "cyclic"
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
	test.raises("userdata expected, got nil", stm.new)
	test.raises("number expected, got nil", stm.new, (stm.copy(writer)))
	writer = nil -- luacheck: ignore
	collectgarbage()
	test.equal({ skynet.call(run, "lua", READ) }, { false }, "the writer is gone")
	test.equal({ reader(print) }, { false })
end)

test.case("boxes are counted by hand, and objects go over when theirs is dirty", function()
	local corelib = require "skynet.sharedata.corelib"
	local host = corelib.host
	local before = sharetable.stat().mapped
	local old = host.new { a = 1, list = { 1, 2, { deep = "x\0y" } }, gone = { 1 } }
	test.equal(host.getref(old), 0)
	local obj = corelib.box(old)
	test.equal(host.getref(old), 1)
	local list, deep, gone = obj.list, obj.list[3], obj.gone
	test.equal({ obj.a, #list, deep.deep, obj.none, obj[nil], rawequal(list, obj.list) }, { 1, 3, "x\0y", nil, nil, true })
	local keys = {}
	for k, v in pairs(obj) do
		keys[#keys + 1] = k .. type(v)
	end
	table.sort(keys)
	test.equal(keys, { "anumber", "gonetable", "listtable" })
	local n = 0
	for i, v in ipairs(list) do
		n = n + i + (type(v) == "table" and 10 or v)
	end
	test.equal({ n, (corelib.next(gone)) }, { 19, 1 })
	test.raises("Error newindex, the key %[.list.x%]", function() list.x = 1 end)
	test.raises("Invalid key", function() return list[1.5] end)
	test.equal(corelib.copy(old, "list"), { 1, 2, { deep = "x\0y" } })
	test.equal({ corelib.copy(old, "list", 3, "deep"), corelib.copy(old, "a", "b") }, { "x\0y" })
	local new = host.new { a = 2, list = { 5, 6, { deep = "z" }, 7 } }
	corelib.update(obj, new)
	test.equal(obj.a, 1, "only if it is dirty")
	host.markdirty(old)
	corelib.update(obj, new)
	test.equal({ host.getref(old), host.getref(new) }, { 0, 1 })
	host.delete(old)
	corelib.flush(obj)
	test.equal({ obj.a, #list, deep.deep, rawequal(obj.list[3], deep) }, { 2, 4, "z", true })
	test.raises("The key %[.gone%] doesn't exist after update", function() return gone[1] end)
	host.delete(new)
	test.equal(obj.list[4], 7, "who counts on it keeps it")
	obj, list, deep, gone = nil, nil, nil, nil -- luacheck: ignore
	collectgarbage()
	collectgarbage()
	test.equal(sharetable.stat().mapped, before)
	test.raises("cannot share a Lua function", host.new, { f = function() return before end })
end)

test.case("a record is written by one service and read by others, as the schema says", function()
	local sharemap = require "skynet.sharemap"
	local path = test.dir .. "/map.sproto"
	local function schema(text)
		local file = assert(io.open(path, "w"))
		file:write(text)
		file:close()
		sharemap.register(path)
	end
	test.raises("no schema", sharemap.writer, "Agent")
	test.raises("none.sproto", sharemap.register, test.dir .. "/none.sproto")
	test.raises("syntax error at %[.*map.sproto%] line %(2%)", schema, ".A {\n x : string }")
	test.raises("Undefined type B in type A", schema, ".A { x 1 : B }")
	schema [[
		.Agent { # who plays
			.Place { x 0 : integer  y 1 : double }
			name 1 : string
			at 2 : Place
			friends 3 : *Friend(id)
			tags 4 : *string
			alive 5 : boolean
		}
		.Friend { id 0 : integer  name 1 : string }
	]]
	test.raises("there is no type 'Nobody'", sharemap.writer, "Nobody")
	local w = sharemap.writer("Agent", { name = "a", at = { x = 1, y = 0.5 }, unknown = 5 })
	local run = test.service "share_reader"
	skynet.call(run, "lua", 'R = require "skynet.sharemap".reader("Agent", ...)', w:copy())
	local READ = "return R.name, R.at and R.at.y, R.tags, R.friends, R.alive, R.unknown"
	test.equal({ skynet.call(run, "lua", READ) }, { "a", 0.5 })
	w.name, w.at, w.tags, w.alive = "b", nil, { "x", "y" }, false
	w.friends = { [7] = { id = 7, name = "seven" } }
	test.equal(skynet.call(run, "lua", "return R:update()"), false)
	w:commit()
	w.name = "c"
	w:commit()
	test.equal(skynet.call(run, "lua", "return R:update()"), true)
	test.equal({ skynet.call(run, "lua", READ) }, { "c", nil, { "x", "y" }, { [7] = { id = 7, name = "seven" } }, false })
	test.raises("cannot be assigned", skynet.call, run, "lua", "R.name = 1")
	w.at = { x = "west" }
	test.raises("Agent.Place.x is a string, not a number", w.commit, w)
	test.equal(skynet.call(run, "lua", "return R:update()"), false)
end)

test.case("a record's integers are integers, and records that share or contain themselves end soon", function()
	local sharemap = require "skynet.sharemap"
	local path = test.dir .. "/values.sproto"
	local file = assert(io.open(path, "w"))
	file:write ".V { hp 1 : integer  d 2 : double  l 3 : *integer  a 4 : V  b 5 : V  v 6 : *V }"
	file:close()
	sharemap.register(path)
	for _ = 1, 500 do
		local n = math.random(3) == 1 and math.random(-1 << 60, 1 << 60) or (math.random() - 0.5) * 2.0 ^ math.random(-5, 80)
		local ok, reason = pcall(sharemap.writer, "V", math.random(2) == 1 and { hp = n } or { l = { 1, n } })
		test.equal(ok, math.tointeger(n) ~= nil)
		test.equal(ok or reason:find "is no integer" ~= nil, true)
	end
	for _, n in ipairs { 1.5, 0 / 0, 1 / 0, -1 / 0, 2.0 ^ 63 } do
		test.raises("is no integer", sharemap.writer, "V", { hp = n })
		sharemap.writer("V", { d = n })
	end
	local w = sharemap.writer("V", { hp = 2.0 })
	local r = sharemap.reader("V", w:copy())
	test.equal(r.hp, 2)
	local ring = {}
	ring.v = { { a = ring } }
	test.raises("more than 64 deep", sharemap.writer, "V", ring)
	local deep = {}
	for _ = 1, 70 do
		deep = { a = deep }
	end
	test.raises("more than 64 deep", sharemap.writer, "V", deep)
	local shared = {}
	for _ = 1, 28 do
		shared = { a = shared, b = shared }
	end
	test.raises("more than %d+ bytes", sharemap.writer, "V", shared)
	local few = { hp = 1 }
	test.equal(sharemap.reader("V", sharemap.writer("V", { a = few, b = few }):copy()).b.hp, 1)
end)

test.run()
