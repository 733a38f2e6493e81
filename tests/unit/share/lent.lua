-- A random script about tables, by its number. Returns what it has seen, which does not depend on addresses,
-- nor, if the collector does not run by itself, on when it runs: a key that it has marked as dead comes back elsewhere.
-- `lend` has parts of a table lent, or does nothing but collect; nothing else may tell the difference.
local seed, by_itself, lend = ...
local state = seed * 2862933555777941757 + 3037000493
local out = {}

local function choose(n)
	state = state * 6364136223846793005 + 1442695040888963407
	return (state >> 33) % n + 1
end

-- The same in all VMs: objects would be named by their address.
local function show(v)
	local kind = type(v)
	return (kind == "table" or kind == "function") and kind or tostring(v)
end

local function say(...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = show(words[i])
	end
	out[#out + 1] = table.concat(words, " ")
end

local NAMES = { "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa" }

local function key()
	local kind = choose(6)
	return kind <= 3 and NAMES[choose(#NAMES)]
		or kind == 4 and choose(12)
		or kind == 5 and choose(40) / 2
		or choose(2) == 1
end

local function constant()
	local kind = choose(6)
	return kind == 1 and NAMES[choose(#NAMES)]
		or kind == 2 and choose(100) / 8
		or kind == 3 and true
		or kind == 4 and math.abs
		or choose(100)
end

local function value()
	return choose(5) == 1 and { constant() } or choose(9) == 1 and "made_" .. choose(50) or constant()
end

local function new_table()
	local t = {}
	if choose(2) == 1 then
		for i = 1, choose(10) - 1 do
			t[i] = constant()
		end
	end
	for _ = 1, choose(12) - 1 do
		t[key()] = constant()
	end
	for _ = 1, choose(4) - 1 do
		t[key()] = nil
	end
	return t
end

local function show_all(t)
	for k, v in next, t do
		say(k, v)
	end
	say("#", #t, rawlen(t))
end

-- Lists without holes, whose length is known.
local function list(t)
	for i = #t, 1, -1 do
		if type(t[i]) ~= "number" then
			t[i] = i
		end
	end
	return t
end

local tables = {}

local DEEDS = {
	function(t)
		t[key()] = value()
	end,
	function(t)
		t[key()] = nil
	end,
	function(t)
		rawset(t, key(), value())
	end,
	function(t)
		t.alpha, t.beta = value(), value()
	end,
	function(t)
		t[choose(5)] = value()
	end,
	function(t)
		local i = choose(5)
		t[i] = t[i + 1]
	end,
	function(t)
		say(t[key()], rawget(t, key()), t.alpha, t[choose(4)])
	end,
	show_all,
	-- Writing to what is there does not disturb a traversal.
	function(t)
		local stop = choose(6)
		for k, v in pairs(t) do
			say(k, v)
			stop = stop - 1
			if stop < 3 then
				t[k] = stop == 2 and value() or nil
			end
		end
	end,
	function(t)
		local k = next(t)
		while k ~= nil and choose(4) > 1 do
			k = next(t, k)
		end
		if k ~= nil then
			t[k] = nil
			for x, y in next, t, k do
				say(x, y)
			end
		end
	end,
	function(t)
		table.insert(list(t), choose(100))
		table.insert(t, 1, choose(100))
		say(table.remove(t, 1), table.remove(t), #t)
	end,
	function(t)
		table.sort(list(t))
		say(table.concat(t, ",", 1, #t))
	end,
	function(t)
		table.move(t, 1, choose(4), choose(4), tables[choose(#tables)])
		say(select("#", table.unpack(t, 1, choose(4))))
	end,
	function(t)
		local mode = ({ "k", "v", "kv" })[choose(3)]
		setmetatable(t, { __mode = mode })
		if choose(2) == 1 then
			collectgarbage()
			collectgarbage()
		end
	end,
	function(t)
		setmetatable(t, {
			__index = choose(2) == 1 and tables[choose(#tables)] or nil,
			__newindex = choose(2) == 1 and function(self, k, v)
				rawset(self, k, v)
			end or nil,
			__gc = choose(3) == 1 and function() end or nil,
		})
	end,
	function(t)
		setmetatable(t, nil)
	end,
	function(t)
		-- It is the metatable itself, then.
		local object = setmetatable({}, t)
		rawset(t, "__index", NAMES[choose(2)] == "alpha" and function(_, k)
			return k
		end or nil)
		say(object.gamma)
		rawset(t, "__index", nil)
	end,
	function()
		tables[choose(#tables)] = new_table()
	end,
	function()
		lend(tables[choose(#tables)])
	end,
	function(t)
		lend(t)
		t[next(t) or 1] = value()
	end,
	function()
		local modes = { "incremental", "generational", "collect", "step" }
		collectgarbage(modes[choose(by_itself and 4 or 3)])
	end,
	function(t)
		for i = 1, choose(60) do
			t["made_" .. i] = { i }
		end
		for i = 1, 60 do
			t["made_" .. i] = nil
		end
	end,
	function(t)
		local co = coroutine.wrap(function(k, v)
			t[k] = v
			coroutine.yield(t[k])
			t[k] = nil
		end)
		say(co(key(), constant()))
		co()
	end,
	function(t)
		say(pcall(function()
			t[nil] = 1
		end), pcall(rawset, t, 0 / 0, 1), pcall(next, t, "nowhere"))
	end,
	function(t)
		local f = load("local t = ... t.alpha = 1 t[1] = 2 t[2.0] = 3 t.beta, t.gamma = t.alpha, nil return t.beta")
		say(f(t))
	end,
	function()
		-- What nobody refers to is swept, lent or not.
		for _ = 1, 20 do
			local t = { alpha = 1, beta = 2, 3 }
			if choose(10) == 1 then
				lend(t)
			end
		end
	end,
}

if not by_itself then
	collectgarbage "stop"
end
for i = 1, 4 do
	tables[i] = new_table()
	lend(tables[i])
end
for _ = 1, 60 do
	say(pcall(DEEDS[choose(#DEEDS)], tables[choose(#tables)]))
end
for i = 1, #tables do
	show_all(tables[i])
end
return table.concat(out, "\n")
