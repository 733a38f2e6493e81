-- luacheck: no max line length
-- timeout: 300
-- config: lua_path = "./first/?.lua;./?.lua;" .. lua_path
-- config: luaservice = "./?.lua;" .. luaservice
-- What an attempt to make a template must not do, and what makes templates old.
local skynet = require "skynet"
local test = require "test"
local codecache = require "skynet.codecache"
local launches = require "launches"
local memory = require "reef.memory"
local process = require "test.process"
require "skynet.manager"

local write, write_service, ask, ask_often = launches.write, launches.write_service, launches.ask, launches.ask_often

-- ---- nothing of an attempt is felt ----

local heard = {}
skynet.dispatch("lua", function(_, _, word)
	heard[#heard + 1] = word
end)
skynet.register ".heard"

-- Each refuses its template by what it does in the middle; what is called because of that is called by nobody else.
local QUIET = {
	"xpcall(os.time, function(m) skynet.send('.heard', 'lua', m) end)",
	"xpcall(function() os.time() end, function(m) print(m) skynet.send('.heard', 'lua', m) end)",
	"xpcall(xpcall, function(m) skynet.send('.heard', 'lua', m) end, os.time, function(m) skynet.send('.heard', 'lua', m) end)",
	"xpcall(function() local x <close> = setmetatable({}, { __close = function(_, e) if e then skynet.send('.heard', 'lua', e) end end }) os.time() end, function(m) skynet.send('.heard', 'lua', m) end)",
	"xpcall(function() local x <close> = setmetatable({}, { __close = function(_, e) if e then skynet.send('.heard', 'lua', e) end end }) os.time() end, debug.traceback)",
	"local ok, e = pcall(os.time) if not ok then skynet.send('.heard', 'lua', e) end",
	"xpcall(table.sort, function(m) skynet.send('.heard', 'lua', m) end, { 3, 2, 1 }, function(a, b) return os.time() and a < b end)",
	"say((('abc'):gsub('.', function(c) return xpcall(os.time, function(m) skynet.send('.heard', 'lua', m) end) and c end)))",
	"xpcall(os.time, function() while true do end end)",
	"xpcall(os.time, function() repeat until pcall(error) end)",
}

test.case("handlers of errors do not hear of an attempt", function()
	for i, body in ipairs(QUIET) do
		launches.expect_none("quiet_" .. i, body, "it calls")
	end
	skynet.sleep(0)
	test.equal(heard, {})
end)

test.case("errors that are none of the attempt's come to their handlers", function()
	launches.expect_template("handled", [[
		say(xpcall(error, function(m) return 'handled ' .. m end, 'once'))
		say(xpcall(xpcall, function(m) return 'outer ' .. m end, error, nil))
		say(select(2, xpcall(function() local x <close> = setmetatable({}, { __close = function(_, e) error(e .. '!', 0) end }) error('a', 0) end,
			function(m) return m .. '?' end)))
		say(pcall(xpcall)) say(xpcall(error, error))
	]])
end)

-- ---- values ----

local SAME = {
	-- Who goes on through a table whose entries were removed.
	"local t = { alpha = 1, beta = 2, gamma = 3 } local k = next(t) t[k] = nil later(function() for x, y in next, t, k do say(x, y) end end)",
	"local t = {} for i = 1, 9 do t['made_' .. i] = i end local k = next(t) t[k] = nil later(function() for x, y in next, t, k do say(x, y) end end)",
	"local t = {} for i = 1, 9 do t[i / 2] = i end local k = next(t) t[k] = nil later(function() for x, y in next, t, k do say(x, y) end end)",
	"local t = { [true] = 1, [false] = 2, [print] = 3 } local k = next(t) t[k] = nil later(function() for _, y in next, t, k do say(y) end end)",
	"local t = {} for i = 1, 9 do t['made_' .. i] = i end for k in pairs(t) do t[k] = nil end later(function() say(next(t)) t.made_3 = 1 say(next(t)) end)",
	"local long = ('x'):rep(60) local t = { [long] = 1, b = 2 } local k, n = long, 0 t[k] = nil later(function() for _ in next, t, k do n = n + 1 end say(n <= 1, t[k]) end)",
	-- A function without upvalues is the same one in all VMs.
	"local function f() end local t = { [f] = 1 } later(function() say(t[f], next(t) == f) t[f] = nil say(t[f], next(t)) end)",
	"local next_word = ('one two three'):gmatch '%a+' say(next_word()) later(function() say(next_word(), next_word(), next_word()) end)",
	"setmetatable(_G, { __index = function(_, k) error('no ' .. k, 0) end, __newindex = function(_, k) error('not ' .. k, 0) end }) later(function() say(pcall(function() return foo end)) say(pcall(function() foo = 1 end)) end)",
	"local outer = _ENV local _ENV = setmetatable({}, { __index = outer }) mine = 1 later(function() say(mine, outer.mine) mine = 2 say(mine) end)",
	"local main, is_main = coroutine.running() later(function() say(is_main, coroutine.status(main), coroutine.running() == main) end)",
	"local inside = {} local f = load('count = (count or 0) + 1 return count', '=f', 't', inside) say(f(), count) later(function() say(f(), inside.count) end)",
	"local f = load(string.dump(function(x) return x and x + 1 end, true)) later(function() say(f(1)) end)",
	"package.preload.made = function(...) say(...) return false end say(require 'made') later(function() say(require 'made', package.loaded.made) end)",
	"table.insert(package.searchers, 2, function(name) return name == 'found' and function(...) say(...) return 'it' end or nil, 'extra' end) say(require 'found') later(function() say((require 'found')) end)",
	"package.loaded.mine = 'mine' package.cpath = '' later(function() say(require 'mine', package.cpath, package.loaded.mine) end)",
	"for i = 1, 20 do skynet.timeout(0, function() say('timeout', i) end) end skynet.start(function() say 'also' end)",
	"skynet.timeout(-1, collectgarbage) skynet.init(function() say 'init' end) skynet.init(function() say 'and' end)",
	"getmetatable('').__concat = function(a, b) return 'both' end getmetatable('').__call = function(s) return s:upper() end later(function() say({} and ('x')()) end)",
	"getmetatable(io.stdout).__gc = function() skynet.send('.heard', 'lua', 'end') end",
	"getmetatable(io.stdout).__gc = setmetatable({}, { __call = function() local t = {} for i = 1, 100 do t[i] = { tostring(i) } end end })",
	"local t = {} t.t, t[1] = t, { t } later(function() say(t.t == t, t[1][1] == t, #t) end)",
	"local n = 0 local function add() n = n + 1 end local function get() return n end add() later(function() add() say(get()) end)",
	"local sort = {} for i = 1, 90 do sort[i] = i * 37 % 91 end table.sort(sort, function(a, b) return a > b end) say(concat(sort, ' '))",
	"skynet.register_protocol { name = 'one', id = 100, pack = skynet.pack, unpack = skynet.unpack } later(function() say(pcall(skynet.register_protocol, { name = 'one', id = 101 })) say(pcall(skynet.register_protocol, { name = 'two', id = 100 })) end)",
	"say(skynet.dispatch('lua', function() end), type(skynet.dispatch 'lua')) later(function() say(type(skynet.dispatch 'lua')) end)",
	"local packed = skynet.packstring({ 1, x = 'y' }, 2.5) later(function() local t, n = skynet.unpack(packed) say(t[1], t.x, n) end)",
	"local weak = setmetatable({}, { __mode = 'k' }) later(function() local key = {} weak[key] = 'value' collectgarbage() say(weak[key]) key = nil collectgarbage() say(next(weak)) end)",
}

test.case("what a script keeps from its loading is there", function()
	for i, body in ipairs(SAME) do
		launches.expect_template("same_" .. i, body)
	end
end)

test.case("who goes on through a table by an object that was removed has no template", function()
	launches.expect_none("goes_on", "local k = {} local t = { [k] = 1, b = 2 } t[k] = nil later(function() say(pcall(next, t, k)) end)",
		"found by its address")
end)

-- ---- old ones ----

test.case("a module that could not be loaded is tried again", function()
	write("broken", "return 'whole' and and")
	write_service("tries", "local ok, what = pcall(require, 'broken') say(ok, what)")
	local is_template, text = ask_often "tries"
	test.equal(is_template, false)
	test.matches(text, "^false error loading module 'broken'")
	test.equal(memory.template "tries", "a file that cannot be loaded")
	write("broken", "return 'whole'")
	test.equal({ ask "tries" }, { false, "true whole" })
end)

test.case("a variable that somebody sets is none that another asks for", function()
	write_service("asks_in_vain", "say(skynet.getenv 'truth_never', skynet.getenv 'truth_later')")
	test.equal((ask_often "asks_in_vain"), true)
	local before = select(4, memory.images())
	for i = 1, 10 do
		skynet.setenv("truth_" .. i, i)
		test.equal({ ask "asks_in_vain" }, { true, "nil nil" })
	end
	test.equal(select(4, memory.images()), before)
	skynet.setenv("truth_later", "now")
	test.equal({ ask "asks_in_vain" }, { false, "nil now" })
	test.equal({ ask "asks_in_vain" }, { true, "nil now" })
end)

test.case("a template that is old when it is made is made three times at most", function()
	write("first_found", "return 'first'")
	write("second_found", "return 'second'")
	write_service("finds_its_way", [[
		package.path = "./first_?.lua;./second_?.lua"
		package.searchpath = function() return "./second_found.lua" end
		say((require "found"))
	]])
	local made, refused = select(4, memory.images())
	test.equal((ask_often "finds_its_way"), false)
	for _ = 1, 10 do
		test.equal({ ask "finds_its_way" }, { false, "second" })
	end
	local made_now, refused_now = select(4, memory.images())
	test.equal({ made_now - made, refused_now - refused }, { 0, 3 })
end)

test.case("the reason is the last attempt's", function()
	write_service("mended", "say(os.time() > 0)")
	test.equal((ask_often "mended"), false)
	test.matches(memory.template "mended", "it calls time")
	write_service("mended", "say 'nothing'")
	codecache.clear()
	test.equal((ask_often "mended"), true)
	test.equal(memory.template "mended", nil)
end)

local CHILD = [[
	local skynet = require "skynet"
	local memory = require "reef.memory"
	require "skynet.manager"
	skynet.start(function()
		local function ask()
			local address = skynet.newservice "%s"
			local kind = skynet.call(address, "lua")
			skynet.kill(address)
			return kind
		end
		for _ = 1, 4 do io.stderr:write(ask(), "\n") end
		%s
		for _ = 1, 4 do io.stderr:write(ask(), "\n") end
		skynet.abort()
	end)
]]

---What a service says before and after that, in a process of its own.
local function say_around(name, body, change)
	launches.write(name, body)
	launches.write(name .. "_main", CHILD:format(name, change))
	local path = process.path "config"
	local file = assert(io.open(path, "w"))
	file:write(('thread = 2\nharbor = 0\nluaservice = "%s/?.lua"\nstart = "%s_main"\n'):format(test.dir, name))
	file:close()
	local code, output = process.run { test.reef, path, cwd = test.dir }
	test.equal(code, 0, output)
	local words = {}
	for word in output:gmatch "said (%w+)" do
		words[#words + 1] = word
	end
	return table.concat(words, " ")
end

local KIND = [[
	local skynet = require "skynet"
	local memory = require "reef.memory"
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack("said " .. (LOADED_BY or memory.template() and "template" or memory.copied() and "copy" or "new"))
		end)
	end)
]]

