-- What bench/overlay.sh counts instructions of: one piece of work a run, named by the first argument.
local work = {}

function work.fib()
	local function fib(n)
		if n < 2 then
			return n
		end
		return fib(n - 1) + fib(n - 2)
	end
	fib(24)
end

function work.string_keys()
	local t = {}
	for i = 1, 200 do
		t["key" .. i] = i
	end
	local s = 0
	for _ = 1, 20000 do
		s = s + t.key1 + t.key50 + t.key77 + t.key100 + t.key133 + t.key150 + t.key177 + t.key200
		t.key5 = s
		t.key6 = t.key5
	end
end

function work.missing_keys()
	local t, n = {}, 0
	for i = 1, 64 do
		t["m" .. i] = i
	end
	for _ = 1, 40000 do
		if t.zz1 or t.zz2 or t.zz3 or t.zz4 then
			n = n + 1
		end
	end
end

function work.method_calls()
	local class = {}
	class.__index = class
	function class:inc()
		self.n = self.n + 1
	end
	local o = setmetatable({ n = 0 }, class)
	for _ = 1, 150000 do
		o:inc()
	end
end

function work.closures()
	local function counter()
		local n = 0
		return function()
			n = n + 1
			return n
		end
	end
	for _ = 1, 30000 do
		local f = counter()
		f()
		f()
	end
end

function work.concat()
	for r = 1, 40000 do
		local _ = "k" .. r .. ":x"
	end
end

function work.format()
	local insert, format, concat = table.insert, string.format, table.concat
	local t = {}
	for i = 1, 10000 do
		insert(t, format("%d:%s", i, "name"))
	end
	concat(t, ",")
end

function work.sort()
	local t, x = {}, 42
	for i = 1, 10000 do
		x = (x * 1103515245 + 12345) % 2147483648
		t[i] = x
	end
	table.sort(t)
	for i = 1, 3000 do
		t[i] = "s" .. t[i]
	end
	table.sort(t, function(a, b)
		return tostring(a) < tostring(b)
	end)
end

function work.arrays()
	local t = {}
	for i = 1, 1000 do
		t[i] = i
	end
	for _ = 1, 150 do
		for i = 1, 1000 do
			t[i] = t[i] + 1
		end
	end
end

function work.traversal()
	local t = {}
	for i = 1, 3000 do
		t["p" .. i] = i
	end
	local n = 0
	for _ = 1, 20 do
		for k, v in pairs(t) do
			n = n + (k and v)
		end
		for k in next, t do
			n = n + #k
		end
	end
end

function work.allocation()
	local n = 0
	for i = 1, 50000 do
		local t = { x = i, y = i, n = n }
		n = n + t.x
	end
end

function work.globals()
	local s = 0
	for _ = 1, 100000 do
		s = s + math.abs(-1)
	end
end

function work.patterns()
	local s = string.rep("the quick brown fox = 42; ", 400)
	local n = 0
	for word in s:gmatch("%a+") do
		n = n + #word
	end
	return n, s:gsub("%d+", tostring):upper()
end

local f = work[...]
if f then
	f()
else
	local names = {}
	for name in pairs(work) do
		names[#names + 1] = name
	end
	table.sort(names)
	print(table.concat(names, "\n"))
end
