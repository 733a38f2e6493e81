-- Sends spans to a collector: OTLP over HTTP with JSON (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP", and
-- opentelemetry-proto, trace.proto), in batches. What does not get through is tried again, with pauses that grow;
-- what finds no room meanwhile is dropped and counted. Part of the service reef_traces.
local encode = require("reef.json").encode
local http = require "reef.http.client"
local skynet = require "skynet"

local ROOM <const> = 8192 -- spans that wait
local BATCH <const> = 512 -- spans in a request
local TIMEOUT <const> = 1000 -- 1/100 s for a request
local SHORTEST <const>, LONGEST <const> = 100, 3000 -- 1/100 s between attempts

local otlp = {}

local client = http.new { timeout = TIMEOUT }

local endpoint, name ---@type string|nil, string
local waiting = {} ---@type table[]
local sending = false
local sent, dropped, last_error = 0, 0, nil

---@param to string|nil  nil: nothing is sent any more
---@param service_name string
function otlp.start(to, service_name)
	endpoint, name = to and to:gsub("/+$", ""), service_name
	if not to then
		waiting = {}
	end
end

local function attribute(key, value)
	local of = math.type(value) == "integer" and { intValue = tostring(value) } or { stringValue = tostring(value) }
	return { key = key, value = of }
end

local SERVER <const>, CLIENT <const>, INTERNAL <const> = 2, 3, 1 -- enum SpanKind
local ERROR <const> = 2 -- enum StatusCode

local function encoded(span)
	local attributes = {
		attribute("reef.service.address", skynet.address(span.service)),
		attribute("reef.service.name", span.service_name or "?"),
	}
	if span.kind == "request" then
		attributes[#attributes + 1] = attribute("reef.queued_ns", span.queued)
	end
	if span.peer then
		attributes[#attributes + 1] = attribute("reef.peer", skynet.address(span.peer))
	end
	return {
		traceId = span.trace, spanId = span.id, parentSpanId = span.parent,
		name = span.kind == "request" and ("%s %s"):format(span.service_name or "?", span.name) or span.name,
		kind = span.kind == "request" and SERVER or span.name == "sleep" and INTERNAL or CLIENT,
		startTimeUnixNano = tostring(span.start), endTimeUnixNano = tostring(span.start + span.duration),
		attributes = attributes,
		status = span.error and { code = ERROR, message = span.error } or { code = 0 },
	}
end

local function pid()
	local f = io.open "/proc/self/stat"
	local number = f and f:read "n"
	if f then
		f:close()
	end
	return number or 0
end

local function body_of(list)
	local all = {}
	for i, span in ipairs(list) do
		all[i] = encoded(span)
	end
	return encode { resourceSpans = { {
		resource = { attributes = { attribute("service.name", name), attribute("process.pid", pid()) } },
		scopeSpans = { { scope = { name = "reef" }, spans = all } },
	} } }
end

-- True: the collector has taken them, or never will.
local function post(list)
	local ok, status, body = pcall(function()
		local response = client:request {
			method = "POST", url = endpoint .. "/v1/traces", header = { ["content-type"] = "application/json" },
			body = body_of(list),
		}
		return response.status, response:body()
	end)
	if ok and status >= 200 and status < 300 then
		sent, last_error = sent + #list, nil
		return true
	end
	last_error = ok and ("%d: %s"):format(status, tostring(body):sub(1, 200)) or tostring(status)
	if ok and status >= 400 and status < 500 and status ~= 408 and status ~= 429 then
		dropped = dropped + #list
		return true
	end
	return false
end

local function send_all()
	local pause = SHORTEST
	while endpoint and #waiting > 0 do
		local list = table.move(waiting, 1, math.min(BATCH, #waiting), 1, {})
		if post(list) then
			pause = SHORTEST
			waiting = table.move(waiting, #list + 1, #waiting, 1, {})
		else
			skynet.sleep(pause)
			pause = math.min(2 * pause, LONGEST)
		end
	end
	sending = false
end

---@param list table[]  as reef.spans gives them
function otlp.add(list)
	for _, span in ipairs(list) do
		if #waiting < ROOM then
			waiting[#waiting + 1] = span
		else
			dropped = dropped + 1
		end
	end
	if not sending and #waiting > 0 then
		sending = true
		skynet.fork(send_all)
	end
end

---@return {endpoint: string|nil, sent: integer, waiting: integer, dropped: integer, error: string|nil}
function otlp.state()
	return { endpoint = endpoint, sent = sent, waiting = #waiting, dropped = dropped, error = last_error }
end

return otlp
