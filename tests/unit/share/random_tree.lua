-- Returns a generator of random trees: the same seed gives the same tree in every VM. `light(n)` makes light userdata.
-- With `plain`, what is found at a path is found nowhere else, and there are neither metatables nor tables as keys.
local LONG = ("a string that is longer than forty characters "):rep(2)
local STRINGS = {
	"", "a", "b", "hp", "name", "a\0b", "\0", "1", "1.0", "x y", "_ENV", "and", "__index", "end",
	LONG, LONG .. "\0", LONG .. "2",
	"\u{4e16}\u{754c}", "\u{1f600}", "\xff\xfe invalid", ("x"):rep(40), ("x"):rep(41), "print", "zz top",
}
local NUMBERS = {
	0, 1, 2, 3, -1, 255, 1 << 31, 1 << 53, math.maxinteger, math.mininteger, 0.0, -0.0,
	0.5, 1.5, -2.25, 1e15, 2.0 ^ 53, 2.0 ^ 63,
	1e308, -1e308, 5e-324, 1 / 0, -1 / 0, math.pi,
}
local FUNCTIONS = {
	print, math.abs, string.format, next,
	function(x) return x end,
	function(x, ...) return (...) == x and #{ ... }, x end,
	function(x) local t = { a = 1, "two" } return t[1] .. t.a .. (x and "yes" or "no") end,
	function(x) local function inner(y) return y == 0 and "none" or x end return inner(1) end,
}

return function(seed, plain)
	math.randomseed(seed)
	local random = math.random
	local tables, made = {}, 0
	local new_table

	local function string()
		if random() < 0.3 then
			made = made + 1
			return ("made %d "):format(made) .. ("y"):rep(random(0, 60))
		end
		return STRINGS[random(#STRINGS)]
	end

	local function value(depth)
		local r = random()
		if r < 0.3 then
			return string()
		elseif r < 0.6 then
			return NUMBERS[random(#NUMBERS)]
		elseif r < 0.66 then
			return random() < 0.5
		elseif r < 0.70 and not plain then
			return FUNCTIONS[random(#FUNCTIONS)]
		elseif r < 0.70 then
			return load("return function() return " .. random(1000) .. " end")()
		elseif r < 0.72 then
			return light(random(0, 3))
		elseif r < 0.78 and #tables > 0 and not plain then
			return tables[random(#tables)]
		elseif depth < 6 and #tables < 40 then
			return new_table(depth + 1)
		end
		return random(1000)
	end

	local function key(depth)
		local r = random()
		if r < 0.6 then
			return string()
		elseif r < 0.8 then
			return random(-3, 20)
		elseif r < 0.9 then
			return NUMBERS[random(#NUMBERS)]
		elseif r < 0.93 then
			return random() < 0.5
		elseif r < 0.95 then
			return light(random(0, 3))
		elseif r < 0.97 and not plain then
			return FUNCTIONS[random(4)]
		elseif depth < 6 and not plain then
			return new_table(depth + 1)
		end
		return random(100, 120)
	end

	local function metatable(depth)
		local meta = {}
		if random() < 0.5 then
			meta.__index = new_table(depth + 1)
		end
		if random() < 0.3 then
			meta.__len = function() return 77 end
		end
		if random() < 0.3 then
			meta.__call = function(_, x) return x end
		end
		if random() < 0.3 then
			meta.__concat = function() return "joined" end
		end
		if random() < 0.3 then
			meta.__tostring = function() return "a row" end
		end
		return meta
	end

	function new_table(depth)
		local t = {}
		tables[#tables + 1] = t
		local kind = random()
		if kind < 0.35 then
			for i = 1, random(0, 12) do
				t[i] = value(depth)
			end
		elseif kind < 0.5 then
			for i = random(1, 3), random(3, 40) do
				if random() < 0.6 then
					t[i] = value(depth)
				end
			end
		elseif kind < 0.6 then
			local same = random(3)
			for i = 1, random(1, 30) do
				t[i] = same == 1 and string() or same == 2 and random(1000) or random()
			end
		end
		if kind >= 0.5 or random() < 0.3 then
			local keys = {}
			for i = 1, random(0, 10) do
				keys[i] = key(depth)
				t[keys[i]] = value(depth)
			end
			for _, k in ipairs(keys) do -- places where something was
				if random() < 0.1 then
					t[k] = nil
				end
			end
		end
		if not plain and depth < 5 and random() < 0.1 then
			setmetatable(t, metatable(depth))
		end
		return t
	end

	local root = new_table(1)
	root.root = not plain and root or nil
	for i = 1, 5 do
		root["part" .. i] = new_table(1)
	end
	return root
end
