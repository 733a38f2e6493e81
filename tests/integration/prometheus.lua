-- timeout: 180
-- The numbers, the alert rules and the dashboard, held against a real Prometheus.
local httpc = require "http.httpc"
local json = require "reef.json"
local metrics = require "reef.metrics"
local pool = require "reef.pool"
local process = require "test.process"
local redis = require "test.redis"
local skynet = require "skynet"
local test = require "test"

local function need(program)
	if process.run { "sh", "-c", "command -v " .. program } ~= 0 then
		test.skip("there is no " .. program)
	end
end

local function read(path)
	local f = assert(io.open(path, "rb"))
	local text = f:read "a"
	f:close()
	return text
end

local function write(path, text)
	local f = assert(io.open(path, "wb"))
	f:write(text)
	f:close()
	return path
end

local took = metrics.histogram("test_took_seconds", "How long it took.", { 0.1, 1 }, "what")

test.case("promtool finds nothing to say about the numbers", function()
	need "promtool"
	took:observe(0.05, 'a "b"\\\n')
	local path = write(process.path "metrics", metrics.text())
	local code, output = process.run { "sh", "-c", ("promtool check metrics < '%s'"):format(path) }
	test.equal({ code, output }, { 0, "" })
end)

-- What Prometheus knows after it has looked a few times.
local function scraped()
	local address = metrics.serve "127.0.0.1:0"
	local port = process.free_port()
	local config = write(process.path "prometheus.yml", ([[
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["%s/contrib/prometheus/reef.rules.yml"]
scrape_configs:
  - job_name: reef
    static_configs: [{ targets: ["%s"] }]
]]):format(test.root, address))
	local server = process.start { "prometheus", "--config.file=" .. config, "--web.listen-address=127.0.0.1:" .. port,
		"--storage.tsdb.path=" .. process.path "prometheus", "--log.level=error" }
	test.defer(server.kill, server)
	local function ask(path)
		local ok, status, body = pcall(httpc.request, "GET", "127.0.0.1:" .. port, path)
		return ok and status == 200 and json.decode(body).data
	end
	local function query(expression)
		local data = ask("/api/v1/query?query=" .. expression:gsub("[^%w]", function(c)
			return ("%%%02X"):format(c:byte())
		end))
		return data and data.result
	end
	test.eventually("Prometheus has looked three times", 60, function()
		local found = query "count_over_time(up{job=\"reef\"}[1m])"
		return found and found[1] and tonumber(found[1].value[2]) >= 3 and query "up{job=\"reef\"}"[1].value[2] == "1"
	end)
	return query, ask
end

test.case("Prometheus takes the numbers, evaluates the rules, and every panel of the dashboard shows something",
	{ timeout = 120 }, function()
		need "prometheus"
		local server = redis.start()
		local db = pool.redis(("redis://127.0.0.1:%d"):format(server.port))
		test.equal(db:set("k", "v"), "OK")
		local query, ask = scraped()
		for i = 1, 5 do
			db:get "k"
			skynet.sleep(i)
		end
		for _, panel in ipairs(json.decode(read(test.root .. "/contrib/grafana/reef.json")).panels) do
			for _, target in ipairs(panel.targets) do
				local expression = target.expr:gsub("%$__rate_interval", "1m"):gsub("%$job", "reef"):gsub("%$instance", ".+")
				test.eventually(panel.title .. ": " .. expression, 20, function()
					local found = query(expression)
					return found and #found > 0
				end)
			end
		end
		local groups = ask("/api/v1/rules").groups
		test.equal(#groups, 1)
		test.equal(#groups[1].rules > 5, true)
		for _, rule in ipairs(groups[1].rules) do
			test.equal({ rule.name, rule.lastError }, { rule.name })
			test.equal({ rule.name, rule.health ~= "err" }, { rule.name, true })
			test.equal({ rule.name, rule.state }, { rule.name, "inactive" })
		end
	end)

test.run()
