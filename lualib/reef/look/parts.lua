-- What services of the system tell of themselves: pools, nodes of the cluster, directories of configuration data. Only
-- those that run are asked; nothing is started.
local ask = require "reef.look.ask"
local clean = require "reef.text".clean
local json = require "reef.json"
local name_of = require "reef.look.name"
local report = require "reef.config.report"
local sample = require "reef.look.sample"
local skynet = require "skynet"
local sorted = require "reef.base.sorted"
local tables = require "reef.tables"

local parts = {}

-- Addresses of the services of that name.
local function services_of(now, name)
	local list = {}
	for i, description in ipairs(now.description) do
		if description:find("^snlua " .. name .. "%f[%W]") then
			list[#list + 1] = now.address[i]
		end
	end
	return list
end

-- ---- pools ----

---@class reef.look.pools
---@field at number
---@field stats table<string, table>

local pools_now, pools_before ---@type reef.look.pools|nil, reef.look.pools|nil
local REASONS <const> = { "overload", "timeouts", "lost", "refused" }

local function fetch_pools(address)
	local at = skynet.hpc() / 1e9
	if not pools_now or at - pools_now.at > 0.45 then
		local answered, stats = ask(address, "lua", "STAT")
		if answered then
			pools_before, pools_now = pools_now, { at = at, stats = stats }
		end
	end
end

-- Of the values since the look before: what the part q of them is not above, by a straight line within its bucket.
local function quantile(bounds, counts, q)
	local total = 0
	for _, n in ipairs(counts) do
		total = total + n
	end
	if total == 0 then
		return nil
	end
	local rank, below = q * total, 0
	for i, n in ipairs(counts) do
		if below + n >= rank and n > 0 then
			local low, high = bounds[i - 1] or 0, bounds[i] or bounds[#bounds]
			return low + (high - low) * (rank - below) / n
		end
		below = below + n
	end
end

local function since(new, old)
	local counts = {}
	for i, n in ipairs(new) do
		counts[i] = math.max(n - (old and old[i] or 0), 0)
	end
	return counts
end

local function pool_row(label, stat, old, span)
	local function rate(name)
		return old and math.max(stat[name] - old[name], 0) / span or 0
	end
	local row = { name = clean(label), connections = #stat.connections, down = stat.down and true or false,
		in_flight = stat.in_flight, queued = stat.queued, requests = stat.requests, request_rate = rate "requests",
		failed = 0, failed_rate = 0, failed_by_reason = {} }
	for _, reason in ipairs(REASONS) do
		row.failed, row.failed_rate = row.failed + stat[reason], row.failed_rate + rate(reason)
		row.failed_by_reason[reason] = stat[reason]
	end
	local time = stat.time
	if time and time.counts then
		local counts = since(time.counts, old and old.time and old.time.counts)
		row.p50, row.p99 = quantile(time.bounds, counts, 0.5), quantile(time.bounds, counts, 0.99)
	elseif time then
		row.p50, row.p99 = time.p50, time.p99
	end
	return row
end

---@return table
function parts.pools()
	local now = sample.both()
	local list = json.list {}
	local directory = services_of(now, "reef_pools")[1]
	if directory then
		fetch_pools(directory)
	end
	if directory and pools_now then
		local old = pools_before
		for _, label in ipairs(sorted.keys(pools_now.stats)) do
			list[#list + 1] = pool_row(label, pools_now.stats[label], old and old.stats[label], old and pools_now.at - old.at)
		end
	end
	return { time = now.time, pools = list }
end

-- ---- shared data ----

local function name_at(now, address)
	local i = now.row[address]
	return i and clean(name_of(now.description[i]))
end

local function holders(now, version)
	local list = json.list {}
	for _, reader in ipairs(version.readers) do
		list[#list + 1] = { service = skynet.address(reader.address), name = name_at(now, reader.address),
			left = reader.left, pinned_by = reader.pinned_by and clean(tostring(reader.pinned_by)) }
	end
	return list
end

local function shared_tables(now)
	local list = json.list {}
	local stat = tables.stat()
	for _, name in ipairs(sorted.keys(stat.names)) do
		for _, version in ipairs(stat.names[name]) do
			list[#list + 1] = { name = clean(name), version = version.version, bytes = version.bytes,
				current = version.current, holders = holders(now, version) }
		end
	end
	return list, stat
end

local function config_directories(now)
	local list = json.list {}
	for _, address in ipairs(services_of(now, "reef_config")) do
		local answered, stat = ask(address, "lua", "STAT")
		if answered then
			local errors = stat.errors and report.lines(stat.errors, stat.dir)
			for i, line in ipairs(errors or {}) do
				errors[i] = clean(line)
			end
			list[#list + 1] = { directory = clean(tostring(stat.dir)), service = skynet.address(address),
				version = stat.version, attempts = stat.attempts, loaded_at = stat.loaded_at, sheets = stat.sheets,
				rows = stat.rows, bytes = stat.bytes, errors = errors and json.list(errors) }
		end
	end
	return list
end

---@return table
function parts.shared()
	local now = sample.both()
	local list, stat = shared_tables(now)
	local code, sheets = require("skynet.codecache").stat(), require("reef.datasheet").stat()
	return {
		time = now.time, mapped = stat.mapped, tables = list, code = { files = #code.files, bytes = code.bytes },
		sheets = sheets, directories = config_directories(now),
	}
end

-- ---- cluster ----

---@return table
function parts.cluster()
	local now = sample.both()
	local node = services_of(now, "clusterd")[1]
	local answer = { time = now.time, nodes = json.list {} }
	if not node then
		return answer
	end
	local answered, info = ask(node, "debug", "INFO")
	local known = {}
	for name, address in pairs(answered and info and info.nodes or {}) do
		known[name] = { name = clean(tostring(name)), address = address and clean(tostring(address)) or nil,
			state = "unused" }
	end
	for _, sender in ipairs(services_of(now, "clustersender")) do
		local told, state = ask(sender, "debug", "INFO")
		if told and state then
			local entry = known[state.node] or { name = clean(tostring(state.node)) }
			known[state.node] = entry
			entry.state = state.connected and "connected" or "not connected"
			entry.in_flight, entry.queued, entry.service = state.in_flight, state.queued, skynet.address(sender)
		end
	end
	for _, name in ipairs(sorted.keys(known)) do
		answer.nodes[#answer.nodes + 1] = known[name]
	end
	local names = {}
	for name, address in pairs(answered and info and info.names or {}) do
		names[clean(tostring(name))] = math.type(address) == "integer" and skynet.address(address)
			or clean(tostring(address))
	end
	answer.names, answer.connections = names, #services_of(now, "clusteragent")
	return answer
end

return parts
