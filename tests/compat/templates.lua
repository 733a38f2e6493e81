-- timeout: 300
-- config: lua_path = "./first/?.lua;./?.lua;" .. lua_path
-- config: luaservice = "./?.lua;" .. luaservice
-- Services that begin as copies of a VM whose main function has run are like those that run it.
local skynet = require "skynet"
local test = require "test"
local codecache = require "skynet.codecache"
local launches = require "launches"
local memory = require "reef.memory"
local scripts = require "copy_scripts"
require "skynet.manager"

local write, write_service, ask, ask_often = launches.write, launches.write_service, launches.ask, launches.ask_often

for i = 1, 4 do
	write("module_" .. i, ([[
		local inner = %s
		local count = 0
		return { name = "module %d", inner = inner, count = function() count = count + 1 return count end,
			constant = { alpha = 1, beta = 'two', [30] = true, 5, 6, 7 },
			functions = { one = function() return 1 end, two = function() return 2 end } }
	]]):format(i < 4 and ("require 'module_%d'"):format(i + 1) or "nil", i))
end

test.case("the third one of a name is a copy of a template, and says the same", function()
	write_service("plain", "say 'here' later(function() say 'started' end)")
	local kinds = {}
	for i = 1, 5 do
		local text
		kinds[i], text = ask "plain"
		test.equal(text, "here\nstarted")
	end
	test.equal(kinds, { false, false, true, true, true })
	test.equal(memory.template "plain", nil)
	test.truthy(select(4, memory.images()) >= 1)
end)

test.case("random scripts say the same", { timeout = 240 }, function()
	local random = scripts.generator(test.seed, true)
	local n, templates = math.max(test.count(150), 40), 0
	for i = 1, n do
		local name = "random_" .. i
		local body = random()
		write_service(name, body)
		local is_template = ask_often(name, "word", i)
		test.equal(memory.template(name), nil, body)
		templates = templates + (is_template and 1 or 0)
	end
	test.equal(templates, n)
end)

test.case("tables that were made while a service loads are written alike", { timeout = 240 }, function()
	local random = scripts.tables(test.seed)
	local n, templates = math.max(test.count(150), 40), 0
	for i = 1, n do
		local name, body = "tables_" .. i, random()
		write_service(name, body)
		templates = templates + (ask_often(name) and 1 or 0)
		test.equal(memory.template(name), nil, body)
	end
	test.equal(templates, n)
end)

-- The string of a key that is gone may be gone as well; its place in the table is not free before the table grows.
test.case("places of entries that were taken out are used alike", { timeout = 240 }, function()
	for i = 1, test.count(60) do
		local name, made = "places_" .. i, i % 14 + 2
		write_service(name, ([[
			local pairs, collectgarbage = pairs, collectgarbage
			local t = {}
			for i = 1, %d do t['made ' .. i] = i end
			for i = 1, %d, %d do t['made ' .. i] = nil end
			later(function()
				collectgarbage() collectgarbage() collectgarbage 'stop'
				for i = 1, %d do t['new ' .. i] = i end
				for k, v in pairs(t) do say(k, v) end
				collectgarbage 'restart'
			end)
		]]):format(made, made, i % 3 + 1, i % 7 + 1))
		test.truthy(ask_often(name))
	end
end)