test.case("copies end when the configuration is said not to want them", function()
	test.equal(say_around("unwanted", KIND, "skynet.setenv('copy_vms', 'false')"),
		"new copy template template new new new new")
end)

test.case("a loader of others is who loads the next one", function()
	launches.write("other_loader", ("LOADED_BY = 'other' return dofile('%s/' .. (...):match '%%S+' .. '.lua')"):format(test.dir))
	test.equal(say_around("loaded", KIND, ("skynet.setenv('lualoader', '%s/other_loader.lua')"):format(test.dir)),
		"new copy template template other other other other")
end)

-- ---- memory that cannot be had, ends, and many at once ----

-- One worker, so that all that allocates is on the thread whose allocations fail.
local STARVED = [[
	local skynet = require "skynet"
	local failing = require "failing"
	require "skynet.manager"
	skynet.start(function()
		local function ask(n)
			local address = skynet.newservice("starves", n)
			local said = skynet.call(address, "lua")
			skynet.kill(address)
			return said
		end
		local failures, templates = 0, 0
		for n = %d, %d do
			local want = "said " .. n
			for i = 1, 6 do
				if i == 3 then failing.at(n) end
				local ok, said = pcall(ask, n)
				if i == 3 then failures = failures + failing.off() end
				assert(ok and said == want or i == 3, said)
			end
			local address = skynet.newservice("starves", n)
			templates = templates + (skynet.call(address, "lua", "kind") and 1 or 0)
			require("skynet.codecache").clear()
			skynet.kill(address)
		end
		io.stderr:write(("failures %%d templates %%d\n"):format(failures, templates)) -- in one piece: the log goes there, too
		skynet.abort()
	end)
]]

