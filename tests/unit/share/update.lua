-- luacheck: globals publish query update old userdata user_value registry_ref registry_get
local function data(v)
	return ([[
		local mt = { __index = { q = V } }
		local key = { name = 'key V' }
		return {
			v = V, sub = { a = { b = { c = V } } }, name = 'name of V', long = ('long V'):rep(20),
			list = { { id = 1, v = V }, { id = 2, v = V }, { id = 3, v = V } },
			o = setmetatable({}, mt), mt = mt, key = key, map = { [key] = V },
			f = function() return V end, make = function() return { V } end,
			alias1 = key, alias2 = key,
			gone = V == 1 and { x = { y = 1 } } or nil, plain = V == 1 and { x = 1 } or 'plain now',
			grown = V == 1 and 'nothing yet' or { 1 },
		}
	]]):gsub("V", tostring(v))
end

for name in pairs { sheet = 1, other = 2 } do
	publish(name, (data(1)))
end
local T, other = query "sheet", query "other"
assert(T.v == 1 and rawequal(T, query "sheet") and other ~= T)

local hold = { a = T.sub.a, row = T.list[2], name = T.name, long = T.long, f = T.f, gone = T.gone, inner = T.gone.x,
	plain = T.plain, mt = setmetatable({}, T.mt), other = other.sub }
local by_row, by_name = {}, {}
for i, row in ipairs(T.list) do
	by_row[row] = i
end
by_row[T.f] = "f"
by_row[T.gone] = "gone"
by_row[T.plain] = "plain"
by_name[T.name] = T.list[1]
by_name[T.long] = T.list[2]
by_name[T.key.name] = nil
for i = 1, 100 do
	by_name["own" .. i] = i
end
local up = T.sub.a.b
local function upvalue()
	return up.c
end
local closed
do
	local inner = T.list[3]
	closed = function()
		return inner.v
	end
end
local sleeping = coroutine.wrap(function(t)
	local row, key = t.list[1], t.name
	while true do
		coroutine.yield(row.v, key, t.v)
	end
end)
sleeping(T)
local fresh = coroutine.create(function(row, name)
	return row.v, name
end)
local in_pcall = coroutine.wrap(function(t)
	return pcall(function()
		local row = t.list[2]
		coroutine.yield()
		return row.v
	end)
end)
in_pcall(T)
local u = userdata(T.sub, T.mt)
local ref = registry_ref(T.list[3])
local weak = setmetatable({}, { __mode = "kv" })
weak[T.sub] = T.list[1]
weak[1] = T.sub.a
local ephemeron = setmetatable({ [T.sub] = { T.sub } }, { __mode = "k" })
local proxy = setmetatable({}, { __index = T.sub, __newindex = T.sub })
local erased = {}
erased[T.name] = {}
erased[T.name] = nil
local raw = { [T.key] = T.key }
local finalized
setmetatable({ T.sub }, { __gc = function(self) finalized = self[1].a.b.c end })
debug.setmetatable(print, T.mt)
local function varargs(...)
	update "sheet"
	return (select(1, ...)).v, select("#", ...)
end

for i = 1, 3 do
	publish("sheet", (data(1 + i)))
end
assert(T.v == 1 and hold.a.b.c == 1, "nothing changes before the update")
local in_varargs, count = varargs(T.list[1], T, 3)
assert(in_varargs == 4 and count == 3)

assert(T.v == 4 and query "sheet" == T)
assert(hold.a.b.c == 4 and hold.a == T.sub.a and hold.row == T.list[2] and hold.row.v == 4)
assert(hold.name == "name of 1" and hold.long == ("long 1"):rep(20), "strings copied out are not touched")
assert(hold.f == T.f and hold.f() == 4)
assert(hold.gone == nil and hold.inner == nil and hold.plain == "plain now")
assert(hold.mt.q == 4 and getmetatable(hold.mt) == T.mt)
assert(hold.other == other.sub and other.v == 1, "tables that were not named stay")
for i, row in ipairs(T.list) do
	assert(by_row[row] == i)
end
assert(by_row[T.f] == "f" and by_row["plain now"] == "plain")
local n = 0
for _ in pairs(by_row) do
	n = n + 1
end
assert(n == 5, n)
assert(by_name["name of" .. " 1"] == T.list[1] and by_name[("long 1"):rep(20)] == T.list[2])
for i = 1, 100 do
	assert(by_name["own" .. i] == i)
end
assert(upvalue() == 4 and closed() == 4)
local v, key, root = sleeping()
assert(v == 4 and key == "name of 1" and root == 4)
assert(select(2, in_pcall()) == 4)
assert(select(2, coroutine.resume(fresh, T.list[1], T.name)) == 4)
assert(user_value(u) == T.sub and debug.getmetatable(u) == T.mt)
assert(registry_get(ref) == T.list[3])
assert(weak[T.sub] == T.list[1] and weak[1] == T.sub.a and ephemeron[T.sub][1] == T.sub)
assert(proxy.a == T.sub.a and not pcall(function() proxy.new = 1 end))
assert(erased["name of" .. " 1"] == nil and next(erased) == nil)
assert(raw[T.key] == T.key and T.key.name == "key 4" and rawequal(T.alias1, T.alias2) and T.map[T.key] == 4)
assert(debug.getmetatable(print) == T.mt)
debug.setmetatable(print, nil)
assert(T.o.q == 4 and T.make()[1] == 4)
collectgarbage()
collectgarbage()
assert(finalized == 4 or finalized == nil)
local left, references, why = old "sheet"
assert(left == 0, ("%d versions left, %d references: %s"):format(left, references, why))
update()
assert(other.v == 1 and old "other" == 0)
