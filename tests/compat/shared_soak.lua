-- timeout: 300
-- Ten thousand versions of shared tables and as many publications of sheets: the memory is as it was before. REEF_SOAK
-- says how many.
local skynet = require "skynet"
local memory = require "skynet.memory"
local sharetable = require "skynet.sharetable"
local sheets = require "reef.datasheet"
local test = require "test"

local count = tonumber(os.getenv "REEF_SOAK") or test.count(10000)

local function data(v)
	local t = { v = v, rows = {}, names = {} }
	for i = 1, 20 do
		t.rows[i] = { v = v, name = ("row %d of %d"):format(i, v % 5), tags = { "tag " .. v % 7, i } }
		t.names["name " .. (i + v) % 30] = i
	end
	t.ring = { v = v }
	t.ring.ring = t.ring
	t.only = v % 3 == 0 and { "only now and then" } or nil
	return t
end

local READER = [[
	local skynet = require "skynet"
	local what, v = ...
	if what == "table" then
		local sharetable = require "skynet.sharetable"
		T = T or sharetable.query "soak"
		held, names = held or {}, names or {}
		local before = T.rows[v % 20 + 1]
		held[v % 10] = before
		names[before.name] = before
		sharetable.update "soak"
		assert(T.v == v and T.ring.ring.v == v and held[v % 10] == T.rows[v % 20 + 1])
	else
		local T = require("reef.datasheet").query "soak"
		held, names = held or {}, names or {}
		local row = T.rows[v % 20 + 1]
		assert(T.v == v and row.v == v and T.ring.ring.v == v)
		held[v % 10], names[row.name] = row, row.tags[1]
		for _, h in pairs(held) do assert(h.v == v) end
	end
	if v % 100 == 0 then held, names = {}, {} end
]]

-- All that is counted, when nothing is under way: a table of numbers.
local function settled(readers)
	local before
	test.eventually("the memory comes to rest", 30, function()
		for _, reader in ipairs(readers) do
			skynet.call(reader, "lua", "held, names = {}, {} collectgarbage() collectgarbage()")
		end
		collectgarbage()
		sheets.collect()
		local sheet, shared = sheets.stat(), sharetable.stat()
		local now = { sheet.rows, sheet.strings, sheet.bytes, sheet.retired, shared.versions, shared.bytes, shared.mapped }
		local same = before and table.concat(before, " ") == table.concat(now, " ")
		before = now
		return same
	end)
	return before, memory.total()
end

local function soak(change, what)
	local readers = {}
	for i = 1, 4 do
		readers[i] = test.service "share_reader"
	end
	local function run(from, to)
		for v = from, to do
			change(data(v))
			if v % 5 == 0 then
				for _, reader in ipairs(readers) do
					skynet.call(reader, "lua", READER, what, v)
				end
			end
		end
		return settled(readers)
	end
	-- What `data` makes comes again after 210 steps, so that both look alike.
	local before, heap_before = run(1, 210)
	local grown = {}
	-- The heap goes up and down by some hundred kilobytes; what is left behind makes it grow each time.
	for round = 1, 3 do
		local after, heap = run(211, 210 + count // 210 * 210)
		test.equal(after, before)
		grown[round], heap_before = heap - heap_before, heap
		if grown[round] < 512 * 1024 then
			return
		end
	end
	test.fail("the heap grew by " .. table.concat(grown, ", ") .. " bytes")
end

test.case("versions of shared tables leave nothing behind", { timeout = 140 }, function()
	soak(function(t)
		sharetable.loadtable("soak", t)
	end, "table")
end)

test.case("publications leave nothing behind", { timeout = 140 }, function()
	soak(function(t)
		if t.v % 2 == 1 then
			sheets.publish { soak = t }
		else -- from one step to the next the names are others
			t.names["name " .. (20 + t.v) % 30] = t.names["name " .. (20 + t.v) % 30] or sheets.nothing
			t.names["name " .. t.v % 30] = sheets.nothing
			t.only = t.only or sheets.nothing
			sheets.patch { soak = t }
		end
	end, "sheet")
end)

test.run()
