-- luacheck: no max line length
-- Scripts whose words are compared between VMs that are made anew and copies: what they say must not depend on
-- addresses or time. They have `say` and `arguments`.

---@class copy_scripts
local scripts = {}

-- Goes through everything that can be reached, in the order in which `pairs` gives it.
scripts.everything = [[
	local seen = {}
	local function walk(value, path, depth)
		local kind = type(value)
		if kind == "nil" or kind == "string" or kind == "number" or kind == "boolean" then
			say(path, value)
			return
		end
		say(path, kind, seen[value] or "new", math.type(value))
		if seen[value] or depth > 6 then
			return
		end
		seen[value] = path
		if kind == "table" then
			say(path, "#", rawlen(value))
			for k, v in next, value do
				walk(v, path .. "." .. (type(k) == "string" and k or type(k) .. (type(k) == "number" and k or "")), depth + 1)
			end
		elseif kind == "function" then
			local info = debug.getinfo(value, "Su")
			say(path, info.short_src, info.linedefined, info.what, info.nups, info.nparams, info.isvararg)
			for i = 1, info.what == "C" and 0 or info.nups do
				local name, up = debug.getupvalue(value, i)
				walk(up, path .. "^" .. i .. name, depth + 1)
			end
		elseif kind == "userdata" then
			say(path, io.type(value), tostring(value):match "^%a+")
		end
		walk(debug.getmetatable(value), path .. "~", depth + 1)
	end
	walk(_G, "_G", 0)
	walk(package.loaded, "loaded", 0)
	walk(debug.getmetatable "", "string", 0)
	walk(arguments, "arguments", 0)
	local registry = debug.getregistry()
	for _, key in ipairs { "_LOADED", "_PRELOAD", "FILE*", "LUA_NOENV", "_CLIBS", "_HOOKKEY" } do
		walk(registry[key], key, 4)
	end
	for k, v in pairs(registry) do
		if type(k) ~= "string" then
			say("registry", type(k), math.type(k) and k, type(v), #debug.traceback())
		end
	end
	say(collectgarbage "incremental", collectgarbage "isrunning", coroutine.isyieldable(), select(2, coroutine.running()))
	say(debug.gethook(), debug.traceback("here", 1))
	say(io.write == io.stdout.write, io.type(io.stdin), require "skynet" == skynet, skynet.pcall == pcall)
]]

-- Pieces of random scripts. `$n` stands for a number, `$s` for a name; what they need beside that they make. A name that was
-- taken out of a table is not put in again: where it goes depends on whether a collector has been there meanwhile.
local PIECES = {
	"local t = {} for i = 1, $n do t['$s' .. i] = i end for k, v in pairs(t) do say(k, v) end",
	"local t = { $s = 1, $s2 = 2, [$n] = 3, '$s' } t.$s = nil t.$s3 = 4 for k, v in pairs(t) do say(k, v) end say(next({}), #t)",
	"$s = $n say(_G.$s, rawget(_G, '$s')) for k in pairs(_G) do if k:find '^$s' then say(k) end end $s = nil",
	"string.$s = function(x) return #x end say(('abc'):$s()) for k in pairs(string) do say(k) end",
	"say(pcall(function() local x = nil return x.$s end))",
	"say(pcall(function() return $s.$s2 end)) say(pcall(error, { code = $n } and '$s', $n))",
	"say(select(2, pcall(error, setmetatable({}, { __tostring = function() return '$s' end }))))",
	"say(xpcall(function() error('$s', 2) end, function(m) return debug.traceback(m):gsub('0x%x+', '') end))",
	"local co = coroutine.wrap(function(...) for i = 1, $n do say(i, coroutine.yield(i, ...)) end return '$s' end) for _ = 1, $n + 1 do say(co('$s2')) end",
	"local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() say 'closed $s' end }) coroutine.yield(1) end) say(coroutine.resume(co)) say(coroutine.close(co), coroutine.status(co))",
	"local n = 0 debug.sethook(function(e, l) n = n + 1 end, 'lcr') for i = 1, $n do math.abs(i) end debug.sethook() say('hooks', n)",
	"local n = 0 debug.sethook(function() n = n + 1 end, '', $n + 1) for i = 1, 100 do local _ = i .. '$s' end debug.sethook() say('counts', n)",
	"local weak = setmetatable({}, { __mode = 'kv' }) for i = 1, $n do weak[i] = {} weak[{}] = i end weak.$s = skynet collectgarbage() for k, v in pairs(weak) do say(k, v == skynet) end",
	"do local x = setmetatable({}, { __gc = function() say 'gc $s' end }) x = nil collectgarbage() collectgarbage() end",
	"for i = 1, 200 do local _ = { i, tostring(i) .. '$s' } end collectgarbage 'step' say(collectgarbage 'isrunning')",
	"say(collectgarbage 'generational') for i = 1, 300 do local _ = { '$s' .. i } end say(collectgarbage 'incremental')",
	"local f = load('local a <const> = $n; local function $s(...) return a, ... end goto e do say(0) end ::e:: return $s(1, nil, true, not false)') say(f())",
	"say(load 'return and') say(load 'local while = 1') say(load('return _ENV.$s, ...', '=$s', 't', { $s = $n })(2))",
	"local f = load(string.dump(function(a) local t = { a, and_ = 1 } for k, v in pairs(t) do say(k, v) end return a end)) say(pcall(f, $n))",
	"local words = {} for w in ('$s $s2 and or not $n end'):gmatch '%w+' do words[#words + 1] = w end table.sort(words) say(table.concat(words, ','))",
	"say(('%5.2f|%q|%s|%x'):format($n / 3, '$s\\n', '$s2', $n)) say(('$s'):rep($n, '-'):upper():reverse())",
	"math.randomseed($n) say(math.random(1000), math.random(1000), math.random() < 1)",
	"local m = setmetatable({}, { __index = function(_, k) return k .. '$s' end, __newindex = function(t, k, v) rawset(t, k, v + 1) end, __call = function(_, ...) return select('#', ...) end, __len = function() return $n end, __eq = function() return true end, __lt = function() return true end, __concat = function() return '$s2' end, __unm = function() return 1 end }) m.x = $n say(m.x, m.y, m(1, 2), #m, m < m, m .. 1, -m)",
	"local up = { } for i = 1, 3 do up[i] = function() i = i + $n return i end end say(up[1](), up[1](), up[2](), debug.upvalueid(up[1], 1) == debug.upvalueid(up[2], 1))",
	"say(skynet.address(16), skynet.getenv 'harbor', type(skynet.now()), skynet.PTYPE_LUA, rawget(skynet, '$s'), skynet.$s)",
	"for k, v in pairs(skynet) do say(k, type(v)) end",
	"say(package.searchpath('$s', './?.lua;./?/$s2.lua')) say(pcall(require, 'no.$s')) package.preload['$s'] = function(...) return { ... } end say(#require '$s', package.loaded['$s'] ~= nil)",
	"say(utf8.char($n + 200, 8364), utf8.len '$s', string.pack('<i4z', $n, '$s'):byte(1, -1))",
	"table.insert = table.insert local old = table.concat table.concat = false say(pcall(function() return table.concat({}) end)) table.concat = old for k in pairs(table) do say(k) end",
	"getmetatable('').__index = function(s, k) return string[k] or k .. '$s' end say(('x').foo, ('x'):upper()) getmetatable('').__index = string",
	"setmetatable(string, { __mode = 'v' }) collectgarbage() say(('$s'):upper()) setmetatable(string, nil)",
	"setmetatable(_G, { __index = function(_, k) return 'no ' .. k end }) say($s2, $s3) setmetatable(_G, nil)",
	"setmetatable(os, { __gc = function() end }) collectgarbage() say(type(os.time)) setmetatable(os, nil)",
	"local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end say(deep($n * 20))",
	"say(io.stdout:seek('cur') ~= false, io.type(io.stderr), pcall(io.close) ~= nil, tostring(io.stdin):match 'file') say(os.getenv 'NO_$s', os.time { year = 2020, month = 1, day = $n % 28 + 1, hour = 12 })",
	"local long = ('$s'):rep(50) local t = { [long] = 1 } say(t[('$s'):rep(50)], #long) for k in pairs(t) do say(#k) end",
	"local r = {} for i = 1, 50 do r[i] = { r[i - 1], '$s' .. i % 7 } end r = nil collectgarbage() say(collectgarbage 'count' > 0)",
	"debug.setmetatable(1, { __index = { $s = $n } }) say((1).$s) debug.setmetatable(1, nil) say(pcall(function() return (1).$s end))",
	"skynet.init(function() say 'init $s' end)",
	"skynet.fork(function(...) say('fork', ...) skynet.sleep(0) say 'forked $s' end, $n)",
	"say(debug.getinfo(1, 'l').currentline > 0, debug.getinfo(1, 'S').what, debug.getinfo(2, 'S') and debug.getinfo(2, 'S').what, debug.getinfo(3) == nil, (debug.getlocal(1, 1)))",
}

-- The same for pieces that are felt nowhere outside the VM. `$m` is a module that the script has.
local HARMLESS = {
	"local t = {} for i = 1, $n do t['$s' .. i] = i end for k, v in pairs(t) do say(k, v) end kept_$s = t",
	"$s = { $n, { '$s2' }, $s3 = function() return $n end } say(_G.$s[1], #$s[2][1], $s.$s3())",
	"local up = {} for i = 1, 3 do up[i] = function() i = i + $n return i end end later(function() say(up[1](), up[2](), up[1]()) end)",
	"local m = require '$m' say(m.name, m.count()) later(function() say(m.count(), m == require '$m', package.loaded['$m'] == m) end)",
	"say(pcall(error, '$s', $n)) say(select(2, pcall(function() return nil .. '$s' end)))",
	"say(xpcall(function() error('$s', 2) end, debug.traceback))",
	"local Class = setmetatable({}, { __call = function(c, x) return setmetatable({ x = x }, c) end }) Class.__index = Class function Class:$s() return self.x + $n end $s2 = Class later(function() say(Class($n):$s()) end)",
	"local weak = setmetatable({}, { __mode = 'kv' }) weak.$s = skynet later(function() weak[$n] = skynet for k, v in pairs(weak) do say(k, v == skynet) end end)",
	"local f = load('local a <const> = $n; local function $s(...) return a, ... end return $s(1, nil)') say(f()) later(function() say(f()) end)",
	"local words = {} for w in ('$s $s2 and or not $n end'):gmatch '%w+' do words[#words + 1] = w end table.sort(words) say(concat(words, ','))",
	"local long = ('$s'):rep(50) .. $n kept = { [long] = 1 } later(function() say(kept[('$s'):rep(50) .. $n], #long) end)",
	"say(('%5.2f|%q|%s|%x'):format($n / 3, '$s\\n', '$s2', $n), utf8.char($n + 200, 8364), string.pack('<i4z', $n, '$s'):byte(1, -1))",
	"getmetatable('').__index = function(s, k) return string[k] or k .. '$s' end say(('x').foo) later(function() say(('x').bar) end)",
	"string.$s = function(x) return #x end later(function() for k in pairs(string) do say(k) end say(('abc'):$s()) end)",
	"math.floor = nil later(function() say(math.floor, package.path) end) package.path = package.path .. ';./$s/?.lua'",
	"skynet.init(function() say 'init $s' end) later(function() say 'later $s' end)",
	"say(skynet.getenv 'harbor', skynet.getenv '$s', skynet.PTYPE_LUA) for k, v in pairs(skynet) do if type(k) == 'string' then say(k, type(v)) end end",
	"later(function() say(math.random(0) ~= math.random(0), collectgarbage 'isrunning') math.randomseed($n) say(math.random(1000)) end)",
	"later(function() say(collectgarbage 'generational', collectgarbage 'incremental') end)",
	"later(function() local x = setmetatable({}, { __gc = function() say 'gc $s' end }) x = nil collectgarbage() for i = 1, 2000 do local _ = { i } end end)",
	"later(function() skynet.fork(function(...) say('forked', ...) end, $n) end)",
	"local co = coroutine.isyieldable() say(co, select(2, coroutine.running())) later(function() say(coroutine.isyieldable()) end)",
	"say(debug.getinfo(1, 'l').currentline > 0, debug.getinfo(1, 'S').what, debug.getinfo(2, 'S').what, debug.getinfo(3) == nil)",
	-- What the collector and the table's memory of absent metamethods have to notice in what is old from the beginning.
	"local old = { {}, {} } later(function() for i = 1, 300 do old[i % 2 + 1] = { old[i % 2 + 1][1], i, '$s' .. i } end collectgarbage 'step' for i = 1, 300 do local _ = { i } end say(old[1][2], old[2][3]) end)",
	"local up = 0 local function set(v) up = v end later(function() set { '$s' } collectgarbage 'step' for i = 1, 500 do local _ = { i } end collectgarbage 'step' say(up[1]) end)",
	"local meta = {} local object = setmetatable({}, meta) say(object.x) later(function() meta.__index = function(_, k) return k .. '$s' end meta.__len = function() return $n end collectgarbage() say(object.x, #object) end)",
	"local object = setmetatable({}, {}) later(function() setmetatable(object, { __call = function(_, x) return x + $n end }) for i = 1, 500 do local _ = { i } end say(object(1)) end)",
	"later(function() collectgarbage($n % 2 == 0 and 'generational' or 'incremental', $n * 5, $n * 20) local keep = {} for i = 1, 400 do keep[i % 10 + 1] = { keep[1], '$s' .. i } end collectgarbage($n % 3 == 0 and 'step' or 'collect') say(#keep, keep[1][2]) end)",
	"later(function() collectgarbage 'stop' for i = 1, 300 do kept_$s = { kept_$s, i } end say(collectgarbage 'isrunning') collectgarbage 'restart' collectgarbage() say(kept_$s[2]) kept_$s = nil end)",
	"local weak = setmetatable({}, { __mode = ({ 'k', 'v', 'kv' })[$n % 3 + 1] }) later(function() for i = 1, $n do weak[{}] = { i } end weak[1] = weak collectgarbage() collectgarbage() say(next(weak), next(weak, 1)) end)",
	"local t = {} for i = 1, $n do t['$s' .. i] = i end local k = next(t) t[k] = nil later(function() local sum = 0 for _, v in next, t, k do sum = sum + v end say(sum) for i = 1, $n do t['$s' .. i] = -i end for i = 1, $n do say(t['$s' .. i]) end end)",
	"local t = { [true] = $n, [false] = 1, [$n / 2] = 2, [-$n] = 3 } t[false] = nil later(function() t[false] = '$s' for k, v in pairs(t) do say(k, v) end end)",
	"local index, mt = ('__in'):rep(1) .. 'dex', {} mt[index] = function() return '$s' end later(function() say(setmetatable({}, mt).nothing) end)",
	"local f = load('local fun' .. 'ction $s() return nil, true end re' .. 'turn $s') later(function() say(f()()) say(load('re' .. 'turn not nil, #\\'$s\\'')()) end)",
	"say(xpcall(error, function(m) return '$s ' .. m end, '$n')) say(select(2, xpcall(function() local x <close> = setmetatable({}, { __close = function(_, e) error(e .. '!', 0) end }) error('$s', 0) end, function(m) return m .. '?' end)))",
	"skynet.timeout(0, function() say 'timeout $s' end) skynet.start(function() say 'start $s' end)",
	"later(function() local co = coroutine.wrap(function(a) while true do a = coroutine.yield(a + $n) end end) say(co(1), co(2)) end)",
	"say(select('#', ...), ...) local words = table.pack(...) later(function() say(words.n, concat(words, '|')) end)",
	"say(pcall(skynet.register_protocol, { name = '$s', id = 100 + $n, pack = skynet.pack, unpack = skynet.unpack })) later(function() say(pcall(skynet.register_protocol, { name = '$s', id = 101 + $n })) end)",
	"package.preload['$s'] = function(...) say(...) return $n % 2 == 0 and '$s2' or nil end say(require '$s', package.loaded['$s']) later(function() say((require '$s')) end)",
	"local outer = _ENV local _ENV = setmetatable({}, { __index = outer }) $s = $n later(function() say($s, outer.$s ~= $s) $s = '$s2' say($s) end)",
	"local function f() return '$s' end local t = { [f] = 1, [print] = $n } later(function() say(t[f], t[print]) t[f] = nil say(t[f]) end)",
	"say(skynet.getenv 'missing_$s') say(skynet.packstring({ $n, $s = '$s2' }, '$s'):byte(1, -1))",
	"for _, name in ipairs { 'socket', 'sharetable', 'queue', 'manager', 'crypt', 'db.redis', 'netpack' } do if #name % 5 == $n % 5 then say(type(require('skynet.' .. name))) end end",
}

-- Writes to the libraries' tables, which copies read in common until then.
local LIBRARIES = {
	"local lib = ({ string, math, table, os, utf8, coroutine, debug, io })[$n % 8 + 1] lib.mine_$s = $n lib.mine_$s2 = '$s' for k, v in pairs(lib) do say(k, type(v)) end",
	"local lib, name = table.unpack(({ { math, 'acos' }, { os, 'difftime' }, { utf8, 'offset' }, { string, 'packsize' }, { debug, 'upvaluejoin' } })[$n % 5 + 1]) lib[name] = nil say(lib[name], rawget(lib, name)) for k in next, lib do say(k) end",
	"for _, lib in ipairs { string, math, table, os, utf8, coroutine } do for k, v in pairs(lib) do lib[k] = v say(k) end end",
	"rawset(os, '$s', $n) rawset(math, $n, '$s2') rawset(debug, $n / 2, true) say(rawget(os, '$s'), math[$n], debug[$n / 2], rawequal(os, os)) for k in next, math do say(k) end",
	"setmetatable(utf8, { __index = function(_, k) return k .. '$s' end, __newindex = function(t, k, v) rawset(t, k, v .. '!') end }) utf8.$s2 = '$s' say(utf8.$s2, utf8.no_$n, utf8.char(65)) setmetatable(utf8, nil)",
	"local list = ({ os, table, utf8 })[$n % 3 + 1] local move = table.move for i = #list, 1, -1 do list[i] = nil end table.insert(list, 1, '$s') table.insert(list, '$s2') say(table.remove(list, 1), table.concat(list, ','), (table.unpack(list, 1, 1))) move({ 1, 2, 3 }, 1, 3, 2, list) say(list[2], list[4])",
	"setmetatable(coroutine, { __mode = ({ 'k', 'v', 'kv' })[$n % 3 + 1] }) collectgarbage() collectgarbage() say(type(coroutine.wrap), next(coroutine) ~= nil) setmetatable(coroutine, nil)",
	"collectgarbage($n % 2 == 0 and 'generational' or 'incremental') debug.held_$s = { '$s2' } string.held_$s = { { '$s' } } for i = 1, 400 do local _ = { i } end collectgarbage 'step' for i = 1, 400 do local _ = { i } end say(debug.held_$s[1], string.held_$s[1][1]) collectgarbage 'incremental' debug.held_$s[2] = {} collectgarbage() say(#debug.held_$s, string.held_$s[1][1])",
	"local k = next(math) for _ = 1, $n do k = next(math, k) end math[k] = k == 'pi' and 3 or math[k] say(k, (next(math, k))) math.huge = $n say(math.huge)",
	"local t = setmetatable({}, string) string.__index = string string.__call = function() return '$s' end say(t(), t.rep == string.rep) string.__call = false",
	"local old = string.rep string.rep = function() return '$s' end say(('x'):rep(3)) string.rep = old say(('x'):rep(3)) for k in pairs(string) do say(k) end",
	"say(#skynet.packstring({ pi = math.pi, huge = math.maxinteger }) > 0, pcall(skynet.packstring, math))",
}

-- The same for tables of the script's own, and of its modules, that are the same in all copies.
local CONSTANTS = {
	"local t = { alpha = 1, beta = false, $s = '$s2', 1, 2, 3 } later(function() t.$s3 = $n t.alpha = nil for k, v in pairs(t) do say(k, v) end say(#t, t.$s) end)",
	"local t = { 5, 6, 7, 8 } later(function() t[$n] = '$s' say(#t, rawlen(t), t[1], t[$n]) for k, v in pairs(t) do say(k, v) end end)",
	"local t = { 9, 4, 7, 1 } later(function() table.sort(t) say(concat(t, ',')) table.insert(t, $n) say(table.remove(t, 2), #t, (table.unpack(t))) end)",
	"local f = { one = function() return 1 end, two = function(x) return x end } later(function() say(f.one(), f.two '$s') f.one = nil f.$s = f.two for k in pairs(f) do say(k) end end)",
	"local t = { alpha = 1, beta = 2, gamma = 3 } later(function() for k, v in pairs(t) do t[k] = v * $n if v == 2 then t[k] = nil end end for k, v in next, t do say(k, v) end end)",
	"local t = { alpha = { 1, 2 }, beta = { one = 1, two = '$s' } } later(function() t.alpha[3] = $n t.beta.two = nil say(#t.alpha, t.alpha[3], t.beta.one, t.beta.two) end)",
	"local t = setmetatable({ alpha = 1, $s = 2 }, { __index = function(_, k) return k end, __newindex = function(self, k, v) rawset(self, k, v + 1) end }) later(function() t.$s2 = $n t.alpha = 5 say(t.$s2, t.alpha, t.$s, t.none) end)",
	"local t = setmetatable({ alpha = 1, $s = 2 }, { __mode = 'kv' }) later(function() collectgarbage() collectgarbage 'step' t.made = {} t.$s3 = $n collectgarbage() collectgarbage() say(t.alpha, t.$s, t.$s3, t.made) end)",
	"local t = { alpha = 1, 2 } later(function() collectgarbage 'generational' t.alpha = { '$s' } t[1] = { $n } for i = 1, 500 do local _ = { i } end collectgarbage 'step' for i = 1, 500 do local _ = { i } end say(t.alpha[1], t[1][1]) collectgarbage 'incremental' collectgarbage() say(t.alpha[1], t[1][1]) end)",
	"local t = { alpha = 1, [0.5] = 2, [true] = 3, [-$n] = 4, [1 << 40] = 5 } later(function() t[0.5], t[false] = nil, '$s' for k, v in pairs(t) do say(k, v) end say(#skynet.packstring(t)) end)",
	"local meta = { __index = { alpha = 1 }, __len = function() return $n end } local plain = { 1 } later(function() say(#setmetatable(plain, meta), plain.alpha) meta.__len = nil meta.__index.alpha = '$s' say(#plain, plain.alpha, getmetatable(plain) == meta) end)",
	"local t = { alpha = 1 } later(function() local ok, e = pcall(function() t[nil] = 1 end) say(ok, e, pcall(rawset, t, 0 / 0, 1), pcall(next, t, 'none'), next(t)) t = nil collectgarbage() collectgarbage() end)",
	-- Writes that do not go by a field's name: an environment, numbers that are whole, the end of a list.
	"local t = { alpha = 1, beta = 2, print = print, 5 } later(function() say(pcall(load('alpha = $n gamma = beta beta = nil return alpha, gamma, beta, x', '=c', 't', t))) for k in pairs(t) do say(k) end local _ENV = t alpha = alpha + 1 delta = alpha end) later(function() say(t.alpha, t.delta) end)",
	"local t = { 1, 2, 3, 4, 5, 6, 7 } t[7] = nil t[5] = nil later(function() say(#t, rawlen(t), #t) t[$n % 7 + 1.0] = '$s' say(#t) while #t > 0 do t[#t] = nil say(#t) end for i = 1, $n do t[#t + 1] = i end say(concat(t, ',')) end)",
	"local t = { 1, nil, 3, nil, 5, false } later(function() for k, v in pairs(t) do say(k, v) end say(#t, t[2], t[6]) t[2] = 2 t[4] = '$s' for i, v in ipairs(t) do say(i, v) end say(select('#', table.unpack(t, 1, $n))) end)",
	"local t, u = { 1, 2, 3, alpha = 1 }, { 7, 8, beta = '$s' } later(function() table.move(t, 1, 3, $n % 3 + 1, u) table.move(t, 1, 3, 2) for k, v in next, u do say(k, v) end say(concat(t, ',')) end)",
	"local t = { alpha = 1, $s = 2 } later(function() setmetatable(t, { __gc = function(o) say('gc', o.alpha, o.$s) o.alpha = 2 o.held = { o } say(o.alpha) end }) local holder = { t, t = t } say(holder.t == t) holder = nil t = nil collectgarbage() collectgarbage() end)",
	"local meta = { __index = print, alpha = 1 } later(function() local o = setmetatable({}, meta) meta.__index = function(_, k) return k .. '$s' end say(o.x) meta.__close = function() say 'closed $s' end do local _ <close> = o end meta.__gc = function() say 'not me' end meta.__mode = 'k' o[{}] = 1 collectgarbage() say(next(o), getmetatable(o) == meta) end)",
	"local t = { alpha = 1, beta = 2, 3 } later(function() local n = 0 debug.sethook(function() n = n + 1 t.alpha = n end, '', 7) for i = 1, 50 do t.beta = i t[i] = i end debug.sethook() say(t.alpha, t.beta, #t, n) end)",
	"local t = { alpha = 1, beta = 2, gamma = 3, delta = 4 } later(function() local co = coroutine.wrap(function() for k, v in pairs(t) do t[k] = v + $n coroutine.yield(k, v) t[k] = nil end end) for _ = 1, 4 do say(co()) end co() t.$s = 1 say(next(t)) end)",
	-- Who reads tables in C, and who freezes them.
	"local t, list = { alpha = 1, beta = '$s', gamma = true, delta = $n / 2 }, { 1, '$s', 3, false } later(function() local bson, json = require 'bson', require 'reef.json' say(skynet.packstring(t, list):byte(1, -1)) local function encode(v) local all = {} for k, x in pairs(bson.encode(v):decode()) do all[#all + 1] = k .. (type(x) == 'table' and #x or tostring(x)) end say(concat(all, ' ')) end encode(t) encode { list = list } say(json.encode(list), json.encode(t)) list[5] = t t.alpha = list[1] say(json.encode(t), #list) encode { list = list } end)",
	"local t = { alpha = 1, beta = '$s', 5, 6, [40] = true, f = function() return 1 end } later(function() local sharetable = require 'skynet.sharetable' sharetable.loadtable('lent_$s', t) local q = sharetable.query 'lent_$s' for k, v in pairs(q) do say(k, type(v) == 'function' and v() or v) end t.alpha = q say(#q, pcall(rawset, q, 'alpha', 2)) t[1] = '$s3' t.beta = nil t.alpha = $n sharetable.loadtable('lent_$s', t) sharetable.update 'lent_$s' for k, v in pairs(q) do say(k, type(v) == 'function' and v() or v) end end)",
	"local m = require '$m' later(function() m.constant.$s = $n m.constant.alpha = nil for k, v in pairs(m.constant) do say(k, v) end table.insert(m.constant, '$s') say(#m.constant, m.functions.one(), m.functions.two) m.functions.two = m.functions.one end)",
}

local NAMES = { "alpha", "beta", "x", "name", "self", "index", "gamma_1", "Item", "value", "key", "_y", "long_name_of_a_field" }

---Returns a function that makes another script each time.
---@param seed integer
---@param harmless? boolean only what templates may do, before their start function and in it
function scripts.generator(seed, harmless)
	local pieces = table.move(harmless and HARMLESS or PIECES, 1, harmless and #HARMLESS or #PIECES, 1, {})
	for _, piece in ipairs(LIBRARIES) do
		pieces[#pieces + 1] = harmless and ("later(function() %s end)"):format(piece) or piece
	end
	table.move(CONSTANTS, 1, harmless and #CONSTANTS or 0, #pieces + 1, pieces)
	-- Not math.random, which others use, too.
	local state = seed & 0x7fffffff
	local function choose(n)
		state = (state * 1103515245 + 12345) & 0x7fffffff
		return (state >> 8) % n + 1
	end
	return function()
		local lines = {}
		for i = 1, choose(12) do
			local names = {
				["$n"] = tostring(choose(20)), ["$s"] = NAMES[choose(#NAMES)] .. "_1", ["$s2"] = NAMES[choose(#NAMES)] .. "_2",
				["$s3"] = NAMES[choose(#NAMES)] .. "_3", ["$m"] = "module_" .. choose(4),
			}
			lines[i] = "do " .. pieces[choose(#pieces)]:gsub("%$%a%d?", names) .. " end"
		end
		return table.concat(lines, "\n") .. "\n"
	end
end

-- What is done with one table `t`, or with another one, `u`. `$k` stands for a key, `$v` for a value.
local DEEDS = {
	"t[$k] = $v", "t[$k] = nil", "rawset(t, $k, $v)", "t.alpha, t.beta = $v, $v", "t[$n] = $v t[$n] = t[$n]", "show(t)",
	"say(word(t[$k]), word(rawget(t, $k)), word(t.alpha), word(t[$n]))",
	"for k in pairs(t) do say(word(k)) t[k] = $v end", "local k = next(t) if k ~= nil then t[k] = nil for x in next, t, k do say(word(x)) end end",
	"local n = 0 for k in next, t do n = n + 1 if n % 3 == $n % 3 then t[k] = nil end end",
	"list(t) table.insert(t, $n) table.insert(t, 1, $n) say(word(table.remove(t, 1)), word(table.remove(t)), #t)",
	"list(t) table.sort(t) say(concat(t, ',', 1, #t))", "while #t > 0 do t[#t] = nil end t[1] = $v",
	"table.move(t, 1, $n, $n, u) say(select('#', table.unpack(t, 1, $n)))", "setmetatable(t, { __mode = 'kv' }) collectgarbage()",
	"setmetatable(t, { __index = u, __newindex = function(self, k, v) rawset(self, k, v) end })", "setmetatable(t, nil)",
	"setmetatable(t, { __gc = function(o) o.alpha = nil o.gone = $v end })", "rawset(t, '__index', $v) setmetatable({}, t) rawset(t, '__index', nil)",
	"collectgarbage()", "collectgarbage 'generational'", "collectgarbage 'incremental'", "for i = 1, $n do t['made_' .. i] = { i } end",
	"for i = 1, 20 do t['made_' .. i] = nil end", "tables[$i] = u", "tables[$i] = {}", "say(#t, rawlen(t), next(t) == nil)",
	"local sum = 0 for i, v in ipairs(t) do sum = sum + i t[i] = $v end say(sum)", "load('alpha = $n delta = beta', '', 't', t)() say(word(t.delta))",
	"local co = coroutine.wrap(function() t[$k] = coroutine.yield(word(t[$k])) end) say(co()) co($v)", "pcall(rawset, t, nil, 1) pcall(rawset, t, 0 / 0, 1)",
}

---Returns a function that makes another script each time: its tables are made while it loads, and written by its start
---function. Where an entry goes that was taken out before depends on when a collector has run, so none runs by itself.
---@param seed integer
function scripts.tables(seed)
	local state = seed & 0x7fffffff
	local function choose(n)
		state = (state * 1103515245 + 12345) & 0x7fffffff
		return (state >> 8) % n + 1
	end
	local names = { "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "x", "y" }
	local function key()
		local kind = choose(9)
		return kind <= 4 and ("'%s'"):format(names[choose(#names)]) or kind <= 6 and tostring(choose(12))
			or kind == 7 and tostring(choose(40) / 2) or kind == 8 and tostring(choose(2) == 1)
			or ({ "print", "-" .. choose(9), "1 << 40", "('%s'):rep(9, ' ')", "'with ' .. " .. choose(5) })[choose(5)]:format(names[choose(#names)])
	end
	local function value()
		local kind = choose(9)
		return kind == 1 and ("'%s'"):format(names[choose(#names)]) or kind == 2 and tostring(choose(100) / 8) or kind == 3 and "false"
			or kind == 4 and "math.abs" or kind == 5 and ("function() return %d end"):format(choose(9)) or tostring(choose(100))
	end
	local function own_value()
		return choose(4) == 1 and ("{ %s }"):format(value()) or choose(9) == 1 and ("'made ' .. %d"):format(choose(50)) or value()
	end
	local function expand(text)
		return (text:gsub("%$(%a)", function(what)
			return what == "k" and key() or what == "v" and own_value() or what == "i" and tostring(choose(5)) or tostring(choose(14))
		end))
	end
	return function()
		local lines = { [[
			local math, print, table, next, type, rawset = math, print, table, next, type, rawset
			local tables = {}
			local function word(v) return (type(v) == "table" or type(v) == "function" or type(v) == "userdata") and type(v) or v end
			local function show(t) for k, v in next, t do say(word(k), word(v)) end say("#", #t, rawlen(t)) end
			local function list(t) for i = #t, 1, -1 do if type(t[i]) ~= "number" then t[i] = i end end end
			later(function() collectgarbage() collectgarbage() collectgarbage "stop" for _, t in ipairs(tables) do show(t) end end)]] }
		for i = 1, 5 do
			local entries = {}
			for k = 1, choose(14) - 1 do
				entries[k] = choose(3) == 1 and value() or ("[%s] = %s"):format(key(), choose(12) == 1 and own_value() or value())
			end
			lines[#lines + 1] = ("tables[%d] = { %s }"):format(i, table.concat(entries, ", "))
			for _ = 1, choose(4) - 1 do
				lines[#lines + 1] = ("tables[%d][%s] = nil"):format(i, key())
			end
		end
		lines[#lines + 1] = "later(function()"
		for _ = 1, choose(40) do
			lines[#lines + 1] = expand("say(pcall(function() local t, u = tables[$i], tables[$i] ") .. expand(DEEDS[choose(#DEEDS)]) .. " end))"
		end
		lines[#lines + 1] = "for _, x in ipairs(tables) do show(x) end collectgarbage 'restart' collectgarbage 'incremental' end)"
		return table.concat(lines, "\n") .. "\n"
	end
end

return scripts
