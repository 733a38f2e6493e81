-- The service behind reef.metrics: gathers what services count and what the engine knows, and answers HTTP.
local guard = require "reef.http_guard"
local ledger = require "reef.metrics.ledger"
local process = require "reef.process"
local skynet = require "skynet"
local socket = require "reef.socket"
local text = require "reef.metrics.text"
require "reef.manager"

local PATIENCE = 200 -- hundredths of a second that services have to tell their values
local LINE_TIME = 500 -- hundredths of a second that the first line of a request may take to arrive
local REQUEST_SIZE = 8 * 1024 -- bytes

local command = {}
local ended = ledger.new()
local listening ---@type string|nil
local listens ---@type string  the address of it

---------------------------------------------------------------------------------------------------------------------
-- gathering

---@param out reef.metrics.families
---@param metrics table<string, reef.metric>
---@return table<string, number> counters
local function add_metrics(out, metrics)
	local counters = {}
	for name, metric in pairs(metrics) do
		out:declare(name, metric.kind, metric.help)
		for _, sample in pairs(metric.samples) do
			local key = text.key(name, metric.labels, sample.labels)
			out:add(name, key, sample[1])
			if metric.kind == "counter" then
				counters[key] = sample[1]
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
				living[object[1]] = add_metrics(out, answer[1])
				answered = answered + 1
			end
		end
		silent = #members - answered
	end
	ended:settle(living, function(key, value)
		local name = key:match "^[^{]+"
		out:declare(name, "counter", "Counted by services that have ended.")
		out:add(name, key, value)
	end)
	out:declare("reef_metrics_silent_services", "gauge", "Services that did not tell their metrics in time.")
	out:add("reef_metrics_silent_services", "reef_metrics_silent_services", silent)
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

local routes = {
	["/"] = { "text/html; charset=utf-8", page, guard.page_policy },
	["/metrics"] = { "text/plain; version=0.0.4; charset=utf-8", command.TEXT },
}
local http = guard.server(function()
	return listens
end, { GET = true, HEAD = true }, REQUEST_SIZE, function(request)
	local route = routes[request.url:match "^[^?]*"]
	if not route then
		return guard.refuse(404)
	end
	local body = route[2]()
	return guard.answer(200, route[1], body, route[3] and { ["Content-Security-Policy"] = route[3](body) } or nil)
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
