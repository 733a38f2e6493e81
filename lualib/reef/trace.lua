-- Traces: which requests led to which, what they waited for, and how long; see docs/traces.md.
--
--     local trace = require "reef.trace"
--     trace.start { rate = 0.01 }          -- of the requests that are part of no trace yet
--     for _, kept in ipairs(trace.list()) do print(kept.duration, kept.name) end
--
-- Seconds, unless it says ns. While it is off it costs nothing.
local options = require "reef.options"
local skynet = require "skynet"

local trace = {}

---@class reef.trace.options
---@field rate number|nil          share of requests that begin a trace, 0 to 1; default 0.01
---@field services string|nil      shell pattern of the names of services in which they may begin; default "*"
---@field otlp string|nil          "http://host:4318": where spans are sent (OTLP over HTTP, JSON)
---@field service_name string|nil  this process, as collectors call it; default "reef"
local known = { rate = true, services = true, otlp = true, service_name = true }

local function service()
	return skynet.uniqueservice "reef_traces"
end

---From now on some requests become traces, until `stop`. Again it replaces what was said before.
---@param given reef.trace.options|nil
function trace.start(given)
	options.check("trace", given, known)
	given = given or {}
	local rate = given.rate or 0.01
	if type(rate) ~= "number" or not (rate >= 0 and rate <= 1) then
		error(("trace: rate is a number from 0 to 1, not %s"):format(tostring(rate)))
	elseif given.otlp and not tostring(given.otlp):find "^https?://[^/]" then
		error(("trace: otlp is an address such as http://127.0.0.1:4318, not %s"):format(tostring(given.otlp)))
	end
	skynet.call(service(), "lua", "START", {
		rate = rate, services = given.services or "*", otlp = given.otlp, service_name = given.service_name or "reef",
	})
end

---No more spans.
function trace.stop()
	skynet.call(service(), "lua", "STOP")
end

---@class reef.trace.kept
---@field trace string        its id, 32 hexadecimal digits
---@field name string         service and kind of its first request
---@field start number        since 1970
---@field duration number
---@field error string|nil    of the first span that failed
---@field spans reef.trace.span[]  by their start

---@class reef.trace.span
---@field id string
---@field parent string|nil
---@field kind "request"|"call"|"wait"
---@field name string         kind of the message, or what is waited for: "redis GET"
---@field service string      address
---@field service_name string
---@field peer string|nil     who has asked, or who is asked
---@field start number        since 1970
---@field offset number       since its trace began
---@field duration number
---@field queued number       that a request waited for its service
---@field error string|nil

---The slowest traces of the last ten minutes, the last that failed, and the last of all: the latest first.
---@return reef.trace.kept[] traces
---@return table about  rate =, dropped = spans for which there was no room, otlp = what became of those that were to
---be sent
function trace.list()
	return table.unpack(skynet.call(service(), "lua", "LIST"), 1, 2)
end

---The running coroutine's place in its trace, as the field `traceparent` of W3C's Trace Context; nil: it is in none.
---@return string|nil
function trace.parent()
	return (require("skynet.core").tracecontext())
end

---The running coroutine's request goes on with a trace that has begun elsewhere.
---@param parent any  a `traceparent`; what is none, or not sampled, is ignored
---@return boolean whether it does
function trace.continue(parent)
	return type(parent) == "string" and require("skynet.core").tracecontext(parent) or false
end

return trace