local REFUSED = {
	{ "print 'aloud'", "it calls print" },
	{ "io.write ''", "it calls write" },
	{ "local f = io.open '/dev/null' say(io.type(f))", "it calls open" },
	{ "say(os.time() > 0)", "it calls time" },
	{ "say(os.clock() > 0)", "it calls clock" },
	{ "say(type(os.getenv 'HOME'))", "it calls getenv" },
	{ "local random = math.random say(random(1))", "it calls random" },
	{ "math.randomseed(1)", "it calls randomseed" },
	{ "collectgarbage()", "it calls collectgarbage" },
	{ "say(#tostring({}) > 5)", "it calls tostring" },
	{ "say(#('%p'):format(_G) > 5)", "it calls format" },
	{ "say(pcall(tostring, print) and 1)", "it calls" },
	{ "local co = coroutine.create(function() end) say(type(co))", "it calls create" },
	{ "for _ in pairs {} do end local f = coroutine.wrap(function() return 1 end) say(f())", "it calls wrap" },
	{ "debug.sethook()", "it calls sethook" },
	{ "say(skynet.self() > 0)", "it calls self" },
	{ "say(skynet.now() > 0)", "it calls now" },
	{ "skynet.error 'a line'", "it calls error" },
	{ "skynet.fork(function() end)", "it calls fork" },
	{ "skynet.timeout(1, function() end)", "it sets a timer" },
	{ "local co = skynet.timeout(0, function() end) say(type(co))", "it sets a timer" },
	{ "skynet.send('.launcher', 'lua', 'nothing')", "it calls send" },
	{ "local ok = pcall(skynet.call, '.launcher', 'lua', 'LIST') say(ok)", "it calls" },
	{ "skynet.setenv('templates_' .. #out, 'x')", "it calls setenv", once = true },
	{ "keep = setmetatable({}, { __gc = function() end })", "a finalizer" },
	{ "keys = { [{}] = 1, [print] = 2 }", "found by its address" },
	{ "say(pcall(require, 'not.there') and 1)", "a module that package.path does not lead to" },
	{ "say(loadfile './module_1.lua' ~= nil)", "it calls loadfile" },
	{ "say(dofile './module_1.lua'.name)", "it calls dofile" },
	{ "say(package.searchpath('module_1', package.path))", "it calls searchpath" },
	{ "for _ = 1, 3e7 do end", "its loading takes long" },
	{ "local x = ('x'):rep(5 << 20) say(#x)", "it is too large" },
	{ "local t = {} for i = 1, 10000 do t[i] = { i } end kept = t", "it is too large" },
	{ "while not pcall(skynet.now) do end", "it calls" },
	{ "local function again() return pcall(skynet.now) and 1 or again() end say(again())", "it calls" },
	{ "local t = setmetatable({}, { __index = function() return os.clock() end }) say(type(t.now))", "it calls clock" },
	{ "table.sort({ 2, 1 }, function(a, b) skynet.now() return a < b end)", "it calls now" },
	{ "local c = setmetatable({}, { __close = function() skynet.now() end }) do local x <close> = c end", "it calls now" },
}

test.case("what is felt outside the VM, or is another each time, is done by each service", { timeout = 240 }, function()
	for i, refused in ipairs(REFUSED) do
		local name = "refused_" .. i
		write_service(name, refused[1])
		local before = select(5, memory.images())
		if refused.once then
			ask(name)
			test.equal(select(2, pcall(ask, name)):match "Can't setenv", "Can't setenv")
		else
			local is_template = ask_often(name)
			test.equal(is_template, false, refused[1])
			test.matches(memory.template(name), refused[2], refused[1])
			test.truthy(select(5, memory.images()) > before)
		end
	end
end)

test.case("nothing of an attempt that was refused has happened", function()
	write_service("prints", "skynet.send('.heard', 'lua', 'loaded')")
	local heard = 0
	skynet.dispatch("lua", function()
		heard = heard + 1
	end)
	skynet.register ".heard"
	for _ = 1, 6 do
		ask "prints"
	end
	test.eventually("all have said so", 10, function()
		return heard >= 6
	end)
	skynet.sleep(0)
	test.equal(heard, 6)
end)

test.case("who looks at the arguments shares a template with those that have the same", function()
	write_service("argued", "say(...)")
	for _ = 1, 4 do
		for _, word in ipairs { "a", "b c" } do
			test.equal(select(2, ask("argued", word)), word:gsub("b c", "b c"))
		end
	end
	test.equal({ ask("argued", "a") }, { true, "a" })
	test.equal({ ask("argued", "b", "c") }, { true, "b c" })
	test.equal({ ask("argued", "new") }, { false, "new" })
	for i = 1, 40 do
		test.equal({ ask("argued", i) }, { false, tostring(i) })
	end
	test.equal({ ask("argued", "a") }, { true, "a" })
	write_service("deaf", "say 'nothing' say((function(...) return ... end)(1))")
	for i = 1, 5 do
		test.equal({ ask("deaf", i) }, { i > 2, "nothing\n1" })
	end
end)

test.case("a module that would be found elsewhere, or is gone, is what the next one gets", function()
	os.execute(("mkdir -p '%s/first'"):format(test.dir))
	write("found", "return 'behind'")
	write_service("finds", "say((require 'found'))")
	test.equal({ ask_often "finds" }, { true, "behind" })
	write("first/found", "return 'before'")
	test.equal({ ask "finds" }, { false, "before" })
	test.equal({ ask "finds" }, { true, "before" })
	os.remove(test.dir .. "/first/found.lua")
	test.equal({ ask "finds" }, { false, "behind" })
	test.equal({ ask "finds" }, { true, "behind" })
	write("found", "return 'changed'")
	test.equal({ ask "finds" }, { true, "behind" }, "the cache has it")
	codecache.clear()
	test.equal({ ask_often "finds" }, { true, "changed" })
	codecache.evict "./found.lua"
	write("found", "return 'again'")
	test.equal({ ask_often "finds" }, { true, "again" })
	os.remove(test.dir .. "/found.lua")
	local ok, reason = pcall(skynet.newservice, "finds")
	test.equal(ok, false)
	test.matches(reason, "module 'found' not found")
end)

