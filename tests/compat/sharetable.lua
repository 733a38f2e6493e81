local skynet = require "skynet"
local process = require "test.process"
local test = require "test"
local core = require "reef.sharetable"
local sharetable = require "skynet.sharetable"

local function reader()
	local address = test.service "share_reader"
	return function(source, ...)
		return skynet.call(address, "lua", source, ...)
	end
end

local function write_file(name, text)
	local path = test.dir .. "/" .. name
	local file = assert(io.open(path, "w"))
	file:write(text)
	file:close()
	return path
end

test.case("what one service loads all read, and it is one table in each", function()
	sharetable.loadtable("plain", { a = { x = 1 }, list = { 3, 1, 2 }, [1.5] = true })
	local t = sharetable.query "plain"
	test.equal(t, { a = { x = 1 }, list = { 3, 1, 2 }, [1.5] = true })
	test.truthy(rawequal(t, sharetable.query "plain"))
	local run = reader()
	test.equal(run [[T = require "skynet.sharetable".query "plain" return T.a.x, #T.list, T[1.5] ]], 1)
	test.equal(run "return T", { a = { x = 1 }, list = { 3, 1, 2 }, [1.5] = true }, "it can be packed")
	test.equal(sharetable.query "nobody loaded this", nil)
end)

test.case("files and sources get their arguments, strings too", function()
	local path = write_file("cfg.lua",
		"local a, b, c, d = ... return { a = a, b = b, n = select('#', ...), f = c, t = d }")
	sharetable.loadfile(path, "text", nil, math.abs, { 1 })
	test.equal(sharetable.query(path), { a = "text", n = 4, f = math.abs, t = { 1 } })
	sharetable.loadstring("source", "return { (...) }", 42)
	test.equal(sharetable.query "source", { 42 })
	sharetable.loadstring("at", "@" .. path, true)
	test.equal(sharetable.query "at", { a = true, n = 1 })
end)

test.case("a load that fails says why and leaves what was there", function()
	sharetable.loadstring("kept", "return { v = 1 }")
	test.raises("sharetable.loadstring 'kept': kept:1: unexpected symbol", sharetable.loadstring, "kept", "return {")
	test.raises("kept:1: oh no", sharetable.loadstring, "kept", "error 'oh no'")
	test.raises("the source returns a nil, not a table", sharetable.loadstring, "kept", "")
	test.raises("cannot share a userdata at 'kept.a.b'", sharetable.loadstring, "kept", "return { a = { b = io.stdout } }")
	test.raises("cannot share a Lua function with upvalues at 'kept.f'", sharetable.loadtable, "kept", { f = reader })
	test.raises("cannot open", sharetable.loadfile, test.dir .. "/none.lua")
	test.raises("a table is needed", sharetable.loadtable, "kept", 5)
	test.raises("sharetable.loadfile: the name is a nil, not a string", sharetable.loadfile)
	test.raises("sharetable.loadstring: the name is a table, not a string", sharetable.loadstring, {}, "return {}")
	test.raises("sharetable.loadstring 'kept': the source is a nil, not a string", sharetable.loadstring, "kept")
	for _, is_file in ipairs { false, true } do
		for _, value in ipairs { false, true, {} } do
			local number, request = core.freeze(value)
			local _ <close> = request
			test.equal(core.load("kept", is_file, number),
				("%s is a %s, not a string"):format(is_file and "the file's name" or "the source", type(value)))
		end
	end
	test.equal(sharetable.query "kept", { v = 1 })
	local deep = {}
	local t = deep
	for _ = 1, 100000 do
		t.t = {}
		t = t.t
	end
	sharetable.loadtable("deep", deep)
	local cycle = {}
	cycle.self, cycle.again = cycle, { cycle }
	sharetable.loadtable("cycle", cycle)
	local shared = sharetable.query "cycle"
	test.truthy(rawequal(shared.self.again[1], shared))
end)

test.case("writes are refused with the place", function()
	sharetable.loadtable("monsters", { orc = { hp = 10, [1] = {} } })
	local t = sharetable.query "monsters"
	test.raises("attempt to change a shared table: monsters.orc.hp is read%-only", function()
		t.orc.hp = 5
	end)
	test.raises("attempt to change a shared table: monsters.orc%[1%].new", rawset, t.orc[1], "new", 1)
	test.raises("can't setmetatable to shared table: monsters.orc", setmetatable, t.orc, {})
	test.raises("shared table", table.insert, t, 1)
	test.equal(t.orc.hp, 10)
end)

test.case("a reader keeps its version until it updates, and then has the new one everywhere", function()
	sharetable.loadstring("up", "return { v = 1, row = { v = 1 }, old = {} }")
	local run = reader()
	run [[
		sharetable = require "skynet.sharetable"
		T = sharetable.query "up"
		hold = { T.row, T.old, [T.row] = "key" }
	]]
	local t = sharetable.query "up"
	sharetable.loadstring("up", "return { v = 2, row = { v = 2 } }")
	test.equal(t.v, 1)
	test.equal(run "return T.v", 1)
	test.equal(run [[
		sharetable.update("never asked for", "up")
		return { T.v, hold[1].v, hold[2], hold[T.row], rawequal(hold[1], T.row) }
	]], { 2, 2, nil, "key", true })
	test.equal(sharetable.query("up").v, 2)
	test.equal(t.v, 1)
	sharetable.update "up"
	test.equal(t.v, 2)
end)

-- Tables that lead to each other in any way: `tables` is a list whose first one leads to those that there are.
local function random_graph(n)
	local KEYS, tables = { 1, 2, "a", "b", 1.5, "meta" }, {}
	for i = 1, n do
		tables[i] = {}
	end
	for i = 1, n do
		for _, key in ipairs(KEYS) do
			local to = math.random() < 0.45 and tables[math.random(n)] or nil
			if to and key == "meta" then
				setmetatable(tables[i], to)
			elseif to then
				tables[i][key] = to
			end
		end
	end
	return tables
end

-- key -> table, the metatable as well
local function ways(t)
	local all = {}
	for key, to in next, t do
		all[key] = to
	end
	all.meta = getmetatable(t)
	return all
end

-- private table -> shared one that is like it
local function matched(private, shared, found)
	if private and not found[private] then
		found[private] = shared
		local there = ways(shared)
		for key, to in pairs(ways(private)) do
			matched(to, there[key], found)
		end
	end
	return found
end

test.case("a table that several paths lead to becomes what is at one of them that still leads to something", function()
	math.randomseed(test.seed)
	local gone, several = 0, 0
	for _ = 1, test.count(300) do
		local n = math.random(2, 8)
		local old, new = random_graph(n), random_graph(n)
		sharetable.loadtable("graph", old[1])
		local held = matched(old[1], sharetable.query "graph", {})
		sharetable.loadtable("graph", new[1])
		sharetable.update "graph"
		local found = matched(new[1], sharetable.query "graph", {})
		for _, to in ipairs(old) do
			local paths, right = 0, to == old[1] and held[to] == found[new[1]]
			for _, from in ipairs(old) do
				for key, led_to in pairs(held[from] and ways(from) or {}) do
					local now = led_to == to and ways(held[from])[key]
					paths = paths + (now and 1 or 0)
					right = right or now and rawequal(now, held[to])
				end
			end
			test.truthy(right or (paths == 0 and held[to] == nil))
			gone, several = gone + (paths == 0 and 1 or 0), several + (paths > 1 and 1 or 0)
		end
	end
	test.truthy(gone > 0 and several > 0)
end)

test.case("who goes through a table and takes entries out goes on, whatever becomes of his keys meanwhile", function()
	math.randomseed(test.seed)
	local random, sheets = math.random, require "reef.datasheet"
	for round = 1, test.count(60) do
		local words = {}
		for i = 1, random(40) do
			words[i] = ("the word %d of %d"):format(i, round):rep(random(3), " and ")
		end
		sharetable.loadtable("words", { table.unpack(words, 1, #words // 2) })
		sheets.publish { words = { table.unpack(words, #words // 2 + 1) } }
		local left, own = {}, {}
		for _, list in ipairs { sharetable.query "words", sheets.query "words", { "own", "1.5" } } do
			for _, word in ipairs(list) do
				left[word], own[#own + 1] = true, ("%s"):format(word)
			end
		end
		local seen = {}
		for word in next, left do
			test.equal(seen[word], nil)
			seen[word] = true
			left[word] = random(4) == 1 or nil
			if random(8) == 1 then
				collectgarbage()
				collectgarbage(random(2) == 1 and "generational" or "incremental")
			end
			if random(8) == 1 then
				sharetable.loadtable("words", {})
				sharetable.update "words"
				sheets.publish { words = {} }
				sheets.collect()
				skynet.sleep(0)
			end
		end
		for _, word in ipairs(own) do
			test.truthy(seen[word])
		end
	end
	collectgarbage "incremental"
end)

test.case("a service that loads and publishes what it reads, and reads what it has loaded", function()
	math.randomseed(test.seed)
	local random, sheets, values = math.random, require "reef.datasheet", require "reef.values"
	local NAMES, want, made = { "mine 1", "mine 2", "mine 3" }, {}, 0
	local function copy(t)
		local c = {}
		for key, value in pairs(t) do
			c[key] = type(value) == "table" and copy(value) or value
		end
		return c
	end
	-- Keys that are no identifiers, in tables that lie otherwise than their copies will.
	local function tree(depth)
		local t = {}
		for _ = 1, random(0, 9) do
			made = made + 1
			local value = depth < 3 and random(3) == 1 and tree(depth + 1) or ("the value " .. made):rep(random(5))
			t[random(2) == 1 and #t + 1 or ("the key %d"):format(random(30)):rep(random(4))] = value
		end
		for key in pairs(t) do
			t[key] = random(5) > 1 and t[key] or nil
		end
		local known = want[NAMES[random(#NAMES)]]
		t.known = known and depth == 0 and random(3) == 1 and known.get() or nil
		return t
	end
	for _ = 1, test.count(300) do
		local name, data = NAMES[random(#NAMES)], tree(0)
		local step = random(6)
		if step <= 2 and (want[name] == nil or want[name].bytes < 2000) then
			want[name] = { is = copy(data), bytes = #values.show(data) }
			if step == 1 then
				sharetable.loadtable(name, data)
				sharetable.update(name)
				want[name].get = function() return sharetable.query(name) end
			else
				sheets.publish { [name] = data }
				want[name].get = function() return sheets.query(name) end
			end
		elseif step == 3 then
			want[name] = nil
		elseif step == 4 then
			collectgarbage()
		else
			sheets.collect()
			skynet.sleep(0)
		end
		for _, known in pairs(want) do
			test.truthy(values.same(known.get(), known.is))
		end
	end
end)

test.case("versions go when nobody holds them; the statistics say who does, and why", function()
	local run = reader()
	sharetable.loadstring("gone", "return { words = 'one two' }")
	run [[
		sharetable = require "skynet.sharetable"
		T = sharetable.query "gone"
		words = T.words:gmatch "%a+"
		words()
	]]
	sharetable.loadstring("gone", "return { words = 'three' }")
	test.equal(#sharetable.stat().names.gone, 2)
	run 'sharetable.update "gone"'
	local list = sharetable.stat().names.gone
	test.equal(#list, 2)
	test.equal(list[2].current, false)
	test.equal(list[2].readers[1].left, 1)
	test.matches(list[2].readers[1].pinned_by, "string kept by a C function")
	test.truthy(list[2].bytes > 0)
	run "words = nil"
	test.eventually("the collector of the reader lets the old version go", 10, function()
		run "collectgarbage()"
		return #sharetable.stat().names.gone == 1
	end)
	for i = 1, 100 do
		sharetable.loadtable("gone", { i })
	end
	run 'sharetable.update "gone"'
	test.equal(#sharetable.stat().names.gone, 1)
	test.equal(run "return T[1]", 100)
end)

test.case("what an update had to leave is let go of later, and nothing else becomes newer by that", function()
	math.randomseed(test.seed)
	local random = math.random
	local NAMES, run, left = { "later 1", "later 2", "later 3" }, reader(), 0
	local newest, updated = {}, {}
	local function load(name)
		newest[name] = (newest[name] or 0) + 1
		sharetable.loadtable(name, { v = newest[name], words = "one two of " .. newest[name] })
	end
	for _, name in ipairs(NAMES) do
		load(name)
		updated[name] = 1
		run([[
			sharetable = require "skynet.sharetable"
			T, words = T or {}, {}
			T[...] = sharetable.query(...)
		]], name)
	end
	for _ = 1, test.count(300) do
		local name = NAMES[random(#NAMES)]
		local step = random(5)
		if step == 1 then
			load(name)
		elseif step == 2 then
			run("sharetable.update(...)", name)
			updated[name] = newest[name]
		elseif step == 3 then
			run("local i, name = ... words[i] = T[name].words:gmatch '%a+' words[i]()", random(4), name)
		elseif step == 4 then
			run("words[...] = nil", random(4))
		else
			run "collectgarbage()"
		end
		for _, held in ipairs(NAMES) do
			test.equal(run("return T[...].v", held), updated[held])
			for _, version in ipairs(sharetable.stat().names[held]) do
				left = left + (version.current and 0 or 1)
			end
		end
	end
	test.truthy(left > 0)
	run "words = nil"
	test.eventually("the old versions are let go of, but for those that are in use", 10, function()
		run "collectgarbage()"
		local all = 0
		for _, name in ipairs(NAMES) do
			all = all + #sharetable.stat().names[name] - (newest[name] ~= updated[name] and 1 or 0)
		end
		return all == #NAMES
	end)
end)

test.case("a service without memory for an update goes on, and lets go when it has some", function()
	local scarce = test.service "share_scarce"
	sharetable.loadtable("scarce", { words = "the first", rows = { { 0 }, { "row" } } })
	skynet.call(scarce, "lua", test.seed, test.count(4000))
	test.eventually("its old versions are freed", 10, function()
		skynet.call(scarce, "lua", test.seed, 0)
		return #sharetable.stat().names.scarce == 1
	end)
end)

test.case("a service that ends lets go", function()
	sharetable.loadtable("end", { 1 })
	local address = skynet.newservice "share_reader"
	skynet.call(address, "lua", 'T = require "skynet.sharetable".query "end"')
	sharetable.loadtable("end", { 2 })
	test.equal(#sharetable.stat().names["end"], 2)
	require("skynet.manager").kill(address)
	test.eventually("its version is freed", 10, function()
		return #sharetable.stat().names["end"] == 1
	end)
end)

test.case("what a loader has not come to when it is killed is freed, whether or not who asked lives on", function()
	if test.sanitizer == "tsan" then
		test.skip "ThreadSanitizer hands signals on late: a loop that calls nothing is not interrupted"
	end
	local loader = skynet.uniqueservice "sharetable_loader"
	local before = sharetable.stat().mapped
	local caller = skynet.newservice "share_reader"
	local ended = 0
	local function ends(f, ...)
		skynet.fork(function(...)
			pcall(f, ...)
			ended = ended + 1
		end, ...)
	end
	ends(sharetable.loadstring, "killed", "while true do end")
	skynet.sleep(5)
	ends(sharetable.loadstring, "killed", "return ...", { 1 })
	ends(sharetable.loadfile, "killed", { 2 })
	ends(skynet.call, caller, "lua", 'require "skynet.sharetable".loadstring("killed", "return ...", { 3 })')
	skynet.sleep(5)
	test.equal(ended, 0)
	require("skynet.manager").kill(caller)
	test.eventually("a caller is gone", 20, function()
		return ended == 1
	end)
	require("skynet.manager").kill(loader)
	test.eventually("the calls have ended", 20, function()
		return ended == 4
	end)
	test.eventually("their arguments are freed", 20, function()
		return sharetable.stat().mapped == before
	end)
	sharetable.loadstring("killed", "return ...", { 4 })
	test.equal(sharetable.query "killed", { 4 })
end)

test.case("queryall knows all names, or those that are asked for", function()
	sharetable.loadtable("q1", { 1 })
	sharetable.loadtable("q2", { 2 })
	local all = sharetable.queryall()
	test.equal(all.q1, { 1 })
	test.equal(all.q2, { 2 })
	test.equal(sharetable.queryall { "q1", "nothing" }, { q1 = { 1 } })
end)

test.case("memory stays flat over thousands of versions", function()
	local function bytes()
		return sharetable.stat().bytes
	end
	local run = reader()
	sharetable.loadtable("flat", { v = 0, list = {} })
	run 'sharetable = require "skynet.sharetable" T = sharetable.query "flat"'
	local before = bytes()
	for i = 1, test.count(2000) do
		sharetable.loadtable("flat", { v = i, list = { { "row" .. i } } })
		if i % 10 == 0 then
			test.equal(run 'sharetable.update "flat" return T.v', i)
		end
	end
	run 'sharetable.update "flat"'
	test.equal(bytes(), before)
end)

-- Somebody writes while a load looks how large the file is, and then reads it.
local function load_beside(path, script, check)
	sharetable.loadfile(path)
	local writer = process.start { "sh", "-c", ("while :; do %s; done"):format(script), path }
	for _ = 1, 100 do
		check(pcall(sharetable.loadfile, path))
	end
	test.truthy(writer:running())
	writer:kill()
end

test.case("a file that grows while it is read is what it was at some moment", function()
	local path = write_file("grows.lua", "return { 1, { a = 'x' } }\n")
	load_beside(path, [[echo "-- what comes behind the data" >>"$0"; sleep 0.001]], function(ok, why)
		test.equal(ok, true, why)
		test.equal(sharetable.query(path), { 1, { a = "x" } })
	end)
end)

test.case("a file that is written anew while it is read is one of both, or an error", function()
	local path = write_file("anew.lua", "return { 1 }")
	load_beside(path, [[echo "return { 1, $(seq -s , 200) }" >"$0"; echo "return { 1 }" >"$0"]], function(ok, why)
		local n = #sharetable.query(path)
		test.truthy(ok and (n == 1 or n == 201) or not ok and why:find(path, 1, true), why)
	end)
end)

test.run()
