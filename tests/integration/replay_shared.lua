-- timeout: 600
-- What services share, datasheets and shared tables, is in a record where the service comes to see it: at the same
-- message, and in the same order.
local process = require "test.process"
local project = require "project"
local records = require "test.records"
local test = require "test"

local function play(start)
	local p, output = records.play(start, "replay_shared")
	test.equal(output:find("ends here", 1, true), nil, output)
	return p, output
end

local function replay(p, ...)
	return records.replay(p, nil, ...)
end

test.case("datasheets and shared tables that others change are replayed as they were seen", function()
	for i = 1, test.count(10) do
		local what = "seed " .. test.seed + i
		local p, output = play("replay_shared_main " .. test.seed + i)
		local again = records.expect_the_same(p, output, what)
		test.truthy(tonumber(again:match "(%d+) events") > 0, again)
	end
end)

-- One sheet, one shared table, and who changes them; the service sees both at each call.
local function record(one, more)
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n' .. (more or ""),
		["service/main.lua"] = [[
local datasheet = require "reef.datasheet"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
require "skynet.manager"
local function change(i)
	datasheet.publish { items = { { price = i }, { price = i * 2 }, i % 2 == 0 and { price = 7 } or nil } }
	sharetable.loadtable("rules", { n = i, print = i == 4 and function() end or nil })
end
skynet.start(function()
	change(1)
	local one = skynet.newservice "one"
	for i = 2, 6 do
		skynet.call(one, "lua", i)
		change(i)
	end
	skynet.kill(one)
	skynet.sleep(2)
	require("reef.process").stop()
end)
]],
		["service/one.lua"] = one,
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	return p, output
end

local ONE <const> = [[
local datasheet = require "reef.datasheet"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
local items, third
skynet.start(function()
	items = datasheet.query "items"
	skynet.dispatch("lua", function(_, _, i)
		third = items[3] or third
		print("prices", i, items[1].price, items[2].price, #items, pcall(function() return third.price end))
		if i == 5 then
			datasheet.patch { items = { [1] = { price = 100 } } }
			print("own", items[1].price)
		end
		RULES
		skynet.retpack(true)
	end)
end)
]]

test.case("a row that goes says so in the replay, and a publication of its own is seen at once", function()
	local p, output = record((ONE:gsub("RULES", "")))
	test.matches(output, "prices\t3\t2\t4\t3\ttrue\t7\n")
	test.matches(output, "prices\t4\t3\t6\t2\tfalse\t.*items%[3%] was removed by an update\n")
	test.matches(output, "own\t100\n")
	local code, again = replay(p)
	test.equal(code, 0, again)
	for line in output:gmatch "[po][rw][in][^\n]+" do
		test.truthy(again:find(line, 1, true), line .. "\n" .. again)
	end
	-- Changed code that publishes something else.
	p:write("fixed/one.lua", (ONE:gsub("RULES", ""):gsub("price = 100", "price = 101")))
	code, again = replay(p, "--with", "fixed/one.lua")
	test.equal(code, 1, again)
	test.matches(again, "recorded: calls reef%.datasheet%.core%.plan patch.*now: +calls reef%.datasheet%.core%.plan patch")
end)

test.case("a shared table with a function ends the record, which says so", function()
	local p, output = record((ONE:gsub("RULES", 'print("rules", sharetable.query("rules").n)')))
	test.matches(output, "rules\t4\n")
	test.matches(output, "ends here: a shared table with a function cannot be recorded")
	local code, again = replay(p)
	test.equal(code, 0, again)
	test.matches(again, "rules\t3\n")
	test.equal(again:find("rules\t4", 1, true), nil, again)
	test.matches(again, "this cannot be recorded: a shared table with a function")
end)

test.case("tables that have lost entries before they were shared are gone through in the same order", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n',
		["service/main.lua"] = ([[
local datasheet = require "reef.datasheet"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
require "skynet.manager"
math.randomseed(%d)
local function worn()
	local t, n = {}, math.random(3, 40)
	for _ = 1, n do
		t[math.random(2) == 1 and "k" .. math.random(100) or math.random(100) + 0.5] = math.random(9)
	end
	for key in pairs(t) do
		t[key] = math.random(4) > 1 and t[key] or nil
	end
	for _ = 1, math.random(0, 2) do
		t["k" .. math.random(100)] = 1
	end
	return t
end
local function all()
	local list = {}
	for i = 1, 200 do
		list[i] = worn()
	end
	return list
end
skynet.start(function()
	datasheet.publish { items = all() }
	sharetable.loadtable("rules", all())
	local one = skynet.newservice "one"
	datasheet.publish { items = all() }
	skynet.call(one, "lua")
	skynet.kill(one)
	skynet.sleep(2)
	require("reef.process").stop()
end)
]]):format(test.seed),
		["service/one.lua"] = [[
local datasheet = require "reef.datasheet"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
local function order(list)
	local words = {}
	for i, t in ipairs(list) do
		words[#words + 1] = "#" .. i
		for key in pairs(t) do
			words[#words + 1] = tostring(key)
		end
	end
	return table.concat(words, " ")
end
skynet.start(function()
	print("order", order(datasheet.query "items"))
	print("order", order(sharetable.query "rules"))
	skynet.dispatch("lua", function()
		print("order", order(datasheet.query "items"))
		skynet.retpack(true)
	end)
end)
]],
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	local again
	code, again = replay(p)
	test.equal(code, 0, again)
	local lines = 0
	for line in output:gmatch "order\t[^\n]+" do
		lines = lines + 1
		test.truthy(again:find(line, 1, true), "in another order: " .. line:sub(1, 40))
	end
	test.equal(lines, 3)
end)

test.case("names and keys of any length are replayed", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n',
		["service/main.lua"] = [[
local datasheet = require "reef.datasheet"
local skynet = require "skynet"
require "skynet.manager"
local NAME, KEY = ("n"):rep(5000), ("k"):rep(5000)
skynet.start(function()
	datasheet.publish { items = { [KEY] = { price = 1 } }, [NAME] = { a = 1 } }
	local one = skynet.newservice "one"
	skynet.call(one, "lua", NAME, KEY)
	datasheet.publish { items = {} }
	skynet.call(one, "lua", NAME, KEY)
	datasheet.delete(NAME)
	skynet.call(one, "lua", NAME, KEY)
	skynet.kill(one)
	skynet.sleep(2)
	require("reef.process").stop()
end)
]],
		["service/one.lua"] = [[
local datasheet = require "reef.datasheet"
local skynet = require "skynet"
skynet.start(function()
	local held
	skynet.dispatch("lua", function(_, _, name, key)
		held = held or datasheet.query "items"[key]
		print((pcall(datasheet.query, name)), (pcall(function() return held.price end)))
		skynet.retpack(true)
	end)
end)
]],
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	test.matches(output, "true\ttrue\n.*true\tfalse\n.*false\tfalse\n")
	code, output = replay(p)
	test.equal(code, 0, output)
	test.matches(output, "true\ttrue\n.*true\tfalse\n.*false\tfalse\n.*as recorded; the service has ended")
end)

test.run()
