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
