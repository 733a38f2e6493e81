-- Publishes what the service that is recorded reads, as a seed says: `seed`.
local datasheet = require "reef.datasheet"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
local stm = require "skynet.stm"

local seed = tonumber((...))

local writer = stm.new(skynet.pack "the first")

local function value(depth)
	local what = math.random(depth > 0 and 9 or 6)
	if what == 1 then
		return math.random(-1000, 1 << 50)
	elseif what == 2 then
		return math.random()
	elseif what == 3 then
		return math.random(2) == 1
	elseif what <= 6 then
		return ("x"):rep(math.random(0, 60)) .. math.random(1000)
	end
	local t = {}
	for i = 1, math.random(0, 6) do
		t[i] = value(depth - 1)
	end
	for _ = 1, math.random(0, 12) do
		t[math.random(3) == 1 and math.random(-50, 50) or math.random(9) == 1 and math.random(100) / 8
			or "key" .. math.random(40)] = value(depth - 1)
	end
	if math.random(6) == 1 then
		t.itself = t
	end
	return t
end

local function tree()
	local t = value(4)
	return type(t) == "table" and t or { t }
end

skynet.start(function()
	math.randomseed(seed)
	datasheet.publish { sheet1 = tree() }
	sharetable.loadtable("table1", tree())
	local one = skynet.newservice "replay_shared"
	local left = 0
	for i = 1, 120 do
		local how = math.random(12)
		if how == 1 then
			datasheet.publish { ["sheet" .. math.random(3)] = tree(), sheet1 = tree() }
		elseif how == 2 then
			pcall(datasheet.patch, { ["sheet" .. math.random(3)] = tree() })
		elseif how == 3 then
			pcall(datasheet.delete, "sheet" .. math.random(3))
		elseif how == 4 then
			sharetable.loadtable("table" .. math.random(3), tree())
		elseif how == 5 then
			datasheet.collect()
		elseif how == 6 then
			skynet.sleep(1)
		elseif how == 7 then
			writer(skynet.pack(i, { i, math.random() }))
		else
			left = left + 1
			skynet.fork(function()
				pcall(skynet.call, one, "lua", i % 10 == 0 and "stm" or "any", i, i % 10 == 0 and stm.copy(writer) or nil)
				left = left - 1
			end)
		end
		if math.random(3) == 1 then
			skynet.yield()
		end
	end
	while left > 0 do
		skynet.sleep(1)
	end
	datasheet.publish { sheet1 = tree() }
	skynet.call(one, "lua", "first")
	datasheet.publish { sheet1 = { last = tree() } }
	skynet.call(one, "lua", "held")
	skynet.call(one, "lua", "quit")
	skynet.sleep(2)
	require("reef.process").stop()
end)
