-- tsan: no, one thread does all of it
-- Server selection and max staleness: the suites that are pure data.
local bson = require "bson"
local selection = require "reef.mongo.selection"
local spec = require "test.spec"
local test = require "test"

local function read(text)
	return bson.decode(bson.from_json(text))
end

local function topology_of(description)
	local t = { type = description.type, servers = {} }
	for _, server in ipairs(description.servers) do
		t.servers[server.address] = {
			address = server.address,
			type = server.type == "PossiblePrimary" and "Unknown" or server.type,
			tags = server.tags,
			roundTripTime = server.avg_rtt_ms,
			lastUpdateTime = server.lastUpdateTime,
			lastWriteDate = server.lastWrite and server.lastWrite.lastWriteDate,
		}
	end
	return t
end

local function addresses(servers)
	local out = {}
	for i, server in ipairs(servers) do
		out[i] = server.address
	end
	table.sort(out)
	return out
end

local function read_mode(mode)
	return mode and mode:sub(1, 1):lower() .. mode:sub(2)
end

local function run_selection(case)
	local t = topology_of(case.topology_description)
	local wanted = case.read_preference
	local operation = {
		write = case.operation == "write",
		preference = {
			mode = read_mode(wanted.mode), tags = wanted.tag_sets, maxStalenessSeconds = wanted.maxStalenessSeconds,
		},
		avoid = {},
	}
	for _, server in ipairs(case.deprioritized_servers or {}) do
		operation.avoid[server.address] = true
	end
	local heartbeat = case.heartbeatFrequencyMS or 10000
	if case.error then
		test.raises("Invalid read preference", selection.suitable, t, operation, heartbeat)
		return
	end
	local suitable = selection.suitable(t, operation, heartbeat)
	test.equal(addresses(suitable), addresses(case.suitable_servers), "suitable")
	test.equal(addresses(selection.in_window(suitable, 15)), addresses(case.in_latency_window), "in the window")
end

local function run_window(case)
	local t = topology_of(case.topology_description)
	local counts, chosen = {}, {}
	for _, state in ipairs(case.mocked_topology_state) do
		counts[state.address] = state.operation_count
	end
	local servers = selection.in_window(selection.suitable(t, { preference = { mode = "nearest" } }, 10000), 15)
	for _ = 1, case.iterations do
		local server = selection.pick(servers, function(address)
			return counts[address]
		end)
		chosen[server.address] = (chosen[server.address] or 0) + 1
	end
	for address, frequency in pairs(case.outcome.expected_frequencies) do
		local got = (chosen[address] or 0) / case.iterations
		local tolerance = (frequency == 0 or frequency == 1) and 0 or case.outcome.tolerance
		test.between(got, frequency - tolerance, frequency + tolerance, address)
	end
end

local function run_rtt(case)
	local average = case.avg_rtt_ms ~= "NULL" and case.avg_rtt_ms or nil
	local got = selection.average(average, case.new_rtt_ms)
	test.between(got, case.new_avg_rtt - 1e-9, case.new_avg_rtt + 1e-9)
end

for _, suite in ipairs { "server-selection", "max-staleness" } do
	spec.files(suite, function(name, data, text)
		local run = name:find "/in_window/" and run_window or name:find "/rtt/" and run_rtt or run_selection
		if not spec.is_unified(data) then
			test.case(name .. ": " .. (data.description or "the right servers are chosen"), function()
				run(read(text))
			end)
		end
	end)
end

test.run()
