local skynet = require "skynet"
local test = require "test"
local builder = require "skynet.datasheet.builder"
local datasheet = require "skynet.datasheet"
local sheets = require "reef.datasheet"

local function reader()
	local address = test.service "share_reader"
	return function(source, ...)
		return skynet.call(address, "lua", source, ...)
	end
end

-- Statistics when all that was removed, and is not held, is freed.
local function settled()
	test.eventually("what was removed is freed", 20, function()
		collectgarbage()
		sheets.collect()
		return sheets.stat().retired == 0
	end)
	return sheets.stat()
end

local function copy(t)
	local c = {}
	for k, v in pairs(t) do
		c[k] = type(v) == "table" and copy(v) or v
	end
	return c
end

test.case("a sheet reads like the table it was made of", function()
	local data = {
		big = 3000000000, f = 0.1, i53 = 9007199254740993, neg = -1.5, s = "a\0b", long = ("x"):rep(100),
		yes = true, no = false,
		[1001] = { x = 1 }, [1.5] = "float", [true] = "bool", [""] = "empty",
		list = { 1, 2, 3, { "nested" } }, holes = { 1, nil, 3 },
	}
	builder.new("read", data)
	local sheet = datasheet.query "read"
	test.equal(copy(sheet), data)
	test.equal(#sheet.list, 3 + 1)
	test.equal(math.type(sheet.big), "integer")
	test.truthy(rawequal(sheet, datasheet.query "read") and rawequal(sheet.list[4], datasheet.query("read").list[4]))
	test.truthy(next(sheet) ~= nil and rawlen(sheet.list) == 4 and table.concat(sheet.list, ",", 1, 3) == "1,2,3")
	local run = reader()
	test.equal(run [[
		T = require "skynet.datasheet".query "read"
		return T.s, rawget(T, "f"), next(T.list), select("#", table.unpack(T.list))
	]], "a\0b")
end)

test.case("held references follow updates, nested ones too, in all services at once", function()
	builder.new("follow", { v = 1, row = { v = 1, deep = { v = 1 } }, list = { { v = 1 }, { v = 2 } } })
	local sheet = datasheet.query "follow"
	local row, deep, first = sheet.row, sheet.row.deep, sheet.list[1]
	local run = reader()
	run [[ T = require "skynet.datasheet".query "follow" deep = T.row.deep list = T.list ]]
	builder.update("follow", {
		v = 2, row = { v = 2, deep = { v = 2 }, new = "key" }, list = { { v = 10 }, { v = 2 }, { v = 30 } },
	})
	test.equal(sheet.v, 2)
	test.equal(deep.v, 2)
	test.equal(row.new, "key")
	test.truthy(rawequal(sheet.row, row) and rawequal(row.deep, deep) and rawequal(sheet.list[1], first))
	test.equal(run "return { T.v, deep.v, #list, list[3].v, T.row.new }", { 2, 2, 3, 30, "key" })
	builder.update("follow", { v = 3, row = { v = 3, deep = { v = 3 } }, list = { { v = 10 } } })
	test.equal(row.new, nil)
	test.equal(#sheet.list, 1)
	test.equal(run "return { T.v, deep.v, #list, T.row.new }", { 3, 3, 1 })
end)

test.case("a row that was removed says so, and one that comes back is another", function()
	builder.new("rows", { a = { x = 1, sub = { y = 1 } }, b = { x = 2 }, list = { { 1 }, { 2 } } })
	local sheet = datasheet.query "rows"
	local a, sub, second = sheet.a, sheet.a.sub, sheet.list[2]
	builder.update("rows", { b = { x = 20 }, list = { { 1 } } })
	test.raises("datasheet: rows.a was removed by an update", function()
		return a.x
	end)
	test.raises("rows.a.sub was removed", function()
		return #sub
	end)
	test.raises("rows.list%[2%] was removed", function()
		return second[1]
	end)
	test.raises("was removed", pairs, a)
	test.raises("shared table: rows.a", function()
		a.x = 1
	end)
	test.equal(sheet.a, nil)
	test.equal(sheet.b.x, 20)
	builder.update("rows", { a = { x = 3 }, b = 5, list = { { 1 } } })
	test.equal(sheet.a.x, 3)
	test.equal(sheet.b, 5)
	test.raises("rows.a was removed", function()
		return a.x
	end)
end)

test.case("writes are refused with the place", function()
	builder.new("ro", { row = { hp = 1 }, list = { 1 } })
	local sheet = datasheet.query "ro"
	test.raises("attempt to change a shared table: ro.row.hp is read%-only", function()
		sheet.row.hp = 2
	end)
	test.raises("ro.list%[2%]", table.insert, sheet.list, 1)
	test.raises("ro.row", setmetatable, sheet.row, {})
	test.raises("ro.x", rawset, sheet, "x", 1)
end)

test.case("what cannot be published is named, and changes nothing", function()
	builder.new("bad", { v = 1, list = { { 1 } } })
	local sheet = datasheet.query "bad"
	for _, case in ipairs {
		{ { v = 2, list = { { print } } }, "cannot share a function at 'bad.list%[1%]%[1%]'" },
		{ { v = 2, f = io.stdout }, "cannot share a userdata at 'bad.f'" },
		{ { v = 2, [{}] = 1 }, "cannot share a table as key at 'bad%[<table>%]'" },
		{ { v = 2, m = setmetatable({}, {}) }, "cannot share a table with a metatable at 'bad.m'" },
		{ setmetatable({}, {}), "cannot share a table with a metatable at 'bad'" },
	} do
		test.raises(case[2], builder.update, "bad", case[1])
		test.raises(case[2], sheets.publish, { bad = case[1] })
		test.raises("compat/datasheet.lua:%d+: datasheet.publish: " .. case[2], function()
			sheets.publish { bad = case[1] }
			return nil
		end)
		test.equal(copy(sheet), { v = 1, list = { { 1 } } })
	end
	test.raises("there is a sheet 'bad' already", builder.new, "bad", {})
	test.raises("there is no sheet 'none'", builder.update, "none", {})
	test.raises("there is no sheet 'none'", datasheet.query, "none")
	test.raises("a table is needed", builder.new, "none", 5)
	builder.update("bad", builder.compile { v = 3 })
	test.equal(copy(sheet), { v = 3 })
end)

test.case("a publication costs what changed", function()
	local rows = {}
	for i = 1, 1000 do
		rows[i] = { id = i, name = "row" .. i }
	end
	test.equal(sheets.publish { cost = rows }, { changed = 0, added = 1001, removed = 0 })
	test.equal(sheets.publish { cost = rows }, { changed = 0, added = 0, removed = 0 })
	rows[500].name = "another"
	test.equal(sheets.publish { cost = rows }, { changed = 1, added = 0, removed = 0 })
	rows[1001] = { id = 1001 }
	rows[1] = nil
	rows[1] = 5
	test.equal(sheets.publish { cost = rows }, { changed = 1, added = 1, removed = 1 })
	test.equal(datasheet.query("cost")[500].name, "another")
	rows[2].id = 2.0
	test.equal(sheets.publish { cost = rows }.changed, 1)
	test.equal(math.type(datasheet.query("cost")[2].id), "float")
end)

test.case("a table that is found twice is one row", function()
	local shared = { v = 1 }
	sheets.publish { twice = { a = shared, b = shared, list = { shared } } }
	local sheet = datasheet.query "twice"
	local a = sheet.a
	test.truthy(rawequal(sheet.a, sheet.b) and rawequal(sheet.a, sheet.list[1]))
	sheets.publish { twice = { a = { v = 2 }, b = { v = 3 }, list = {} } }
	test.equal({ sheet.a.v, sheet.b.v, #sheet.list }, { 2, 3, 0 })
	test.truthy(a.v == 2 or a.v == 3, "it follows one of the two paths")
	local loop = {}
	loop.loop = loop
	sheets.publish { loop = loop }
	test.truthy(rawequal(datasheet.query("loop").loop, datasheet.query "loop"))
end)

test.case("removed rows that refer to each other are freed like others", function()
	local function ring(n)
		local first = { parent = false }
		local last = first
		for i = 2, n do
			last.next = { previous = last, name = "ring " .. i }
			last = last.next
		end
		last.next = first
		return first
	end
	local before = settled().rows
	local root = { keep = ring(3), drop = ring(5) }
	root.keep.up, root.drop.up, root.drop.other = root, root, root.keep
	root.also = root.drop.next
	sheets.publish { rings = root }
	local sheet = datasheet.query "rings"
	local held, kept = sheet.drop.next, sheet.keep.next
	root.drop = nil
	test.equal(sheets.publish { rings = root }.removed, 0, "`also` still leads to the ring")
	test.equal(held.previous.other.up, sheet)
	root.also = nil
	test.equal(sheets.publish { rings = root }.removed, 5)
	test.raises("datasheet: rings.also was removed", function()
		return held.name
	end)
	test.truthy(rawequal(kept.next.next.up, sheet))
	held = nil -- luacheck: ignore
	test.equal(settled().rows, before + 4)
	sheets.publish { rings = {} }
	sheet, kept = nil, nil -- luacheck: ignore
	test.equal(settled().rows, before + 1)
end)

test.case("a patch changes what it names, and only looks at that", function()
	local rows = {}
	for i = 1, 100 do
		rows[i] = { id = i, name = "row" .. i, tags = { "a", "b" } }
	end
	sheets.publish { patched = { rows = rows, info = { v = 1, gone = { x = 1 } } } }
	local sheet = datasheet.query "patched"
	local row, gone = sheet.rows[50], sheet.info.gone
	test.equal(sheets.patch { patched = { rows = { [50] = { name = "another", extra = { 1 } } } } },
		{ changed = 1, added = 1, removed = 0 })
	test.equal(copy(row), { id = 50, name = "another", tags = { "a", "b" }, extra = { 1 } })
	test.equal(sheets.patch { patched = { info = { v = 1 }, rows = { [50] = { tags = { "a" } } } } },
		{ changed = 0, added = 0, removed = 0 })
	test.equal(sheets.patch { patched = { info = { v = 1.0, gone = sheets.nothing, never = sheets.nothing } } },
		{ changed = 1, added = 0, removed = 1 })
	test.raises("patched.info.gone was removed", function()
		return gone.x
	end)
	test.equal(copy(sheet.info), { v = 1.0 })
	sheets.patch { patched = { rows = { [101] = { id = 101 }, [100] = sheets.nothing, [50] = { tags = { [3] = "c" } } } } }
	test.equal({ #sheet.rows == 99 or #sheet.rows == 101, sheet.rows[100], sheet.rows[101].id }, { true, nil, 101 })
	test.equal(copy(row.tags), { "a", "b", "c" })
	sheets.patch { patched = { rows = { [100] = { id = 100 } } } }
	test.equal(#sheet.rows, 101)
	test.truthy(rawequal(row, sheet.rows[50]))
	test.raises("there is no sheet 'none'", sheets.patch, { none = {} })
	test.raises("there is nothing to take away at 'patched.new.x'", sheets.patch,
		{ patched = { new = { x = sheets.nothing } } })
	test.raises("cannot share a function at 'patched.rows%[1%].f'", sheets.patch,
		{ patched = { rows = { { f = print } } } })
	test.raises("cannot share a table with a metatable at 'patched.info'", sheets.patch,
		{ patched = { info = setmetatable({}, {}) } })
	local one = { v = 1 }
	sheets.publish { patched = { a = one, b = one } }
	test.raises("a row is changed in two places, once at 'patched.[ab]'", sheets.patch,
		{ patched = { a = { v = 2 }, b = { v = 3 } } })
	local same = { v = 5 }
	sheets.patch { patched = { a = same, b = same } }
	test.truthy(sheet.b.v == 5 and rawequal(sheet.a, sheet.b))
end)

test.case("who holds a sheet that is deleted keeps it; then it is freed whole", function()
	local before = settled()
	local data = { list = { { name = "some name of a row" }, { name = "another name of a row" } } }
	sheets.publish { ended = data }
	local run = reader()
	run [[ T = require "skynet.datasheet".query "ended" row = T.list[2] name = row.name ]]
	sheets.delete "ended"
	test.raises("there is no sheet 'ended'", datasheet.query, "ended")
	test.raises("there is no sheet 'ended'", sheets.delete, "ended")
	test.equal(sheets.exists "ended", false)
	sheets.publish { ended = { list = { { name = "new" } } } }
	test.equal(datasheet.query("ended").list[1].name, "new")
	sheets.delete "ended"
	test.equal(run "return T", data)
	test.raises("read%-only", run, "row.name = 1")
	run "T = nil collectgarbage()"
	for _ = 1, 20 do
		sheets.collect()
		skynet.sleep(1)
	end
	test.truthy(sheets.stat().rows >= before.rows + 4, "a row that is held keeps its sheet")
	test.equal(run "return row.name", "another name of a row")
	run "row = nil collectgarbage()"
	test.eventually("all is freed", 20, function()
		sheets.collect()
		local now = sheets.stat()
		return now.rows == before.rows and now.strings == before.strings and now.bytes == before.bytes
	end)
	test.equal(run "collectgarbage() return name", "another name of a row")
end)

local INVARIANT = [[
	local datasheet = require "skynet.datasheet"
	local prices, costs = datasheet.query "prices", datasheet.query "costs"
	local skynet = require "skynet"
	local last = ...
	local rows = {}
	reads = 0
	repeat
		local v = prices.version
		assert(costs.version == v, "the sheets are of two versions")
		for i, row in ipairs(prices) do
			assert(row.v == v and costs[i].v == v, "a row is of another version")
			assert(row.name == "row " .. i .. " of " .. v, row.name)
			rows[row.name] = row
		end
		for k, row in pairs(rows) do
			assert(k:match "^row %d+ of %d+$")
			rows[k] = nil
			break
		end
		reads = reads + 1
		if reads % 7 == 0 then collectgarbage("step") end
		skynet.yield()
	until prices.version >= last
	return reads
]]

test.case("no service ever sees half a publication", { timeout = 240 }, function()
	local last = test.count(200)
	local function data(v)
		local prices, costs = { version = v }, { version = v }
		for i = 1, 20 + v % 5 do
			prices[i] = { v = v, name = "row " .. i .. " of " .. v }
			costs[i] = { v = v }
		end
		return { prices = prices, costs = costs }
	end
	sheets.publish(data(1))
	local waiting, total, runs = 0, 0, {}
	for i = 1, 8 do
		local run = reader()
		runs[i] = run
		waiting = waiting + 1
		skynet.fork(function()
			if i % 2 == 0 then
				run "collectgarbage 'incremental'"
			end
			local reads = run(INVARIANT, last)
			total = total + reads
			waiting = waiting - 1
		end)
	end
	test.eventually("all have read the first version", 60, function()
		for _, run in ipairs(runs) do
			if run "return (reads or 0) == 0" then
				return false
			end
		end
		return true
	end)
	for v = 2, last do
		sheets.publish(data(v))
	end
	test.eventually("all readers have seen the last version", 60, function()
		return waiting == 0
	end)
	test.truthy(total >= 16, total) -- each the first and the last
end)

test.case("a service in a long message delays a publication, not the process", function()
	builder.new("long", { 1 })
	local address = test.service "share_reader"
	local done = false
	skynet.fork(function()
		skynet.call(address, "lua", "local t = os.clock() while os.clock() - t < 0.3 do end")
		done = true
	end)
	skynet.sleep(5)
	builder.update("long", { 2 })
	test.equal(datasheet.query("long")[1], 2)
	test.eventually("the long message ends", 20, function()
		return done
	end)
end)

test.case("what nobody holds is freed, and what somebody holds stays good", function()
	local function rows(v)
		local t = {}
		for i = 1, 50 do
			t["k" .. i + v] = { name = "the name of " .. i .. " in " .. v, list = { "string " .. i * v } }
		end
		return t
	end
	sheets.publish { garbage = rows(0) }
	local run = reader()
	run [[
		T = require "skynet.datasheet".query "garbage"
		names = {}
		for k, row in pairs(T) do names[row.name] = row.list[1] end
		row = T.k1
	]]
	for v = 1, test.count(500) do
		sheets.publish { garbage = rows(v) }
		if v % 50 == 0 then
			run "local n = #names for k, row in pairs(T) do names[row.name] = row.list[1] end"
		end
	end
	test.eventually("only the row that is held is left", 20, function()
		sheets.collect()
		return sheets.stat().retired == 1
	end)
	test.equal(run [[
		collectgarbage()
		for name, s in pairs(names) do assert(name:match "^the name of %d+ in %d+$" and s:match "^string %d+$") end
		return select(2, pcall(function() return row.name end))
	]]:match "datasheet: garbage.k1 was removed", "datasheet: garbage.k1 was removed")
	run "row = nil collectgarbage()"
	test.eventually("nothing is left", 20, function()
		sheets.collect()
		return sheets.stat().retired == 0
	end)
end)

test.case("readers that end owe nothing", function()
	sheets.publish { ends = { row = { name = "some name that is not an identifier" } } }
	local addresses = {}
	for i = 1, 10 do
		addresses[i] = skynet.newservice "share_reader"
		skynet.call(addresses[i], "lua", 'T = require "skynet.datasheet".query "ends" row = T.row')
	end
	sheets.publish { ends = {} }
	local kill = require("skynet.manager").kill
	for i, address in ipairs(addresses) do
		if i == 5 then
			sheets.collect()
		end
		kill(address)
	end
	test.eventually("all is freed", 20, function()
		sheets.collect()
		return sheets.stat().retired == 0
	end)
end)

test.case("two publishers take turns", function()
	local waiting = 2
	for n = 1, 2 do
		skynet.fork(function()
			for i = 1, 20 do
				sheets.publish { ["turn" .. n] = { i }, turn = { i } }
			end
			waiting = waiting - 1
		end)
	end
	local address = test.service "share_reader"
	skynet.call(address, "lua", 'for i = 1, 20 do require("reef.datasheet").publish { turn = { i } } end')
	test.eventually("both are done", 20, function()
		return waiting == 0
	end)
	test.equal(datasheet.query("turn1")[1], 20)
end)

test.run()
