-- The service behind reef.metrics: gathers what services count and what the engine knows, and answers HTTP.
local guard = require "reef.http_guard"
local ledger = require "reef.metrics.ledger"
local process = require "reef.process"
local skynet = require "skynet"
local socket = require "reef.socket"
local sorted = require "reef.base.sorted"
local text = require "reef.metrics.text"
require "reef.manager"

local PATIENCE = 200 -- hundredths of a second that services have to tell their values
local LINE_TIME = 500 -- hundredths of a second that the first line of a request may take to arrive
local REQUEST_SIZE = 8 * 1024 -- bytes

local command = {}
local ended = ledger.new()
local described = {} ---@type table<string, reef.metric>  the first of each name that was seen
local differing = {} ---@type table<string, boolean>  names about which it was said that services disagree
local waited_for = {} ---@type table<string, boolean>  what is not ready yet
local listening ---@type string|nil
local listens ---@type string  the address of it

---------------------------------------------------------------------------------------------------------------------
-- gathering

-- Values of one name are added up, so they have to be of one kind.
local function agrees(address, metric)
	local first = described[metric.name]
	if not first then
		described[metric.name] = metric
		return true
	end
	local same_kind = first.kind == metric.kind
	if same_kind and table.concat(first.bounds or {}, " ") == table.concat(metric.bounds or {}, " ") then
		return true
	elseif not differing[metric.name] then
		differing[metric.name] = true
		skynet.error(("metrics: %s of %s is left out: another service has a %s of that name%s"):format(metric.name,
			skynet.address(address), first.kind, same_kind and " with other buckets" or ""))
	end
	return false
end

---@param out reef.metrics.families
---@param address integer
---@param metrics table<string, reef.metric>
---@return table<string, number> counters  by the name, a line feed, and the sample's key
local function add_metrics(out, address, metrics)
	local counters = {}
	for name, metric in pairs(metrics) do
		if agrees(address, metric) then
			out:declare(name, metric.kind, metric.help)
			local function add(key, value)
				out:add(name, key, value)
				if metric.kind ~= "gauge" then
					counters[name .. "\n" .. key] = value
				end
			end
			for _, sample in pairs(metric.samples) do
				if metric.kind == "histogram" then
					text.histogram(name, metric.labels, sample.labels, metric.bounds, sample, sample.sum, add)
				else
					add(text.key(name, metric.labels, sample.labels), sample[1])
				end
			end
		end
	end
	return counters
end

---What services count themselves. Who does not answer in time is left out, and counted.
---@param out reef.metrics.families
local function ask_services(out)
	local members = skynet.call(".launcher", "lua", "METRICS")
	local request, living, silent = skynet.request(), {}, 0
	for _, address in ipairs(members) do
		request:add { address, "debug", "METRICS" }
		living[address] = ended.seen[address] or {}
	end
	if #members > 0 then
		local answered = 0
		for object, answer in request:select(PATIENCE) do
			if answer then
				living[object[1]] = add_metrics(out, object[1], answer[1])
				answered = answered + 1
			end
		end
		silent = #members - answered
	end
	ended:settle(living, function(key, value)
		local name, line = key:match "^(.-)\n(.*)$"
		out:declare(name, described[name].kind, described[name].help)
		out:add(name, line, value)
	end)
	out:single("reef_metrics_silent_services", "gauge", "Services that did not tell their metrics in time.", silent)
end

---@return string
function command.TEXT()
	local out = text.families()
	require("reef.metrics.process").collect(out)
	ask_services(out)
	return out:format()
end

---------------------------------------------------------------------------------------------------------------------
-- HTTP: a GET, an answer, the end of the connection

local function page()
	local path = skynet.getenv "reef_lualib" .. "/reef/metrics/page.html"
	local f = assert(io.open(path, "rb"))
	local html = f:read "a"
	f:close()
	return html
end

function command.NOT_READY(what)
	waited_for[what] = true
end

function command.READY(what)
	waited_for[what] = nil
end

local function words(what)
	return function()
		return what
	end
end

local function ready()
	local list = sorted.keys(waited_for)
	if skynet.call(".launcher", "lua", "ENDING") then
		table.insert(list, 1, "the process ends")
	end
	if #list == 0 then
		return "ready\n"
	end
	return ("not ready: %s\n"):format(table.concat(list, ", ")), 503
end

local PLAIN <const> = "text/plain; charset=utf-8"

local routes = {
	["/healthz"] = { PLAIN, words "alive\n" },
	["/readyz"] = { PLAIN, ready },
	["/"] = { "text/html; charset=utf-8", page, guard.page_policy },
	["/metrics"] = { "text/plain; version=0.0.4; charset=utf-8", command.TEXT },
}
local http = guard.server(function()
	return listens
end, { GET = true, HEAD = true }, REQUEST_SIZE, function(request)
	local path = request.url:match "^[^?]*"
	if path == "/api/profile" then
		return guard.answer(require("reef.profile.http")(request))
	elseif path == "/api/traces" then
		return guard.answer(require("reef.trace.http")())
	end
	local route = routes[path]
	if not route then
		return guard.refuse(404)
	end
	local body, status = route[2]()
	local policy = route[3] and { ["Content-Security-Policy"] = route[3](body) } or nil
	return guard.answer(status or 200, route[1], body, policy)
end)

local function accept(id, peer)
	socket.start(id)
	socket.limit(id, REQUEST_SIZE)
	local line
	skynet.timeout(LINE_TIME, function()
		if not line then
			socket.shutdown(id)
		end
	end)
	line = socket.readline(id, "\r\n")
	if line and http.count < http.max_connections then
		guard.serve(http, id, peer, line)
	else
		line = ""
		socket.close(id)
	end
end

---------------------------------------------------------------------------------------------------------------------

function command.SERVE(address)
	if listening then
		error(("metrics: %s is served already"):format(listening), 0)
	end
	local ok, id, ip, port = pcall(socket.listen, address)
	if not ok then
		error(("metrics: cannot listen to %s: %s"):format(tostring(address), tostring(id)), 0)
	end
	listening, listens = ("%s:%d"):format(ip, port), ip
	socket.start(id, accept)
	skynet.error(("metrics at http://%s/"):format(listening))
	return listening
end

local server = {}

function server.run()
	process.daemon()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end

return server