local STARVES = [[
	local skynet = require "skynet"
	local word = ...
	local list = {}
	for i = 1, 50 do list[i] = { name = ("some %d text"):format(i) } end
	local missing = skynet.getenv "truth_not_there"
	skynet.register_protocol { name = "other", id = 99, pack = skynet.pack, unpack = skynet.unpack }
	skynet.start(function()
		require("failing").off()
		skynet.dispatch("lua", function(_, _, kind)
			assert(#list == 50 and list[50].name == "some 50 text")
			skynet.retpack(kind and require("reef.memory").template() or "said " .. word)
		end)
	end)
]]

local function starve(from, to)
	write("starves", STARVES)
	write("starved_main", STARVED:format(from, to))
	local path = process.path "config"
	local file = assert(io.open(path, "w"))
	file:write(('thread = 1\nharbor = 0\nluaservice = "%s/?.lua"\nlua_cpath = "%s"\nstart = "starved_main"\n'):format(
		test.dir, test.reef:match "^(.*)/" .. "/tests/modules/?.so"))
	file:close()
	return process.run { test.reef, path, cwd = test.dir }
end

test.case("an attempt for which there is no memory is made again", { timeout = 240 }, function()
	local most = test.sanitizer and 150 or 300
	local code, output = starve(0, most)
	test.equal(code, 0, output:sub(-3000))
	local failures, templates = output:match "failures (%d+) templates (%d+)"
	test.between(tonumber(failures), 100, most + 1)
	test.equal(tonumber(templates), most + 1)
end)

test.case("launches, kills, and a cache that is cleared at any moment", { timeout = 240 }, function()
	write("common", "local n = 0 return { add = function(by) n = n + by return n end }")
	for i = 1, 4 do
		write("busy_" .. i, ([[
			local skynet = require "skynet"
			local common, list, word = require "common", {}, %s
			for i = 1, 40 do list[i] = { ("some text %%d"):format(i) } end
			skynet.start(function()
				collectgarbage(({ "generational", "incremental", "count", "step" })[math.random(4)])
				for i = 1, 200 do list[i %% 40 + 1] = { list[i %% 40 + 1][1], tostring(i) } end
				if math.random(8) == 1 then skynet.sleep(math.random(0, 1)) end
				if math.random(16) == 1 then error "at random" end
				skynet.dispatch("lua", function(_, _, by)
					assert(list[40][1] == "some text 40" and #list == 40)
					skynet.retpack(common.add(by), word)
				end)
			end)
		]]):format(i > 2 and "..." or "'none'"))
	end
	local started, failed = 0, 0
	test.together(16, function(who)
		for i = 1, test.count(600) do
			if i % 50 == 0 and who == 1 then
				codecache.clear()
			end
			local ok, address = pcall(skynet.newservice, "busy_" .. math.random(4), "word" .. math.random(3))
			if ok then
				local by = math.random(100)
				test.equal((skynet.call(address, "lua", by)), by)
				started = started + 1
				skynet.kill(address)
			else
				test.matches(tostring(address), "at random")
				failed = failed + 1
			end
		end
	end)
	test.equal(started + failed, 16 * test.count(600))
	test.truthy(started > failed)
end)

test.run()