-- The two builds that are compared lie elsewhere, so what is found by addresses comes in another order.
test.case("what comes in an order of addresses is no template's", function()
	local refused, n = 0, 0
	local function compare(i, value, names)
		local entries, keys = {}, {}
		for k = 1, i do
			entries[k], keys[k] = ("[{}] = " .. value):format(k), names and ("'name_%d'"):format(k) or k
		end
		n = n + 1
		local name = "order_" .. n
		write_service(name, ([=[
			local kept, names, count = {}, { %s }, 0
			for _, v in next, { %s } do count = count + 1 kept[names[count]] = v end
			later(function()
				local sum = 0
				for _, v in pairs(kept) do sum = sum + (type(v) == "function" and v() or tonumber(v:match "^word_(%%d+)$")) end
				say(count, sum)
			end)
		]=]):format(table.concat(keys, ", "), table.concat(entries, ", ")))
		local is_template, text = ask_often(name)
		test.equal(text, ("%d %d"):format(i, i * (i + 1) // 2))
		test.equal(is_template, memory.template(name) == nil)
		refused = refused + (is_template and 0 or 1)
	end
	for i = 2, 16 do
		compare(i, "'word_%d'", false)
		compare(i, "'word_%d'", true)
		compare(i, "function() return %d end", i % 2 == 0)
	end
	-- A few may come in the same order in both.
	test.truthy(refused >= n // 3, refused)
end)

test.case("a variable that is set later is seen", function()
	write_service("asks", "say(skynet.getenv 'templates_later')")
	test.equal({ ask_often "asks" }, { true, "nil" })
	skynet.setenv("templates_later", "set")
	test.equal({ ask "asks" }, { false, "set" })
	test.equal({ ask "asks" }, { true, "set" })
end)

test.case("protocols and handlers from before the start function are there", function()
	write("handles", [[
		local skynet = require "skynet"
		skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = tostring, unpack = skynet.tostring,
			dispatch = function(_, _, text) skynet.retpack("text", text) end }
		local unknown
		skynet.dispatch_unknown_request(function(session, source) unknown = source skynet.ret(skynet.pack "unknown") end)
		skynet.dispatch("lua", function(_, _, word) skynet.retpack(word, require("reef.memory").template()) end)
		skynet.start(function() end)
	]])
	skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = tostring, unpack = skynet.unpack }
	for i = 1, 4 do
		local address = skynet.newservice "handles"
		test.equal({ skynet.call(address, "lua", "word") }, { "word", i > 2 })
		test.equal({ skynet.call(address, "text", "some") }, { "text", "some" })
		skynet.kill(address)
	end
end)

test.case("copies of a template share nothing that can be changed, and have addresses of their own", function()
	write("shared", "return { list = {}, name = 'a name' }")
	write_service("changes", [[
		local shared = require "shared"
		local mine = {}
		later(function()
			say(#shared.list, shared.name, #mine, string.mine)
			shared.list[1], shared.name, mine[1], string.mine = true, nil, 1, 2
			skynet.dispatch("lua", function()
				skynet.retpack(require("reef.memory").template(), concat(out, "\n"))
			end)
			skynet.register_protocol { name = "where", id = 99, pack = skynet.pack, unpack = skynet.unpack,
				dispatch = function() skynet.retpack(tostring(shared), tostring(mine), tostring(say)) end }
		end)
	]])
	skynet.register_protocol { name = "where", id = 99, pack = skynet.pack, unpack = skynet.unpack }
	local services, seen = {}, {}
	for i = 1, 8 do
		services[i] = skynet.newservice "changes"
		local is_template, text = skynet.call(services[i], "lua")
		test.equal({ is_template, text }, { i > 2, "0 a name 0 nil" })
		for _, where in ipairs { skynet.call(services[i], "where") } do
			test.equal(seen[where], nil)
			seen[where] = true
		end
	end
	for _, address in ipairs(services) do
		skynet.kill(address)
	end
end)

test.case("what is the same in all copies costs none of them anything until it is changed", function()
	local fields = {}
	for i = 1, 300 do
		fields[i] = ("f%d = function(a) return a and %d end, [%d] = %d"):format(i, i, i, i)
	end
	write("constants", "return { " .. table.concat(fields, ", ") .. " }")
	local services = {}
	local function cost(name)
		ask_often(name)
		-- Who was killed ends a little later.
		test.eventually("the others are gone", 60, function()
			return select(6, memory.images()) == 0
		end)
		for i = 1, 50 do
			services[i] = skynet.newservice(name)
		end
		local each = select(6, memory.images()) / 50
		local kilobytes = skynet.call(services[50], "debug", "MEM")
		for i = 1, 50 do
			skynet.kill(services[i])
		end
		return each, kilobytes * 1024
	end
	write_service("without", "")
	write_service("reads", "local m = require 'constants' say(m.f7(1), m.f300(1), m[7], #m)")
	write_service("writes", "local m = require 'constants' later(function() m.f7 = 1 say(m.f7, m.f8(1), m[300], #m) end)")
	local without, with, writing = table.pack(cost "without"), table.pack(cost "reads"), table.pack(cost "writes")
	test.between(with[1], without[1], without[1] + 1024)
	test.between(with[2], without[2] - 1024, without[2] + 2048)
	test.between(writing[1], without[1], without[1] + 1024)
	test.truthy(writing[2] > with[2] + 300 * 40, "its own parts are counted")
end)

test.case("what copies read in common lives as long as they, whatever the code cache forgets", function()
	local live = {}
	for round = 1, 10 do
		write("remembered", ([[
			return { one = function() return function() return 'in_%d' end end, two = function(x) return { x, 'two_%d' } end,
				name = 'name_%d', 1, 2, 3 }
		]]):format(round, round, round))
		write("lives", [[
			local skynet = require "skynet"
			local m = require "remembered"
			local f = { a = m.one, b = m.two }
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, writes)
					if writes then
						m.name, f.c, f.a = m.name, m.one, nil
						collectgarbage()
						f.a = m.one
					end
					collectgarbage()
					skynet.retpack(require("reef.memory").template(), m.name, m.one()(), f.a()(), m.two(1)[2], f.b(2)[2], #m)
				end)
			end)
		]])
		if round % 2 == 0 then
			codecache.clear()
		else
			codecache.evict "./remembered.lua"
			codecache.evict "./lives.lua"
		end
		for i = 1, 6 do
			live[#live + 1] = { address = skynet.newservice "lives", round = round, is_template = i > 2 }
		end
		for i, s in ipairs(live) do
			local name, one, two = "name_" .. s.round, "in_" .. s.round, "two_" .. s.round
			local got = { skynet.call(s.address, "lua", i % 3 == round % 3) }
			test.equal(got, { s.is_template, name, one, one, two, two, 3 })
		end
		for i = #live, 1, -1 do
			if i % 5 == round % 5 then
				skynet.kill(table.remove(live, i).address)
			end
		end
	end
	for _, s in ipairs(live) do
		skynet.kill(s.address)
	end
end)

test.case("the memory of copies is counted, and goes back", function()
	local function used()
		return (select(6, memory.images()))
	end
	write_service("counted", "")
	ask_often "counted"
	local before, services = used(), {}
	for i = 1, 200 do
		services[i] = skynet.newservice "counted"
	end
	local with = used()
	test.truthy(with - before > 200 * 8192 and with - before < 200 * 32768, with - before)
	test.truthy(select(7, memory.images()) >= with)
	for _, address in ipairs(services) do
		skynet.kill(address)
	end
	test.eventually("they are gone", 60, function()
		return used() <= before
	end)
	test.truthy(select(7, memory.images()) > 0)
end)

test.case("the collector is found as it is in others, and keeps a copy as small", function()
	write_service("collected", [[
		later(function()
			say(collectgarbage "incremental", collectgarbage "isrunning", collectgarbage("setpause", 200))
			for i = 1, 3000 do local _ = { i, tostring(i) } end
			collectgarbage()
		end)
		kilobytes = function() return collectgarbage "count" end
	]])
	test.equal((ask_often "collected"), true)
	write("weighed", [[
		local skynet = require "skynet"
		local kept = {}
		for i = 1, 100 do kept[i] = { i } end
		skynet.start(function()
			for i = 1, 2000 do local _ = { i, tostring(i) } end
			skynet.dispatch("lua", function()
				local count = collectgarbage "count"
				for _ = 1, 20000 do local _ = { 1, 2 } end
				local later = collectgarbage "count"
				local mode = collectgarbage "generational"
				skynet.retpack(count, later, mode)
			end)
		end)
	]])
	local counts = {}
	for i = 1, 5 do
		local address = skynet.newservice "weighed"
		counts[i] = table.pack(skynet.call(address, "lua"))
		test.equal(counts[i][3], "generational")
		test.truthy(counts[i][2] < counts[i][1] * 2)
		skynet.kill(address)
	end
	test.between(counts[5][1], counts[1][1] * 0.5, counts[1][1] * 1.25)
end)

test.run()
