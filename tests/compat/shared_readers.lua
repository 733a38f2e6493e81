-- timeout: 300
-- Eight services read on all workers, with full collections and with generational ones, while another publishes a
-- thousand versions. The pages of shared tables are read-only all the time, so a write ends the process.
local skynet = require "skynet"
local sharetable = require "skynet.sharetable"
local sheets = require "reef.datasheet"
local test = require "test"

-- ThreadSanitizer sees the first of two accesses that race as well as the thousandth.
local VERSIONS = test.sanitizer == "tsan" and 300 or 1000

local function data(v)
	local t = { version = v, rows = {}, by_name = {} }
	for i = 1, 10 + v % 7 do
		local row = { v = v, i = i, name = ("row %d of %d"):format(i, v), long = ("%d "):format(v):rep(20) }
		t.rows[i] = row
		t.by_name[row.name] = { v = v, row.name }
	end
	return t
end

-- Reads everything there is; what it kept from before shows the new data, or says that it is gone.
local READER = [[
	local mode, what = ...
	local skynet = require "skynet"
	local sharetable, sheets = require "skynet.sharetable", require "reef.datasheet"
	collectgarbage(mode)
	local T = what == "table" and sharetable.query "readers" or sheets.query "readers"
	local held, names, reads = {}, setmetatable({}, { __mode = "k" }), 0
	local function read()
		local v, n = T.version, 0
		for i, row in ipairs(T.rows) do
			assert(row.v == v and row.i == i and row.name == "row " .. i .. " of " .. v and T.by_name[row.name][1] == row.name)
			assert(row.long == (v .. " "):rep(20) and #row.long == #row.long:lower())
			n = n + 1
		end
		assert(n == #T.rows and n == 10 + v % 7)
		for key, row in pairs(T.by_name) do
			assert(row.v == v and rawequal(row[1], key) or row[1] == key)
		end
		local row = T.rows[reads % #T.rows + 1]
		held[reads % 20 + 1], names[row] = row, row.name
		local text = row.name .. ":" .. row.long
		assert(text:find(" of " .. v, 1, true))
	end
	skynet.fork(function()
		while not done do
			read()
			reads = reads + 1
			if mode == "full" or reads % 10 == 0 then collectgarbage() else collectgarbage "step" end
			skynet.yield()
			if what == "table" then sharetable.update "readers" end
			for _, row in pairs(held) do
				local ok, v = pcall(function() return row.v end)
				assert(ok and (v == nil or v == T.version) or v:find "was removed")
			end
			if reads % 50 == 0 then held = {} end
		end
		finished = reads
	end)
]]

local function watch(what, publish)
	publish(data(0))
	local readers = {}
	for i = 1, 8 do
		readers[i] = test.service "share_reader"
		local mode = ({ "generational", "incremental" })[i % 2 + 1]
		skynet.call(readers[i], "lua", READER, mode, what)
	end
	for v = 1, VERSIONS do
		publish(data(v))
		if v % 10 == 0 then
			skynet.yield()
		end
	end
	for i, reader in ipairs(readers) do
		skynet.call(reader, "lua", "done = true")
		test.eventually("reader " .. i .. " comes to its end", 30, function()
			return (skynet.call(reader, "lua", "return finished or 0")) > 0
		end)
	end
end

test.case("readers on all workers agree with each version of a shared table", { timeout = 140 }, function()
	watch("table", function(t)
		sharetable.loadtable("readers", t)
	end)
end)

test.case("readers on all workers agree with each publication of a sheet", { timeout = 140 }, function()
	watch("sheet", function(t)
		sheets.publish { readers = t }
	end)
end)

test.run()
