-- luacheck: globals publish query update old userdata user_value registry_ref registry_get
local function fill(v)
	publish("pin", ("return { v = %d, name = 'a name of %d', f = function() return %d end, "
		.. "g = function(f) f() return %d end, make = function() return function() return %d end end, "
		.. "words = 'one two three of %d' }"):format(v, v, v, v, v, v))
end

local version = 1
local function expect(pattern, release)
	version = version + 1
	fill(version)
	update()
	local count, left, why = old "pin"
	assert(count == 1 and left >= 1 and why:find(pattern), ("%d %d %s"):format(count, left, why))
	release()
	collectgarbage()
	update()
	count, left, why = old "pin"
	assert(count == 0, why)
end

fill(version)
local T = query "pin"

local words = T.words:gmatch("%a+")
assert(words() == "one")
expect("kept by a C function", function()
	assert(words() == "two" and words() == "three", "the iterator goes on over the old string")
	words = nil
end)

local made = T.make()
expect("closure made by a shared function", function()
	assert(made() == version - 1)
	made = nil
end)

local ref = registry_ref(T.name)
expect("registry", function()
	assert(registry_get(ref) == "a name of " .. version - 1)
	registry_ref(nil)
	debug.getregistry()[ref] = false
end)

local u = userdata(T.name)
expect("userdata", function()
	assert(user_value(u) == "a name of " .. version - 1)
	u = nil
end)

-- a C function that works on a shared string while its callback updates
version = version + 1
local replaced = T.words:gsub("%a+", function(word)
	if word == "two" then
		fill(version)
		update()
		assert(T.v == version)
		local count, _, why = old "pin"
		assert(count == 1 and why:find("C function that is running"), why)
	end
	return word:upper()
end)
assert(replaced == "ONE TWO THREE OF " .. version - 1)
update()
assert(old "pin" == 0)

-- a shared function that is running goes on
version = version + 1
local result = T.g(function()
	fill(version)
	update()
	assert(T.v == version and select(3, old "pin"):find("function that is running"))
end)
assert(result == version - 1 and T.f() == version)
update()
assert(old "pin" == 0)

-- and so does one of variable arguments, which lies on its stack twice, whatever becomes of it and whoever watches
local function run_and_update(parameters, arguments, new, mask, apart)
	publish("pin", ("return { f = function(act%s, ...) act() return ... end }"):format(
		(", p"):rep(parameters)))
	update()
	local f, seen = query("pin").f, 0
	local function act()
		publish("pin", ("return { f = %s }"):format(new))
		update()
	end
	local function run()
		debug.sethook(function()
			seen = seen + (debug.getinfo(2, "f").func and 1 or 0)
		end, mask)
		return f(act, table.unpack({ 1, 2, 3, 4, 5 }, 1, arguments))
	end
	local results = table.pack((apart and coroutine.wrap(run) or run)())
	debug.sethook()
	assert(results.n == math.max(arguments - parameters, 0))
	for i = 1, results.n do
		assert(results[i] == i + parameters)
	end
	assert(mask == "" or seen > 0)
	assert(type(f) == type(load("return " .. new)()))
end
for i = 0, 4 * 4 * 5 * 4 * 2 - 1 do
	run_and_update(i % 4, i // 4 % 4, ({ "nil", "5", "{}", "function() end" })[i // 16 % 4 + 1],
		({ "", "c", "r", "l", "crl" })[i // 64 % 5 + 1], i // 320 % 2 == 1)
end
