-- luacheck: globals publish query update old
-- Places that are easily forgotten: dead stack slots that a collector looks at, black objects that get white strings.

local function data(v)
	return ("return { v = %d, name = 'the name of %d', long = ('long %d '):rep(20), sub = { %d } }"):format(v, v, v, v)
end

publish("stale", data(1))
local T = query "stale"
local next_data = data(2)
local collect = setmetatable({}, { __index = function() collectgarbage() return 1 end })

-- The locals of the block are dead when update runs; a metamethod's frame lies above them.
local names, values = {}, {}
for i = 1, 100 do
	names[i], values[i] = "l" .. i, "T.sub"
end
local f = assert(load("local T, publish, update, data, collect = ... do local " .. table.concat(names, ", ") .. " = "
	.. table.concat(values, ", ") .. " end publish('stale', data) update() return collect.now"))
assert(f(T, publish, update, next_data, collect) == 1)
assert(T.v == 2 and old "stale" == 0)

-- Updates at all points of a collection, which goes in very small steps. The long chain is marked after what is held.
local chain = {}
for i = 1, 3000 do
	chain = { chain, i }
end
collectgarbage("incremental", 200, 100, 5)
for k = 3, 200 do
	local row = setmetatable({}, { __index = { T.name } })
	local hold = { T.name, T.long, [T.name] = T.long, { T.name } }
	local up = T.name
	local function upvalue(new)
		up = new or up
		return up
	end
	collectgarbage()
	collectgarbage "stop"
	for _ = 1, k * 3 do
		collectgarbage("step", 0)
	end
	publish("stale", data(k))
	update()
	repeat
		local done = collectgarbage("step", 0)
	until done
	local junk = {}
	for i = 1, 500 do
		junk[i] = "the junk of " .. i .. k
	end
	local name, long = "the name of " .. k - 1, ("long " .. k - 1 .. " "):rep(20)
	assert(hold[1] == name and hold[2] == long and hold[name] == long and hold[3][1] == name)
	assert(upvalue() == name and row[1] == name and T.v == k and #junk == 500 and chain[2] == 3000)
	collectgarbage "restart"
end
