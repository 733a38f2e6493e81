local T = ...
local N = #T.list
assert(N == 3000)
local item = 'ite'
for i, v in ipairs(T.list) do
	assert(v.id == i and v['na' .. 'me'] == item .. 'm' .. i and v.price == i * 1.5)
	assert(#v.tags == 3 and v.tags[3] == i)
end
local n = 0
for k, v in pairs(T.map) do
	n = n + 1
	assert(T.map['k' .. v] == v and k == 'k' .. v)
end
assert(n == 3000)
-- traversal resumes from another string with the same bytes
local row, seen, k = T.list[5], {}, nil
repeat
	k = next(row, k and table.concat { k:sub(1, 1), k:sub(2) })
	if k then seen[k] = true end
until not k
assert(seen.id and seen.name and seen.price and seen.tags)
assert(table.concat(T.list[9].tags, ',') == 'a2,b,9' and select('#', table.unpack(T.list[9].tags)) == 3)
local d = T.deep
for i = 1, 5000 do d = d.n assert(d.lvl == i) end
assert(d.root == T and rawequal(d.root, T))
local m = T.mixed
assert(m[1.5] == 'f' and m[-3] == 'neg' and m[true] == 't' and m[2^53] == 'big' and m[2^53 | 0] == 'big')
assert(m[string.rep('K', 60)] == 'longkey' and m['en' .. 'd'] == 'kw' and m['_E' .. 'NV'] == 'env')
assert(m['nul\0' .. 'key'] == 'nul\0value' and m[''] == 'empty' and m[math.maxinteger] == 'max' and m[0.1] == 0.1)
assert(m[4] == nil and m.zip == nil and m[false] == nil and m[0.5] == nil)
assert(T.by_table[T.key] == 'found' and next(T.by_table) == T.key)
assert(T.obj.hello == 'world' and #T.obj == 42 and T.obj(7) == 7 and T.obj < {})
assert(T.obj .. 1 == 'cat' and -T.obj == 'neg')
assert(tostring(T.obj):find('^Class: '))
assert(T.pure(1, 2) == 3 and T.print == print and T.pure == T.pure)
local count = T.maker(1)
assert(count(1) == 2 and count(5) == 7 and T.maker(1)(1) == 2)
local o = setmetatable({}, T.class)
assert(o.hello == 'world' and o == T.obj and #o == 42 and o(3) == 3)
local own = {}
for i = 1, 500 do own[T.list[i].name] = T.list[i] end
for i = 1, 500 do assert(own['item' .. i].id == i) end
own[T.list[1].name] = nil
assert(own['item' .. 1] == nil)
local weak = setmetatable({}, { __mode = 'kv' })
weak[T.list[1]] = T.list[2] weak[1] = T.long
collectgarbage() collectgarbage('step', 10)
assert(own.item77 == T.list[77] and weak[T.list[1]] == T.list[2] and weak[1] == T.long)
assert(string.format('%s', T.long) == string.rep('L', 100) and T.long == string.rep('L', 100))
local byLong = { [T.long] = 1 }
assert(byLong[string.rep('L', 100)] == 1)
assert(load('local t = ... return t.list[1].name')(T) == 'item1')
assert(load('local _ENV = { x = 1 } return x')() == 1)
assert(load('local t = ... if t then return 1 end return 2')(T) == 1)
assert(load('goto item1 ::item1:: local alpha = 3 return alpha')() == 3)
assert(rawequal(T.list[1].name, 'item' .. '1') and rawlen(T.list) == N and rawget(T, 'lo' .. 'ng') == T.long)
assert(math.type(T.list[1].id) == 'integer' and math.type(T.list[2].price) == 'float')
assert(table.move(T.list, 1, 3, 1, {})[3].id == 3)
local co = coroutine.wrap(function() for name in pairs(T.list[1]) do coroutine.yield(name) end end)
local names = 0
while co() do names = names + 1 end
assert(names == 4)
assert(next(T.empty) == nil and #T.empty == 0 and T.empty.x == nil and T.empty[1] == nil)
assert(#string.dump(T.pure) > 10 and debug.getinfo(T.pure, 'S').what == 'Lua')
local values = 0
for k, v in pairs(T.holes) do values = values + 1 assert(k == 'x' and v == 1 or k == v) end
assert(values == 5 and T.holes[7] == 7 and (#T.holes == 2 or #T.holes == 4 or #T.holes == 7))
assert(#T.big_array_in_hash == 20 and #T.tail == 2)
local garbage = {}
for i = 1, 3000 do garbage[i] = { T.list[i % N + 1], tostring(i), T.list[i].name } end
-- a private object with finalizers and shared references
setmetatable({ T.list[1] }, { __gc = function(self) assert(self[1].id == 1) end })
