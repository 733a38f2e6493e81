-- timeout: 300
-- Random stores of shared rows and strings into every kind of place that Lua has, between steps of the collector
-- and new versions: each place shows the new data, and what was removed is nowhere read.
local skynet = require "skynet"
local sharetable = require "skynet.sharetable"
local sheets = require "reef.datasheet"
local test = require "test"

local ROWS, VERSIONS = 20, test.count(80)

local function data(v)
	local t = { v = v, rows = {} }
	for i = 1, ROWS do
		t.rows[i] = { v = v, i = i, name = ("row %d of %d"):format(i, v), long = ("%d of %d "):format(i, v):rep(10) }
	end
	t.now_and_then = v % 3 == 0 and { v = v } or nil
	return t
end

-- A place is a function that returns what was put there.
local READER = [==[
	local what, seed = ...
	local sharetable, sheets = require "skynet.sharetable", require "reef.datasheet"
	local skynet = require "skynet"
	math.randomseed(seed)
	local random = math.random
	local registry, saved = debug.getregistry(), nil

	local function closed(x) return function() return x end end
	local kinds = {
		function(x) local t = { a = 1 } for k in next, t do t[k] = x end return function() return t.a end end,
		function(x) local t = {} rawset(t, random(3), x) return function() return (select(2, next(t))) end end,
		function(x) local t = { [x] = true } return function() return (next(t)) end end,
		function(x) local t = { 1, 2, x, x } return function() return t[4] end end,
		function(x) local t = table.move({ x, x }, 1, 2, 3, {}) return function() return t[3] end end,
		function(x)
			local t = { {}, {}, x }
			table.insert(t, 1, x)
			table.remove(t)
			return function() return t[1] end
		end,
		function(x)
			local order, t = { [x] = 1 }, { 5, x, 7 }
			table.sort(t, function(a, b) return (order[a] or a) < (order[b] or b) end)
			return function() return t[1] end
		end,
		function(x)
			local t = table.pack(table.unpack({ x, 2, x }))
			for i = 1, 40 do t[i + 3] = i end
			return function() return t[1] end
		end,
		function(x) local t = setmetatable({}, { __mode = "k" }) t[x] = x return function() return (next(t)) end end,
		function(x) local t = setmetatable({}, { __mode = "v" }) t[1] = x return function() return t[1] end end,
		function(x)
			local key, t = {}, setmetatable({}, { __mode = "k" })
			t[key] = { x }
			return function() return t[key][1] end
		end,
		closed,
		function(x)
			local f
			do
				local i = 0
				::again::
				local y = x
				f = f or function() return y end
				i = i + 1
				if i < 3 then goto again end
			end
			return f
		end,
		function(x)
			local f
			pcall(function() local y = x f = function() return y end error "away" end)
			return f
		end,
		function(x)
			local f
			local co = coroutine.create(function() local y <close> = nil local z = x f = function() return z, y end
				coroutine.yield() end)
			coroutine.resume(co)
			coroutine.close(co)
			return function() return (f()) end
		end,
		function(x) -- of a coroutine that nobody has any more
			local f
			coroutine.wrap(function() local y = x f = function() return y end coroutine.yield() end)()
			return f
		end,
		function(x) -- put there while that may be dead
			local get, set
			coroutine.wrap(function()
				local y
				get, set = function() return y end, function(new) y = new end
				coroutine.yield()
			end)()
			collectgarbage "step"
			set(x)
			return get
		end,
		function(x)
			local co = coroutine.wrap(function(y) while true do coroutine.yield(y) end end)
			co(x)
			return co
		end,
		function(x) -- the error of a dead coroutine
			local co = coroutine.create(function() error(x, 0) end)
			local _, e = coroutine.resume(co)
			return closed(e)
		end,
		function(x)
			local f = closed()
			debug.setupvalue(f, 1, x)
			return f
		end,
		function(x)
			local f = closed(1)
			debug.upvaluejoin(f, 1, closed(x), 1)
			return f
		end,
		function(x)
			local co = coroutine.wrap(function()
				local y = 1
				debug.setlocal(1, 1, x)
				while true do coroutine.yield(y) end
			end)
			co()
			return co
		end,
		function(x)
			if type(x) ~= "table" then return closed(x) end
			local t = setmetatable({}, x)
			return function() return getmetatable(t) end
		end,
		function(x) local key = {} registry[key] = x return function() return registry[key] end end,
		function(x) -- a finalizer brings it back
			local t = setmetatable({}, { __gc = function(t) saved = t end })
			t.x = x
			t = nil
			collectgarbage()
			local back = saved
			return function() return back.x end
		end,
		function(x) -- in a coroutine of the runtime's
			local f
			skynet.fork(function() local y = x f = function() return y end skynet.sleep(random(5)) end)
			skynet.yield()
			return f
		end,
	}

	local function query()
		return what == "table" and sharetable.query "places" or sheets.query "places"
	end
	local T, places = query(), {}

	local function put()
		local i, choice, place = random(#T.rows), random(4), {}
		local x = T.rows[i]
		place.i = i
		if choice <= 2 then
			x = choice == 1 and x.name or x.long
			place.text = ("%s!"):format(x):sub(1, -2)
		elseif choice == 3 and T.now_and_then then
			x, place.goes = T.now_and_then, true
		end
		place.kind = random(#kinds)
		local ok, get = pcall(kinds[place.kind], x) -- a finalizer's update may take it away meanwhile
		assert(ok or place.goes, get)
		place.get = ok and get or closed()
		places[random(60)] = place
	end

	local function check(place)
		local x = place.get()
		if place.text then
			assert(x == place.text and #x == #x:upper(), "place of kind " .. place.kind)
		elseif place.goes then
			local ok, v = pcall(function() return x and x.v end)
			assert(ok and (not v or v == T.v) or v:find "was removed", "place of kind " .. place.kind)
		else
			assert(x and x.v == T.v and x.i == place.i and rawequal(x, T.rows[place.i]), "place of kind " .. place.kind)
		end
	end

	local collect = {
		function() collectgarbage "step" end,
		function() collectgarbage("step", random(10)) end,
		collectgarbage,
		function() collectgarbage("incremental", 50, random(400), random(8)) end,
		function() collectgarbage "generational" end,
		function() collectgarbage "stop" end,
		function() collectgarbage "restart" end,
	}

	-- While the collector runs others' code.
	local function leave_update()
		setmetatable({}, { __gc = function()
			if what == "table" then sharetable.update "places" end
			if not done then leave_update() end
		end })
	end
	leave_update()

	function round()
		for _ = 1, 30 do
			put()
			if random(5) == 1 then collect[random(#collect)]() end
		end
		if what == "table" then sharetable.update "places" end
		for _, place in pairs(places) do check(place) end
		if random(20) == 1 then places = {} end
	end
]==]

test.case("every place shows the new data", { timeout = 280 }, function()
	sharetable.loadtable("places", data(0))
	sheets.publish { places = data(0) }
	local readers = {}
	for i = 1, 4 do
		readers[i] = test.service "share_reader"
		skynet.call(readers[i], "lua", READER, i % 2 == 0 and "table" or "sheet", test.seed + i)
	end
	for v = 1, VERSIONS do
		sharetable.loadtable("places", data(v))
		sheets.publish { places = data(v) }
		for _, reader in ipairs(readers) do
			skynet.call(reader, "lua", "round()")
		end
		if v % 5 == 0 then
			sheets.collect()
		end
	end
	for _, reader in ipairs(readers) do
		skynet.call(reader, "lua", "done = true")
	end
end)

test.run()
