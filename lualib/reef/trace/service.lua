-- The service behind reef.trace: fetches spans from the engine, puts them together to traces, keeps those that tell
-- most, and sends all of them to a collector. Everything here is bounded.
local otlp = require "reef.trace.otlp"
local process = require "reef.process"
local services = require "reef.services"
local skynet = require "skynet"
local spans = require "reef.spans"
require "reef.manager"

local PERIOD <const> = 20 -- 1/100 s between two looks while it is on
local BATCH <const> = 1000 -- spans that are fetched at a time
local GRACE <const> = 1 -- seconds that a trace is waited for, after its first span has come
local MOST_OPEN <const> = 1000 -- traces that are being put together
local MOST_SPANS <const> = 1000 -- of a trace
local KEPT <const> = 50 -- of each sort
local SLOW_TIME <const> = 600 -- seconds that a slow trace is kept

local settings ---@type table|nil  nil: it is off
local told = {} ---@type table<integer, boolean>  services that begin traces
local open, open_count = {}, 0 ---@type table<string, table>
local slow, failed, recent = {}, {}, {} ---@type reef.trace.kept[], reef.trace.kept[], reef.trace.kept[]
local dropped = 0
local running = false

local command = {}

-- System services begin no traces: what they do is part of others'.
local function begins_traces(description, address)
	local name = description:match "^snlua (%S+)"
	return name and not name:find "^reef_" and name ~= "launcher" and name ~= "bootstrap" and name ~= "service_mgr"
		and require("reef.profile.sampler").fits(address, settings.services)
end

local function tell_services()
	local addresses, descriptions = services.snapshot()
	local living = {}
	for i, address in ipairs(addresses) do
		living[address] = told[address]
		if not told[address] and begins_traces(descriptions[i], address) then
			living[address] = true
			skynet.send(address, "debug", "TRACELOG", "lua", "sampled")
		end
	end
	told = living
end

local function tell_no_more()
	for address in pairs(told) do
		skynet.send(address, "debug", "TRACELOG", "lua")
	end
	told = {}
end

local function readable(span, base)
	return {
		offset = (span.start - base) / 1e9,
		id = span.id, parent = span.parent, kind = span.kind, name = span.name,
		service = skynet.address(span.service), service_name = span.service_name,
		peer = span.peer and skynet.address(span.peer),
		start = span.start / 1e9, duration = span.duration / 1e9, queued = span.queued / 1e9, error = span.error,
	}
end

local function keep(kept)
	table.insert(recent, kept)
	if #recent > KEPT then
		table.remove(recent, 1)
	end
	if kept.error then
		table.insert(failed, kept)
		if #failed > KEPT then
			table.remove(failed, 1)
		end
	end
	local oldest = skynet.time() - SLOW_TIME
	for i = #slow, 1, -1 do
		if slow[i].start < oldest then
			table.remove(slow, i)
		end
	end
	table.insert(slow, kept)
	table.sort(slow, function(a, b)
		return a.duration > b.duration
	end)
	slow[KEPT + 1] = nil
end

local function finish(id, found)
	open[id] = nil
	open_count = open_count - 1
	local root = found.root
	if not root then
		dropped = dropped + #found
		return
	end
	local kept = { trace = id, name = ("%s %s"):format(root.service_name or "?", root.name), start = root.start / 1e9,
		duration = root.duration / 1e9, spans = {} }
	table.sort(found, function(a, b)
		return a.start < b.start
	end)
	for i, span in ipairs(found) do
		kept.spans[i] = readable(span, root.start)
		kept.error = kept.error or span.error
	end
	keep(kept)
end

local function add(span, now)
	local found = open[span.trace]
	if not found then
		if open_count >= MOST_OPEN then
			dropped = dropped + 1
			return
		end
		found = { since = now }
		open[span.trace], open_count = found, open_count + 1
	end
	if #found < MOST_SPANS then
		found[#found + 1] = span
	else
		dropped = dropped + 1
	end
	if span.kind == "request" and (not span.parent or span.remote) then
		found.root, found.since = span, now
	end
end

-- True: there may be more.
local function look()
	local list, lost = spans.drain(BATCH)
	local now = skynet.time()
	for _, span in ipairs(list) do
		add(span, now)
	end
	if settings and settings.otlp then
		otlp.add(list)
	end
	for id, found in pairs(open) do
		if now - found.since > (found.root and GRACE or 30 * GRACE) then
			finish(id, found)
		end
	end
	command.lost = lost
	return #list == BATCH
end

local function loop()
	while settings or open_count > 0 do
		if settings then
			tell_services()
		end
		local ok, err = xpcall(look, debug.traceback)
		if not ok then
			skynet.error("traces: " .. tostring(err))
		end
		if not ok or not err then
			skynet.sleep(PERIOD)
		end
	end
	running = false
end

function command.START(given)
	tell_no_more()
	settings = given
	otlp.start(given.otlp, given.service_name)
	spans.rate(given.rate)
	tell_services()
	if not running then
		running = true
		skynet.fork(loop)
	end
end

function command.STOP()
	spans.rate(0)
	if settings then
		settings = nil
		tell_no_more()
	end
end

function command.LIST()
	while look() do
		skynet.yield()
	end
	local list, seen = {}, {}
	for _, kept_of in ipairs { recent, failed, slow } do
		for _, kept in ipairs(kept_of) do
			if not seen[kept] then
				seen[kept] = true
				list[#list + 1] = kept
			end
		end
	end
	table.sort(list, function(a, b)
		return a.start > b.start
	end)
	return { list, { rate = spans.rate(), dropped = dropped + (command.lost or 0), otlp = otlp.state() } }
end

local service = {}

function service.run()
	process.daemon()
	skynet.register ".reef_traces"
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end

return service
