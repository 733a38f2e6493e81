-- reef.metrics: what a process tells of itself over HTTP.
local metrics = require "reef.metrics"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
require "skynet.manager"

local address

---@return string status, string header, string body
local function ask(text)
	local id = assert(socket.open(address))
	socket.write(id, text)
	local answer = socket.readall(id)
	socket.close(id)
	local status, header, body = answer:match "^HTTP/1%.1 ([^\r]*)\r\n(.-)\r\n\r\n(.*)$"
	return status, header, body
end

local function get(path)
	return ask(("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(path, address))
end

---@return table<string, number> value by the whole key
local function values()
	local found = {}
	for line in metrics.text():gmatch "[^\n]+" do
		if line:sub(1, 1) ~= "#" then
			local key, value = line:match "^(.*) (%S+)$"
			test.equal(found[key], nil)
			found[key] = tonumber(value)
		end
	end
	return found
end

local function counting()
	local service = skynet.newservice "counts"
	return function(...)
		return skynet.call(service, "lua", ...)
	end, service
end

test.case("the page and the numbers are served, and the answer ends", function()
	address = metrics.serve "127.0.0.1:0"
	local status, header, body = get "/metrics"
	test.equal(status, "200 OK")
	test.matches(header, "Content%-Type: text/plain; version=0%.0%.4")
	test.equal(tonumber(header:match "Content%-Length: (%d+)"), #body)
	test.matches(body, "\nreef_services{service=\"metrics\"} 1\n")
	status, header, body = get "/"
	test.equal(status, "200 OK")
	test.matches(header, "text/html")
	test.matches(body, "^<!doctype html>")
end)

test.case("the text is in Prometheus' format: families in one piece, described, each sample once", function()
	local family, seen = nil, {}
	for line in metrics.text():gmatch "[^\n]+" do
		local help = line:match "^# HELP ([%a_:][%w_:]*) .+$"
		if help then
			test.equal(seen[help], nil)
			seen[help], family = true, help
		elseif line:sub(1, 1) == "#" then
			test.matches(line, "^# TYPE " .. family .. " %l+$")
		else
			local name, value = line:match "^([%a_:][%w_:]*)%S* (%S+)$"
			if not name then
				name, value = line:match "^([%a_:][%w_:]*){.*} (%S+)$"
			end
			test.equal(name, family)
			test.truthy(tonumber(value))
		end
	end
	test.truthy(seen.process_cpu_seconds_total)
	test.truthy(seen.reef_service_messages_total)
end)

test.case("what is no GET of a page there is refused by name", function()
	test.equal((get "/nothing"), "404 Not Found")
	test.equal((ask "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "405 Method Not Allowed")
	test.equal((ask "hello\r\n\r\n"), "400 Bad Request")
	local status, header, body = ask "HEAD /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
	test.equal({ status, body }, { "200 OK", "" })
	test.truthy(tonumber(header:match "Content%-Length: (%d+)") > 0)
end)

test.case("a request that does not end, in time or in size, is cut off", { timeout = 60 }, function()
	for _, beginning in ipairs { "GET / HTTP/1.1\r\nX: ", ("x"):rep(100000) } do
		local id = assert(socket.open(address))
		socket.write(id, beginning)
		test.equal(socket.read(id, 1), false)
		socket.close(id)
	end
	test.equal((get "/metrics"), "200 OK")
end)

test.case("services' own counters and gauges are added up, by label", function()
	local a, first = counting()
	local b, second = counting()
	a("COUNT", 2, "ranked")
	b("COUNT", 3, "ranked")
	b("COUNT", 1, 'a "b"\n\\')
	local now = values()
	test.equal(now['test_games_total{mode="ranked"}'], 5)
	test.equal(now['test_games_total{mode="a \\"b\\"\\n\\\\"}'], 1)
	test.equal(now.test_rooms, 3)
	skynet.kill(first)
	skynet.kill(second)
end)

test.case("a counter does not go down when a service ends, a gauge does", function()
	local before = values()['test_games_total{mode="ranked"}']
	local count, service = counting()
	count("COUNT", 7, "ranked")
	test.equal(values()['test_games_total{mode="ranked"}'], before + 7)
	local messages = values()['reef_service_messages_total{service="counts"}']
	skynet.kill(service)
	test.eventually("it is gone", 20, function()
		return not values().test_rooms
	end)
	local now = values()
	test.equal(now['test_games_total{mode="ranked"}'], before + 7)
	test.truthy(now['reef_service_messages_total{service="counts"}'] >= messages)
	test.equal(now['reef_services{service="counts"}'], nil)
end)

test.case("a service that does not answer is counted, and holds nobody up for ever", { timeout = 60 }, function()
	local count, service = counting()
	count("COUNT", 1, "stalled")
	count "STALL"
	test.equal(values().reef_metrics_silent_services, 1)
	skynet.kill(service)
	test.eventually("it is not asked any more", 20, function()
		return values().reef_metrics_silent_services == 0
	end)
end)

test.case("bad names, labels and values say what is wrong", function()
	test.raises('metric "a b": a name has letters', metrics.counter, "a b", "x")
	test.raises("metric good: say in a sentence", metrics.counter, "good")
	test.raises('metric good: "1" is no name of a label', metrics.counter, "good", "x", "1")
	local c = metrics.counter("test_bad_total", "For this test.", "kind")
	test.raises("metric test_bad_total: this service has it already, as a counter with labels %(kind%)", metrics.gauge,
		"test_bad_total", "For this test.")
	test.raises("metric test_bad_total: 0 label values, but 1 labels %(kind%)", c.add, c, 1)
	test.raises("a counter never goes down", c.add, c, -1, "x")
end)

test.case("a second address is refused, also one that is taken", function()
	test.raises("is served already", metrics.serve, "127.0.0.1:0")
end)

test.run()
