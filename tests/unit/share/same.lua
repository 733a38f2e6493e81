-- A shared table and a private one that was made alike: every operation gives the same.
local shared, private = ...
local twins = {} -- shared table -> private one
local check

local function is_number(v)
	return math.type(v) ~= nil
end

local function scalar(a, b, what)
	assert(type(a) == type(b) and math.type(a) == math.type(b), what)
	if a == nil then
		return
	elseif type(a) == "function" then
		if a ~= b then -- a Lua function: a shared one is another object
			assert(string.dump(a) == string.dump(b), what)
			for _, x in ipairs { 1, "x", false } do
				assert(table.concat({ tostring(a(x)), select("#", a(x, x, x)) }) ==
					table.concat({ tostring(b(x)), select("#", b(x, x, x)) }), what)
			end
		end
		return
	end
	if a ~= a then
		assert(b ~= b, what)
		return
	end
	assert(a == b and rawequal(a, b) and not (a ~= b), what)
	assert(string.format("%s", a) == string.format("%s", b) and tostring(a) == tostring(b), what)
	local keyed = { [a] = 1 }
	keyed[b] = (keyed[b] or 0) + 1
	assert(keyed[a] == 2 and (math.type(a) == "float" or next(keyed, a) == nil and next(keyed, b) == nil), what)
	keyed[b] = nil
	assert(keyed[a] == nil and next(keyed) == nil, what)
	if type(a) ~= "userdata" then
		assert(string.format("%q", a) == string.format("%q", b), what)
	end
	if is_number(a) then
		assert(1 / a == 1 / b and a // 1 == b // 1 and (a < 1) == (b < 1) and a + 1 == b + 1, what)
	elseif type(a) == "string" then
		assert(#a == #b and a .. "x" == b .. "x" and "x" .. a == "x" .. b, what)
		assert(not (a < b) and a <= b and not (b < a), what)
		assert(a:upper() == b:upper() and a:rep(2) == b:rep(2) and a:reverse() == b:reverse(), what)
		assert(a:sub(2, -2) == b:sub(2, -2), what)
		assert(a:byte(1, -1) == b:byte(1, -1) and utf8.len(a) == utf8.len(b) and a:find(b, 1, true) == 1, what)
		assert(a:gsub("%w", "%0%0") == b:gsub("%w", "%0%0") and string.pack("s", a) == string.pack("s", b), what)
		assert(tonumber(a) == tonumber(b) and (a == "1") == (b == "1"), what)
		assert(load("local t = { ... } return t[1] == " .. string.format("%q", b))(a), what)
	end
end

local function same(a, b, what)
	if type(a) == "table" then
		assert(type(b) == "table", what)
		check(a, b, what)
	else
		scalar(a, b, what)
	end
end

-- Keys that are equal but other objects: how a key may be written otherwise.
local function alike(k)
	if type(k) == "string" then
		return k:sub(1, 1) .. k:sub(2)
	elseif math.type(k) == "integer" and k | 0 == math.tointeger(k + 0.0) then
		return k + 0.0
	end
	return k
end

local function check_entries(a, b, what)
	local mine, theirs, objects = 0, 0, 0
	local rest = {}
	for k, v in next, b do
		if type(k) ~= "table" and not (type(k) == "function" and debug.getinfo(k, "S").what ~= "C") then
			rest[k] = v
			theirs = theirs + 1
		else
			objects = objects + 1
		end
	end
	local before
	for k, v in next, a do
		if rest[k] ~= nil then
			same(v, rest[k], what .. "." .. tostring(k))
			mine = mine + 1
			local other = alike(k)
			assert(rawequal(rawget(a, other), v) and rawequal(a[k], v) and rawequal(a[other], v), what)
			local k1, v1 = next(a, k)
			if type(k) == "string" then -- stock Lua's next takes no float for an integer
				local k2, v2 = next(a, other)
				assert(rawequal(k1, k2) and rawequal(v1, v2), what)
			end
		else
			objects = objects - 1
			assert(rawequal(rawget(a, k), v) and (type(k) == "table" or type(k) == "function"), what)
		end
		local first, value = next(a, before)
		assert(rawequal(first, k) and rawequal(value, v), what)
		before = k
	end
	assert(before == nil or next(a, before) == nil)
	assert(mine == theirs and objects == 0, what)
	assert(not pcall(next, a, "no such key at all") and rawget(a, "no such key at all") == nil)
	assert(rawget(a, 0 / 0) == nil and rawget(a, nil) == nil)
end

local function check_array(a, b, what)
	local n = rawlen(a)
	assert(n == 0 or rawget(a, n) ~= nil, what)
	assert(rawget(a, n + 1) == nil, what)
	if getmetatable(a) then
		assert((getmetatable(a).__len ~= nil) == (getmetatable(b).__len ~= nil) and
			(not getmetatable(a).__len or #a == #b), what)
		return
	end
	assert(n == #a, what)
	local count, strings, numbers = 0, true, true
	for i, v in ipairs(a) do
		count = i
		same(v, b[i], what)
		strings = strings and type(v) == "string"
		numbers = numbers and is_number(v)
	end
	assert(a[count + 1] == nil and b[count + 1] == nil, what)
	assert(select("#", table.unpack(a, 1, count)) == count, what)
	local moved, packed = table.move(a, 1, count, 1, {}), { table.unpack(a, 1, count) }
	for i = 1, count do
		assert(rawequal(moved[i], a[i]) and rawequal(packed[i], a[i]), what)
	end
	if strings or numbers then
		assert(table.concat(a, ", ", 1, count) == table.concat(b, ", ", 1, count), what)
		local theirs = table.move(b, 1, count, 1, {})
		table.sort(moved)
		table.sort(theirs)
		for i = 1, count do
			scalar(moved[i], theirs[i], what)
		end
	end
end

function check(a, b, what)
	if twins[a] then
		assert(twins[a] == b, what .. ": aliases differ")
		return
	end
	twins[a] = b
	assert(a == a and a ~= b and rawequal(a, a) and not rawequal(a, b), what)
	check_entries(a, b, what)
	check_array(a, b, what)
	local meta = getmetatable(b)
	assert((getmetatable(a) == nil) == (meta == nil), what)
	if meta then
		same(getmetatable(a), meta, what .. "<meta>")
		assert(not meta.__call or a(5) == 5)
		assert(not meta.__concat or a .. "" == "joined" and "" .. a == "joined")
		assert(not meta.__tostring or tostring(a) == "a row" and ("%s"):format(a) == "a row")
		assert(not meta.__index or rawequal(a.hp, rawget(a, "hp") or a.hp))
		same(a.hp, b.hp, what .. ".hp")
		same(a[2], b[2], what .. "[2]")
	else
		local n = 0
		for _ in pairs(a) do
			n = n + 1
		end
		for _ in pairs(b) do
			n = n - 1
		end
		assert(n == 0, what)
	end
	local keyed = { [a] = "key", value = a }
	assert(keyed[a] == "key" and rawequal(keyed.value, a) and keyed[b] == nil)
	assert(not pcall(rawset, a, "hp", 1) and not pcall(rawset, a, 1, nil) and not pcall(setmetatable, a, {}), what)
end

check(shared, private, "root")
