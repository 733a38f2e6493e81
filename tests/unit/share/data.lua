local T = { list = {}, map = {}, deep = {}, mixed = {}, long = string.rep('L', 100) }
for i = 1, 3000 do
	T.list[i] = { id = i, name = 'item' .. i, price = i * 1.5, tags = { 'a' .. i % 7, 'b', i } }
	T.map['k' .. i] = i
end
local d = T.deep
for i = 1, 5000 do d.n = { lvl = i } d = d.n end
d.root = T
local m = T.mixed
m[1.5] = 'f' m[-3] = 'neg' m[true] = 't' m[2^53] = 'big' m[1] = 'one' m[3] = 'hole'
m[string.rep('K', 60)] = 'longkey' m['end'] = 'kw' m._ENV = 'env' m['nul\0key'] = 'nul\0value' m[''] = 'empty'
m[math.maxinteger] = 'max' m[0.1] = 0.1
local key = { x = 1 }
T.by_table = { [key] = 'found' } T.key = key T.print = print
T.class = {
	__index = { hello = 'world' },
	__eq = function(a, b) return true end, __call = function(s, a) return a end, __len = function() return 42 end,
	__lt = function() return true end, __concat = function() return 'cat' end, __unm = function() return 'neg' end,
	__name = 'Class',
}
T.obj = setmetatable({ v = 1 }, T.class)
T.empty = {}
T.tail = { 1, 2, nil, nil }
T.pure = function(a, b) return a + b end
T.maker = function(x) return function(y) x = x + y return x end end
T.holes = { 1, 2, nil, 4, nil, nil, 7, x = 1 }
T.big_array_in_hash = (function() local t = {} for i = 20, 1, -1 do t[i] = i end return t end)()
return T
