-- Traces become spans, with parents, waits and errors; and reach a collector.
local json = require "reef.json"
local skynet = require "skynet"
local test = require "test"
local trace = require "reef.trace"

-- The traces that have a span of this kind and name, once there are some.
local function find(kind, name, count)
	local found
	test.eventually("the trace", 20, function()
		found = {}
		for _, kept in ipairs((trace.list())) do
			for _, span in ipairs(kept.spans) do
				if span.kind == kind and span.name == name then
					found[#found + 1] = kept
					break
				end
			end
		end
		return #found >= (count or 1)
	end)
	return found
end

local function span_of(kept, kind, service)
	for _, span in ipairs(kept.spans) do
		if span.kind == kind and span.service == skynet.address(service) then
			return span
		end
	end
	test.fail(("no %s of %s"):format(kind, skynet.address(service)))
end

-- A request to a service, which asks this one: as a trace that has begun elsewhere.
local PARENT <const> = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

test.case("nothing is noted while it is off", function()
	test.equal(trace.parent(), nil)
	test.equal(trace.continue(PARENT), false)
	test.equal(#require("reef.spans").drain(10), 0)
end)

test.case("a trace has its calls, the requests behind them, and what they wait for", function()
	trace.start { rate = 1, services = "nobody*" }
	local service = test.service "profiled"
	local done
	skynet.fork(function()
		test.equal(trace.continue "00-00000000000000000000000000000000-b7ad6b7169203331-01", false)
		test.equal(trace.continue "no parent", false)
		test.equal(trace.continue(PARENT), true)
		test.matches(trace.parent(), "^00%-0af7651916cd43dd8448eb211c80319c%-%x+%-01$")
		skynet.call(service, "lua", "shares", 0.01)
		skynet.sleep(2)
		done = true
	end)
	test.eventually("it is done", 20, function()
		return done
	end)
	local kept = find("wait", "sleep")[1]
	test.equal(kept.trace, "0af7651916cd43dd8448eb211c80319c")
	local root, call = span_of(kept, "request", skynet.self()), span_of(kept, "call", skynet.self())
	local request, wait = span_of(kept, "request", service), span_of(kept, "wait", skynet.self())
	test.equal(root.parent, "b7ad6b7169203331")
	test.equal({ call.parent, wait.parent, request.parent }, { root.id, root.id, call.id })
	test.truthy(request.offset >= call.offset)
	test.truthy(request.queued >= 0 and request.queued <= call.duration)
	test.truthy(wait.duration >= 0.02)
	test.equal(kept.error, nil)
	trace.stop()
end)

test.case("requests become traces by chance, and failures are kept", function()
	local service = test.service "profiled"
	trace.start { rate = 1, services = "profiled" }
	test.raises("attempt to call a nil value", skynet.call, service, "lua", "nothing")
	local kept
	test.eventually("the failure", 20, function()
		for _, one in ipairs((trace.list())) do
			kept = one.error and one or kept
		end
		return kept
	end)
	test.equal(kept.name, "profiled lua")
	test.matches(kept.error, "attempt to call a nil value")
	trace.start { rate = 0.25, services = "profiled" }
	local spans, seen = require "reef.spans", 0
	test.truthy(math.abs(spans.rate() - 0.25) < 1e-9)
	trace.stop()
	test.truthy(spans.rate() == 0)
	skynet.call(service, "lua", "shares", 0)
	for _, span in ipairs((spans.drain(100))) do
		seen = seen + 1
		test.fail("a span of " .. span.name)
	end
	test.equal(seen, 0)
end)

test.case("a collector gets spans by OTLP, also one that was gone for a while", { timeout = 60 }, function()
	local server = require "reef.http.server"
	local socket = require "skynet.socket"
	local bodies, refused = {}, 0
	local http = server.new(function(request)
		local body = request:body()
		test.equal({ request.method, request.path, request.header["content-type"] },
			{ "POST", "/v1/traces", "application/json" })
		if refused < 1 then
			refused = refused + 1
			return 503, "later"
		end
		bodies[#bodies + 1] = json.decode(body)
		return 200, "{}", { ["Content-Type"] = "application/json" }
	end)
	local id, _, port = require("reef.socket").listen "127.0.0.1:0"
	socket.start(id, function(connection, peer)
		socket.start(connection)
		http:serve(connection, peer)
	end)
	test.defer(socket.close, id)
	local service = test.service "profiled"
	trace.start { rate = 1, services = "profiled", otlp = "http://127.0.0.1:" .. port, service_name = "tests" }
	skynet.call(service, "lua", "shares", 0)
	local span
	test.eventually("the collector has a span", 40, function()
		for _, body in ipairs(bodies) do
			local resource = body.resourceSpans[1]
			test.equal(resource.resource.attributes[1], { key = "service.name", value = { stringValue = "tests" } })
			span = resource.scopeSpans[1].spans[1]
		end
		return span
	end)
	test.equal(refused, 1)
	-- opentelemetry-proto, trace.proto, in its JSON form: ids in hexadecimal, 64 bit integers as strings.
	test.matches(span.traceId, "^" .. ("%x"):rep(32) .. "$")
	test.matches(span.spanId, "^" .. ("%x"):rep(16) .. "$")
	test.equal({ span.kind, span.name }, { 2, "profiled lua" })
	test.matches(span.startTimeUnixNano, "^%d+$")
	test.truthy(math.tointeger(span.endTimeUnixNano) >= math.tointeger(span.startTimeUnixNano))
	local _, about = trace.list()
	test.truthy(about.otlp.sent > 0)
	trace.stop()
end)

test.case("wrong options are refused", function()
	test.raises("rate is a number from 0 to 1, not 2", trace.start, { rate = 2 })
	test.raises("otlp is an address such as", trace.start, { otlp = "localhost" })
	test.raises("unknown option rat %(did you mean rate%?%)", trace.start, { rat = 1 })
end)

test.run()
