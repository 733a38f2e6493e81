-- The service behind reef.metrics: gathers what services count and what the engine knows, and answers HTTP.
local files = require "reef.look.files"
local guard = require "reef.http_guard"
local json = require "reef.json"
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
local waiting ---@type thread[]|nil  who is to ask services as soon as those are done who do; nil: nobody asks
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
	ended.asking = true
	local members = skynet.call(".launcher", "lua", "METRICS")
	local request, living, listed, silent = skynet.request(), {}, {}, 0
	for _, address in ipairs(members) do
		request:add { address, "debug", "METRICS" }
		listed[address] = true
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
	end, listed)
	out:single("reef_metrics_silent_services", "gauge", "Services that did not tell their metrics in time.", silent)
end

-- A service ends: its counters are those of an ended one from now on, whether anybody had asked for them or not.
---@param address integer
---@param metrics table<string, reef.metric>
function command.LEAVES(address, metrics)
	ended:leave(address, add_metrics(text.families(), address, metrics))
end

-- One look after the other: a service that ends meanwhile belongs to one of them.
local function one_at_a_time(f, ...)
	while waiting do
		waiting[#waiting + 1] = coroutine.running()
		skynet.wait()
	end
	waiting = {}
	local ok, reason = pcall(f, ...)
	local next_ones = waiting
	waiting = nil
	for _, thread in ipairs(next_ones) do
		skynet.wakeup(thread)
	end
	if not ok then
		error(reason, 0)
	end
end

---@return string
function command.TEXT()
	local out = text.families()
	require("reef.metrics.process").collect(out)
	one_at_a_time(ask_services, out)
	return out:format()
end

---------------------------------------------------------------------------------------------------------------------
-- HTTP: a request, an answer, the end of the connection

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

local function waits_for()
	local list = sorted.keys(waited_for)
	if skynet.call(".launcher", "lua", "ENDING") then
		table.insert(list, 1, "the process ends")
	end
	return list
end

local function ready()
	local list = waits_for()
	if #list == 0 then
		return "ready\n"
	end
	return ("not ready: %s\n"):format(table.concat(list, ", ")), 503
end

local PLAIN <const> = "text/plain; charset=utf-8"
local JSON <const> = "application/json"
local WRONG_TOKEN_PAUSE <const> = 50 -- hundredths of a second

local routes = {
	["/healthz"] = { PLAIN, words "alive\n" },
	["/readyz"] = { PLAIN, ready },
	["/metrics"] = { "text/plain; version=0.0.4; charset=utf-8", command.TEXT },
}

local token ---@type string|nil
-- What the API is told of this server.
local api_server = { changes = false, not_ready = waits_for }

function api_server.look()
	return require("reef.look.process").look({}, api_server)
end

local function answer_json(status, body)
	return guard.answer(status, JSON, json.encode(body) .. "\n")
end

local function change(request)
	if not token then
		return answer_json(403, { error = "nothing can be changed: the configuration has no metrics_token" })
	elseif not guard.has_token(request, token) then
		skynet.sleep(WRONG_TOKEN_PAUSE)
		return answer_json(401, { error = "Authorization: Bearer and the token of metrics_token are needed" })
	end
	request:body()
	return answer_json(require("reef.look.api").change(request.url, request.peer))
end

local function answer_api(request, path)
	local api = require "reef.look.api"
	if api.changes[path] then
		return change(request)
	elseif path == "/api/profile" then
		return guard.answer(require("reef.profile.http").answer(request))
	elseif path == "/api/traces" then
		return guard.answer(require("reef.trace.http")())
	elseif path == "/api/live" then
		if not require("reef.look.live").serve(request, api_server) then
			return answer_json(503, { error = "too many look already" })
		end
		return
	end
	local status, body = api.answer(request.url, api_server)
	if not status then
		return answer_json(404, { error = "there is no " .. path })
	end
	return answer_json(status, body)
end

local LOOKING <const>, CHANGING <const> = { GET = true, HEAD = true }, { POST = true }

local function methods_of(path)
	return path:find "^/api/" and require("reef.look.api").changes[path] and CHANGING or LOOKING
end

local http = guard.server(function()
	return listens
end, methods_of, REQUEST_SIZE, function(request)
	local path = request.url:match "^[^?]*"
	if path == "/api" or path:find "^/api/" then
		return answer_api(request, path)
	end
	local content, kind = files.read(path)
	if content then
		return guard.answer(200, kind, content, { ["Content-Security-Policy"] = guard.PAGE })
	end
	local route = routes[path]
	if not route then
		return guard.refuse(404)
	end
	local body, status = route[2]()
	return guard.answer(status or 200, route[1], body)
end)

local function read_token()
	token = guard.token "metrics_token"
	api_server.changes = token ~= nil
end

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
	read_token()
	local ok, id, ip, port = pcall(socket.listen, address)
	if not ok then
		error(("metrics: cannot listen: %s"):format(tostring(id)), 0)
	end
	listening, listens = ("%s:%d"):format(ip, port), ip
	require("reef.look").keep()
	socket.start(id, accept)
	skynet.error(("metrics at http://%s/"):format(listening))
	return listening
end

local server = {}

function server.run()
	process.daemon()
	skynet.register ".reef_metrics"
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end

return server
