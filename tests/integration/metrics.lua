-- config: slow_message = 100
-- reef.metrics: what a process tells of itself over HTTP.
if require "test".without "reef.http.core" then
	return
end

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
			test.equal(name:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", ""), family)
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

test.case("what services count is there after they have ended, seen before or not", { timeout = 120 }, function()
	local key = 'test_games_total{mode="brief"}'
	local sum, least, looking, rounds = 0, 0, true, 0
	-- A second one, who is not in step with the first.
	local seconds = 0
	skynet.fork(function()
		while looking do
			metrics.text()
			seconds = seconds + 1
		end
	end)
	-- Somebody looks all the time: never less than before, and what is certain by then.
	skynet.fork(function()
		while looking do
			local certain, now = sum, values()[key] or 0
			rounds = rounds + 1
			test.truthy(now >= least, ("%d after %d"):format(now, least))
			least = now
			if now < certain then
				-- The last one's exit is on its way.
				test.eventually("what was counted", 20, function()
					return (values()[key] or 0) >= certain
				end)
			end
		end
		looking = nil
	end)
	for _ = 1, test.count(100) do
		local count = counting()
		local n = math.random(0, 9)
		if math.random(3) == 1 then
			count("COUNT", n, "brief")
			sum, n = sum + n, math.random(0, 9)
			skynet.sleep(math.random(0, 1))
		end
		count("COUNT_AND_EXIT", n, "brief")
		sum = sum + n
	end
	looking = false
	test.eventually("the last look", 60, function()
		return looking == nil
	end)
	test.eventually("the sum", 20, function()
		return values()[key] == sum
	end)
	for _ = 1, 3 do
		test.equal(values()[key], sum)
	end
	test.eventually("both have looked", 20, function()
		return rounds > 0 and seconds > 0
	end)
end)

test.case("a service that does not answer is counted, and holds nobody up for ever", { timeout = 60 }, function()
	local count, service = counting()
	count("COUNT", 1, "stalled")
	test.equal(values()['test_games_total{mode="stalled"}'], 1)
	count "STALL"
	local now = values()
	test.equal({ now.reef_metrics_silent_services, now['test_games_total{mode="stalled"}'] }, { 1, 1 })
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

test.case("a histogram counts each value in one bucket, and adds up over services and their ends", function()
	local count, service = counting()
	local random, values_seen = math.random, {}
	local function sizes()
		local want = { sum = 0 }
		for _, bound in ipairs { 10, 100, 1000, math.huge } do
			want[bound] = 0
			for _, v in ipairs(values_seen) do
				want[bound] = want[bound] + (v <= bound and 1 or 0)
			end
		end
		for _, v in ipairs(values_seen) do
			want.sum = want.sum + v
		end
		return want
	end
	local function check()
		local now, want = values(), sizes()
		local function of(what, le)
			return now[("test_size_bytes_%s{mode=\"x\"%s}"):format(what, le and (",le=\"%s\""):format(le) or "")]
		end
		test.equal({ of("bucket", "10"), of("bucket", "100"), of("bucket", "1000"), of("bucket", "+Inf"), of "count" },
			{ want[10], want[100], want[1000], want[math.huge], want[math.huge] })
		test.equal(of "sum", want.sum)
	end
	local own = metrics.histogram("test_size_bytes", "Sizes.", { 10, 100, 1000 }, "mode")
	for i = 1, 400 do
		local v = i % 7 == 0 and math.tointeger(10 ^ random(0, 4)) or random(0, 2000)
		values_seen[i] = v
		if i % 2 == 0 then
			own:observe(v, "x")
		else
			count("OBSERVE", v, "x")
		end
	end
	check()
	skynet.kill(service)
	check()
end)

test.case("a quantile is the bound up to which that part of the values lies", function()
	local bounds, sorted = { 1, 2, 5, 10 }, {}
	local h = metrics.histogram("test_quantile_seconds", "x", bounds)
	test.equal(h:quantile(0.5), 0)
	for i = 1, 200 do
		sorted[i] = math.random() * 12
		h:observe(sorted[i])
		table.sort(sorted)
		local part = math.random()
		local exact = sorted[math.max(1, math.ceil(part * i))]
		local want = math.huge
		for k = #bounds, 1, -1 do
			want = exact <= bounds[k] and bounds[k] or want
		end
		test.equal(h:quantile(part), want)
	end
end)

test.case("histograms that cannot be added up, or are used as something else, are refused by name", function()
	for _, bounds in ipairs { {}, { 1, 1 }, { 2, 1 }, { "1" }, { 0 / 0 }, { math.huge } } do
		test.raises("metric test_h: .*bound", metrics.histogram, "test_h", "x", bounds)
	end
	test.raises('"le" is no name of a label', metrics.histogram, "test_h", "x", { 1 }, "le")
	local h = metrics.histogram("test_once_seconds", "x", { 1, 2 })
	test.raises("this service has it already, with buckets up to 1, 2", metrics.histogram, "test_once_seconds", "x", { 1 })
	test.raises("it has observe", h.add, h, 1)
	test.raises("it has add and set", metrics.counter("test_once_total", "x").observe,
		metrics.counter("test_once_total", "x"), 1)
	test.raises("nan", h.observe, h, 0 / 0)
	test.raises("2 counts for 3 buckets", h.assign, h, { 1, 2 }, 3)
	h:assign({ 1, 2, 3 }, 12)
	local now = values()
	test.equal({ now['test_once_seconds_bucket{le="2"}'], now.test_once_seconds_count, now.test_once_seconds_sum },
		{ 3, 6, 12 })
	test.equal(now.test_once_total, 0)
	-- Another service's of the same name with other buckets is left out, and the others are not lost by that.
	local count, service = counting()
	count("OTHER")
	now = values()
	test.equal({ now.test_once_seconds_count, now['test_games_total{mode="other"}'] }, { 6, 1 })
	skynet.kill(service)
end)

test.case("/healthz answers, /readyz says what is waited for", function()
	test.equal({ (get "/healthz") }, { "200 OK" })
	test.equal({ (get "/readyz") }, { "200 OK" })
	metrics.not_ready "the cards"
	metrics.not_ready "the maps"
	local status, _, body = get "/readyz"
	test.equal({ status, body }, { "503 Service Unavailable", "not ready: the cards, the maps\n" })
	test.equal((get "/healthz"), "200 OK")
	metrics.ready "the cards"
	test.equal(select(3, get "/readyz"), "not ready: the maps\n")
	metrics.ready "the maps"
	test.equal((get "/readyz"), "200 OK")
	test.raises("say in words", metrics.not_ready, "")
end)

test.case("errors that nobody caught and messages that are slow are counted, by service", function()
	local before = values()
	local count, service = counting()
	for _ = 1, 3 do
		test.raises("call failed", count, "FAIL")
	end
	-- On a busy machine any message may take a few tenths of a second.
	count("SPIN", 1.1)
	-- It has answered before its message was over.
	skynet.call(service, "debug", "PING")
	local now = values()
	local function grown(key)
		return now[key] - (before[key] or 0)
	end
	test.equal(grown 'reef_service_errors_total{service="counts"}', 3)
	test.equal(grown 'reef_service_slow_messages_total{service="counts",type="lua"}', 1)
	skynet.kill(service)
	now = values()
	test.equal(grown 'reef_service_errors_total{service="counts"}', 3)
	test.equal(grown 'reef_service_slow_messages_total{service="counts",type="lua"}', 1)
end)

test.case("the engine's own are there: descriptors, workers, time that services wait for one", function()
	local now = values()
	test.truthy(now.process_open_fds > 3 and now.process_open_fds < now.process_max_fds)
	test.truthy(now['reef_worker_cpu_seconds_total{worker="0"}'] > 0)
	local counted = now.reef_scheduling_delay_seconds_count
	local _, service = counting()
	for _ = 1, 200 do
		skynet.call(service, "debug", "PING")
	end
	skynet.kill(service)
	test.truthy(values().reef_scheduling_delay_seconds_count > counted)
end)

test.case("pauses of the collector, and log lines by level", function()
	local before = values()
	for _ = 1, 5 do
		collectgarbage()
	end
	require("reef.log").warn "this is a warning"
	local now = values()
	test.truthy(now.reef_collector_pause_seconds_count >= before.reef_collector_pause_seconds_count + 5)
	test.truthy(now.reef_collector_pause_seconds_sum > before.reef_collector_pause_seconds_sum)
	local warnings = 'reef_log_lines_total{level="warn"}'
	test.truthy(now[warnings] > before[warnings])
end)

test.case("a second address is refused, also one that is taken", function()
	test.raises("is served already", metrics.serve, "127.0.0.1:0")
end)

test.run()
