-- Traces become spans, with parents, waits and errors; and reach a collector.
local json = require "reef.json"
local otlp = require "test.otlp"
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

-- A collector, which refuses the first request as one that will be back soon: what it has been sent, and its address.
local function collector()
	local server = require "reef.http.server"
	local socket = require "skynet.socket"
	local got = { bodies = {}, refused = 0 }
	local http = server.new(function(request)
		local body = request:body()
		test.equal({ request.method, request.path, request.header["content-type"] },
			{ "POST", "/v1/traces", "application/json" })
		if got.refused < 1 then
			got.refused = got.refused + 1
			return 503, "later"
		end
		table.insert(got.bodies, (test.truthy(json.decode(body), body)))
		return 200, "{}", { ["Content-Type"] = "application/json" }
	end)
	local id, _, port = require("reef.socket").listen "127.0.0.1:0"
	socket.start(id, function(connection, peer)
		socket.start(connection)
		http:serve(connection, peer)
	end)
	test.defer(socket.close, id)
	return got, "http://127.0.0.1:" .. port
end

-- The spans of all that has come, each of which is held against the schema.
local function all_spans(got)
	local spans = {}
	for _, body in ipairs(got.bodies) do
		local some = otlp.check(body)
		table.move(some, 1, #some, #spans + 1, spans)
	end
	return spans
end

test.case("a collector gets spans as the schema of OTLP says, also one that was gone for a while", { timeout = 60 },
	function()
		local got, address = collector()
		local service = test.service "profiled"
		trace.start { rate = 1, services = "profiled", otlp = address .. "/", service_name = "tests" }
		-- A request that goes well, one that fails with bytes that are no text, and one from elsewhere that waits.
		skynet.call(service, "lua", "shares", 0)
		test.raises("\xff\0\"", skynet.call, service, "lua", "fail", "\xff\0\"\n")
		skynet.fork(function()
			trace.continue(PARENT)
			skynet.sleep(1)
			pcall(skynet.call, service, "lua", "shares", 0)
		end)
		local function one(what)
			for _, span in ipairs(all_spans(got)) do
				if what(span) then
					return span
				end
			end
		end
		local good, failed, wait, call, caused
		test.eventually("the collector has all kinds of spans", 40, function()
			good = one(function(span)
				return span.name == "profiled lua" and span.status.code == 0 and not span.parentSpanId
			end)
			failed = one(function(span)
				return span.name == "profiled lua" and span.status.code == 2
			end)
			wait = one(function(span)
				return span.name == "sleep"
			end)
			call = one(function(span)
				return span.kind == 3 and span.name ~= "sleep"
			end)
			caused = call and one(function(span)
				return span.parentSpanId == call.spanId
			end)
			return good and failed and wait and caused
		end)
		test.equal(got.refused, 1)
		test.equal({ good.kind, failed.kind, wait.kind, caused.kind }, { 2, 2, 1, 2 })
		test.matches(failed.status.message, "\u{FFFD}")
		for _, span in ipairs { wait, call, caused } do
			test.equal(span.traceId, PARENT:sub(4, 35))
		end
		for _, body in ipairs(got.bodies) do
			for _, of_resource in ipairs(body.resourceSpans) do
				test.equal(of_resource.resource.attributes[1], { key = "service.name", value = { stringValue = "tests" } })
				test.equal(of_resource.resource.attributes[2].key, "process.pid")
			end
		end
		local _, about = trace.list()
		test.equal({ about.otlp.dropped, about.otlp.endpoint }, { 0, address })
		trace.stop()
	end)

-- Each table of a value, with what stands at its place in a copy of the whole that may be spoiled.
local function each_table(make, f)
	local function visit(path, t)
		f(path, t)
		for key, item in pairs(t) do
			if type(item) == "table" then
				local way = table.move(path, 1, #path, 1, {})
				way[#way + 1] = key
				visit(way, item)
			end
		end
	end
	visit({}, make())
end

test.case("whatever is spoiled in a request, the schema refuses it", function()
	local function make()
		return { resourceSpans = { {
			resource = { attributes = { { key = "service.name", value = { stringValue = "tests" } } } },
			scopeSpans = { { scope = { name = "reef" }, spans = { {
				traceId = PARENT:sub(4, 35), spanId = PARENT:sub(37, 52), parentSpanId = "0000000000000001", name = "a lua",
				kind = 2, startTimeUnixNano = "1700000000000000000", endTimeUnixNano = "1700000000000000001",
				attributes = { { key = "reef.queued_ns", value = { intValue = "7" } } },
				status = { code = 2, message = "why" },
			} } } },
		} } }
	end
	test.equal(#otlp.check(make()), 1)
	local spoiled = 0
	local function is_refused(path, what, spoil)
		local body = make()
		local t = body
		for _, key in ipairs(path) do
			t = t[key]
		end
		spoil(t)
		spoiled = spoiled + 1
		test.truthy(not pcall(otlp.check, body), ("%s: %s"):format(table.concat(path, "."), what))
	end
	each_table(make, function(path, t)
		is_refused(path, "an unknown field", function(broken)
			broken.unknown = "x"
		end)
		for key, value in pairs(t) do
			is_refused(path, key .. " of another type", function(broken)
				broken[key] = type(value) == "string" and 7 or type(value) == "number" and tostring(value) or "x"
			end)
			local snake = type(key) == "string" and key:gsub("%u", function(letter)
				return "_" .. letter:lower()
			end)
			if snake and snake ~= key then
				is_refused(path, snake, function(broken)
					broken[key], broken[snake] = nil, value
				end)
			end
		end
	end)
	local span = { "resourceSpans", 1, "scopeSpans", 1, "spans", 1 }
	for _, wrong in ipairs {
		{ "traceId", nil }, { "spanId", nil }, { "name", nil }, { "kind", nil }, { "startTimeUnixNano", nil },
		{ "traceId", ("0"):rep(32) }, { "traceId", ("a"):rep(31) }, { "spanId", ("g"):rep(16) }, { "name", "" },
		{ "parentSpanId", "" }, { "kind", 0 }, { "kind", 6 }, { "kind", 2.0 }, { "startTimeUnixNano", "-1" },
		{ "startTimeUnixNano", "1.5" }, { "endTimeUnixNano", "18446744073709551616" }, { "endTimeUnixNano", "1" },
		{ "name", "\xff" }, { "parentSpanId", PARENT:sub(37, 52) }, { "status", { code = 3 } },
		{ "status", { code = 0, message = "why" } }, { "attributes", { { key = "a" } } },
		{ "attributes", { { key = "a", value = {} } } },
		{ "attributes", { { key = "a", value = { intValue = "1", stringValue = "1" } } } },
		{ "attributes", { { key = "a", value = { intValue = "9223372036854775808" } } } },
		{ "attributes", { { key = "a", value = { boolValue = true } }, { key = "a", value = { boolValue = true } } } },
	} do
		is_refused(span, ("%s = %s"):format(wrong[1], test.show(wrong[2])), function(broken)
			broken[wrong[1]] = wrong[2]
		end)
	end
	test.truthy(spoiled > 70, spoiled)
end)

test.case("wrong options are refused", function()
	test.raises("rate is a number from 0 to 1, not 2", trace.start, { rate = 2 })
	test.raises("otlp is an address such as", trace.start, { otlp = "localhost" })
	test.raises("unknown option rat %(did you mean rate%?%)", trace.start, { rat = 1 })
end)

test.run()
