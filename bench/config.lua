-- Loading configuration: a file of 100,000 rows as CSV and as JSON, parsed only, and how many megabytes a second that
-- is, beside the same tables made in Lua; read, parsed, checked and published, without a schema and with one. The
-- directories (csv, csv-schema, json, json-schema) are made by bench/run.
local bench = require "bench"
local config = require "reef.config"
local core = require "reef.config.core"

local ROWS, MS = 100000, 1000 -- bench.measure divides microseconds by this

local function parse(format, path)
	local file = assert(io.open(path, "rb"))
	local text = file:read "a"
	file:close()
	local rows
	collectgarbage()
	collectgarbage "stop" -- as reef.config does meanwhile
	local start = bench.cpu()
	bench.measure("parse_" .. format, MS, function()
		rows = format == "csv" and core.csv(text, {}).rows or core.json(text)
	end)
	bench.result(("parse_%s_rate"):format(format), { mb = #text / (bench.cpu() - start) / 1e6 })
	collectgarbage "restart"
	assert(#rows == ROWS)
end

-- What no parser can go below by much: the tables themselves.
local function make()
	local rows = {}
	bench.measure("make_rows", MS, function()
		for i = 1, ROWS do
			rows[i] = {
				id = i, name = "item " .. i, kind = i % 2 == 0 and "weapon" or "armour", price = i * 3, weight = i % 100 / 4,
				hp = i % 1000,
			}
		end
	end)
	assert(#rows == ROWS)
end

bench.main(function()
	make()
	for _, format in ipairs { "csv", "json" } do
		parse(format, ("%s/rows.%s"):format(format, format))
		collectgarbage()
		for _, dir in ipairs { format, format .. "-schema" } do
			local name = "load_" .. dir:gsub("-", "_")
			local start = bench.wall()
			bench.measure(name, MS, function()
				assert(assert(config.load(dir)).rows == ROWS)
			end)
			bench.result(name .. "_rate", { rows = ROWS / (bench.wall() - start) / 1e3 })
		end
	end
end)
