-- References to everything in an old version, from everywhere in a VM; after an update each is what the path leads to
-- in the new version, and the pages of the old one are gone. `tree` makes what is in the versions.
local tree, seed = ...
local old_data, new_data = tree(seed, true), tree(seed + 1, true)
if seed % 3 == 0 then -- much stays as it was
	new_data = tree(seed, true)
	for i = 1, 5 do
		if math.random() < 0.3 then
			new_data["part" .. i] = { 1, 2, new = "here" }
		end
	end
end
publish_table("random", old_data)
local T = query "random"

-- What is in the tree: list of { path of keys, expected value (of the private new data) }.
local places = {}
local function visit(shared, old, new, path)
	places[#places + 1] = { path = path, shared = shared, old = old, new = new }
	if type(old) ~= "table" then
		return
	end
	for k, v in pairs(old) do
		local to
		if type(new) == "table" then
			to = new[k]
		end
		visit(rawget(shared, k), v, to, path .. "." .. tostring(k))
	end
end
visit(T, old_data, new_data, "T")

local function same(got, want, what)
	if type(want) == "table" then
		assert(type(got) == "table", what)
		local n = 0
		for k, v in pairs(want) do
			n = n + 1
			same(got[k], v, what .. "." .. tostring(k))
		end
		for _ in pairs(got) do
			n = n - 1
		end
		assert(n == 0, what)
	elseif type(want) == "function" then
		assert(type(got) == "function" and string.dump(got) == string.dump(want), what)
	else
		assert(rawequal(got, want) and math.type(got) == math.type(want) or (got ~= got and want ~= want), what)
	end
end

-- Tables and functions are replaced; other values that were copied out stay as they are.
local function is_replaced(v)
	return type(v) == "table" or (type(v) == "function" and debug.getinfo(v, "S").what ~= "C")
end

local holders = {}
local function hold(name, read)
	holders[#holders + 1] = { name = name, read = read }
end

local WAYS = {
	function(v)
		local t = { a = v }
		return function() return t.a end
	end,
	function(v)
		local t = { 1, v, 3 }
		return function() assert(t[1] == 1 and t[3] == 3) return t[2] end
	end,
	function(v)
		return function() return v end
	end,
	function(v)
		local co = coroutine.wrap(function(...)
			local here, args = v, { n = select("#", ...) }
			while true do
				coroutine.yield(here, ..., args.n)
			end
		end)
		co(v, 1)
		return function()
			local here, passed = co()
			assert(rawequal(here, passed))
			return here
		end
	end,
	function(v)
		local co = coroutine.create(function(x) return x end) -- not started: v is on its stack
		return function()
			if coroutine.status(co) == "suspended" then
				v = select(2, coroutine.resume(co, v))
			end
			return v
		end
	end,
	function(v)
		if not is_replaced(v) then
			return nil -- strings that userdata keep may be looked at by address
		end
		local u = userdata(v)
		return function() return user_value(u) end
	end,
	function(v)
		if not is_replaced(v) then
			return nil
		end
		local ref = registry_ref(v)
		return function() return registry_get(ref) end
	end,
	function(v)
		local w, strong = setmetatable({}, { __mode = "v" }), { v }
		w[1] = v
		return function() assert(rawequal(w[1], strong[1]) or type(strong[1]) == "string") return strong[1] end
	end,
	function(v)
		local t = setmetatable({}, { __index = function() return v end })
		return function() return t.anything end
	end,
}

local keys, weak_keys, ephemeron = {}, setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })
local expected_keys = {}
for i, place in ipairs(places) do
	local v = place.shared
	local way = WAYS[math.random(#WAYS)]
	local read = way(v)
	if read then
		hold(place, read)
	end
	if is_replaced(v) then
		keys[v], weak_keys[v], ephemeron[v] = i, i, { v }
		if is_replaced(place.new) then
			expected_keys[i] = true
		end
	elseif v == v and type(v) ~= "nil" then
		keys[v] = keys[v] or "plain"
	end
	if math.random() < 0.3 then
		collectgarbage "step"
	end
end
local addresses = {}
for _, place in ipairs(places) do
	if type(place.shared) == "table" then
		addresses[#addresses + 1] = ("%p"):format(place.shared)
	end
	place.shared = nil
end

publish_table("random", new_data)
assert(update("random", addresses) == 0, "a page of the old version is still there")
local left, references, why = old "random"
assert(left == 0, ("%s versions left, %s references: %s"):format(left, references, why))

for _, holder in ipairs(holders) do
	local place, got = holder.name, holder.read()
	if is_replaced(place.old) then
		same(got, place.new, place.path)
	else
		same(got, place.old, place.path)
	end
end
same(T, new_data, "T")
local seen = {}
for k, i in pairs(keys) do
	if type(i) == "number" then
		assert(is_replaced(k) or not expected_keys[i])
		seen[i] = true
		local want = places[i].new
		same(k, math.type(want) == "float" and math.tointeger(want) or want, places[i].path)
		if is_replaced(k) then
			assert(weak_keys[k] == i, places[i].path)
			assert(rawequal(ephemeron[k][1], k))
		end
	end
end
for i in pairs(expected_keys) do
	assert(seen[i], places[i].path)
end
for _, mode in ipairs { "generational", "incremental" } do
	collectgarbage(mode)
	collectgarbage()
	collectgarbage()
end
same(T, new_data, "T")
