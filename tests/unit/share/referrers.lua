-- A random program: values of a shared table go to places of all kinds and away again, between steps of the collector
-- and updates.
-- luacheck: globals publish query update userdata set_user_value closure copy sweep check
math.randomseed(...)
local random = math.random

local function publish_data(v)
	publish("data", ([[
		local row = { v = V, name = "the name of row V" }
		return {
			row = row, list = { row, { V }, "text V", ("long V"):rep(20) }, mt = { __index = { V } },
			make = function(x) return function() return x, V end end,
		}]]):gsub("V", tostring(v)))
end

publish_data(0)
local T
if random(2) == 1 then
	T = query "data"
end
local version = 0
local kept = {} -- what is not garbage yet

local function value()
	if not T then
		return {}
	end
	local values = { T.row, T.list, T.list[2], T.list[3], T.list[4], T.row.name, T.mt, T.make, {}, 1 }
	return values[random(#values)]
end

local function keep(x)
	kept[random(30)] = x
end

local function closed_upvalue()
	local x = value()
	return function(new)
		local old = x
		x = new
		return old
	end
end

-- Whoever refers to something is noted before a finalizer can run.
local missed

local function look()
	missed = missed or check()
end

local function leave_to_the_collector()
	setmetatable({}, { __gc = function()
		look()
		if random(2) == 1 then
			leave_to_the_collector()
		end
	end })
end

local made = {}
local steps = {
	function() keep { value() } end,
	function() keep { [value()] = true } end,
	function() keep(setmetatable({}, T and T.mt)) end,
	function()
		local u = userdata()
		set_user_value(u, value())
		keep(u)
	end,
	function()
		local u = userdata()
		debug.setmetatable(u, T and T.mt)
		keep(u)
	end,
	function() keep(closed_upvalue()) end,
	function()
		local f = made[random(20)] or closed_upvalue()
		f(value())
		made[random(20)] = f
	end,
	function()
		local f = made[random(20)]
		if f then
			debug.setupvalue(f, 1, value())
		end
	end,
	function() keep(closure(value(), value())) end,
	function()
		local f = closure(1, 2)
		debug.setupvalue(f, random(2), value())
		keep(f)
	end,
	function() keep(string.gmatch(T and T.row.name or "text", ".")) end,
	function() -- a coroutine goes, and what it had open is closed
		local get
		local co = coroutine.wrap(function()
			local x = value()
			get = function() return x end
			coroutine.yield()
		end)
		co()
		keep(random(2) == 1 and get or { get, co })
	end,
	function() keep(T and T.make(value())) end,
	function()
		local t = { value(), field = value() }
		local from = setmetatable({ a = 1, field = value() }, random(2) == 1 and T and T.mt or nil)
		keep { t, copy(from) }
	end,
	function() kept[random(30)] = nil end,
	function() kept = {} end,
	function() made[random(20)] = nil end,
	function() -- and while it is dead and not freed yet
		local co = coroutine.wrap(function()
			local x = value()
			keep(function() return x end)
			coroutine.yield()
		end)
		co()
		co = nil
		sweep()
	end,
	leave_to_the_collector,
	function() collectgarbage("incremental", random(2) * 50, 1000, 1) end,
	function() collectgarbage "step" end,
	function() collectgarbage("step", 1) end,
	function() collectgarbage() end,
	function()
		version = version + 1
		publish_data(version)
		update()
		T = query "data"
	end,
}

for _ = 1, 200 do
	steps[random(#steps)]()
	look()
	if missed then
		error(missed .. " refers to a shared object and is not noted")
	end
end
