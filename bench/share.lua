-- Shared data: a table of 100,000 rows with 8 fields is loaded, read, updated and published; beside reading a private
-- one.
local bench = require "bench"
local skynet = require "skynet"
local sharetable = require "skynet.sharetable"
local sheets = require "reef.datasheet"

local N <const> = 100000
local role = ...

local function rows(salt)
	local t = {}
	for i = 1, N do
		t[i] = {
			id = i, name = "item_" .. i, kind = "kind_" .. i % 50, cost = i * 3 + salt, weight = i % 100,
			rate = i % 1000 / 8, desc = "desc_" .. i % 1000, flag = i % 2 == 0,
		}
	end
	return t
end

local function source(salt)
	local lines = { "return {" }
	for _, row in ipairs(rows(salt)) do
		lines[#lines + 1] = ("{id=%d,name=%q,kind=%q,cost=%d,weight=%d,rate=%g,desc=%q,flag=%s},"):format(row.id, row.name,
			row.kind, row.cost, row.weight, row.rate, row.desc, row.flag)
	end
	lines[#lines + 1] = "}"
	return table.concat(lines, "\n")
end

-- Reads fields of rows here and there, and all of them in turn.
local function read(name, t)
	collectgarbage()
	local sum, at = 0, 1
	bench.measure(name .. "_random", 2000000, function()
		for _ = 1, 2000000 do
			at = (at * 7919 + 13) % N
			sum = sum + t[at + 1].cost
		end
	end)
	bench.measure(name .. "_all", N * 8, function()
		for _, row in ipairs(t) do
			for _, v in pairs(row) do
				sum = v and sum + 1 or sum
			end
		end
	end)
end

if role then
	local T, held, heap = nil, {}, {} -- luacheck: ignore 241
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what, megabytes)
			if what == "hold" then
				T = sharetable.query "bench"
				for i = 1, megabytes and 1000 or 0 do
					held[i] = T[i * 97 % N + 1]
				end
				while megabytes and collectgarbage "count" < megabytes * 1024 do
					for _ = 1, 1000 do
						heap[#heap + 1] = { id = #heap, hp = #heap * 2, name = "p" .. #heap }
					end
				end
				skynet.ret()
			elseif what == "read" then
				local before = bench.resident()
				local sheet, sum = sheets.query "bench", 0
				for i = 1, N do
					sum = sum + sheet[i].cost
				end
				skynet.retpack(bench.resident() - before)
			else
				local cpu = bench.cpu()
				sharetable.update "bench"
				skynet.retpack((bench.cpu() - cpu) * 1e3)
			end
		end)
	end)
	return
end

local function load_and_update()
	local first, second = source(0), source(1)
	sharetable.loadstring("warm", "return {}")
	collectgarbage()
	local cpu = bench.cpu()
	assert(load(first))
	bench.result("table_compile", { ms = (bench.cpu() - cpu) * 1e3 })
	collectgarbage()
	local before = bench.resident()
	cpu = bench.cpu()
	sharetable.loadstring("bench", first)
	bench.result("table_load", { ms = (bench.cpu() - cpu) * 1e3, mib = (bench.resident() - before) / 2 ^ 20 })
	local large, small = skynet.newservice("share", "reader"), {}
	skynet.call(large, "lua", "hold", 50)
	for i = 1, 100 do
		small[i] = skynet.newservice("share", "reader")
		skynet.call(small[i], "lua", "hold")
	end
	sharetable.loadstring("bench", second)
	bench.result("table_update_large", { ms = skynet.call(large, "lua", "update") })
	bench.measure("table_update_small", 100, function()
		for i = 1, 100 do
			skynet.call(small[i], "lua", "update")
		end
	end)
	for i = 1, 100 do
		skynet.kill(small[i])
	end
	skynet.kill(large)
end

local function publish()
	local data = rows(0)
	collectgarbage()
	local before, cpu = bench.resident(), bench.cpu()
	sheets.publish { bench = data }
	bench.result("sheet_build", { ms = (bench.cpu() - cpu) * 1e3, mib = (bench.resident() - before) / 2 ^ 20 })
	local reader = skynet.newservice("share", "reader")
	skynet.call(reader, "lua", "hold")
	bench.result("sheet_reader", { mib = skynet.call(reader, "lua", "read") / 2 ^ 20 })
	data[500].cost = -1
	bench.measure("sheet_publish", 1, function()
		sheets.publish { bench = data }
	end)
	bench.measure("sheet_patch", 1000, function()
		for i = 1, 1000 do
			sheets.patch { bench = { [i * 97 % N + 1] = { cost = i } } }
		end
	end)
end

bench.main(function()
	load_and_update()
	publish()
	read("private", rows(0))
	read("table", sharetable.query "bench")
	read("sheet", sheets.query "bench")
end)
