-- What it costs a process of 1,000 busy services (bench/busy.lua) to be watched: by its log, by Prometheus, by the
-- page, by a profile, by traces. This process is who looks. There are two that are looked at, with the same to do at
-- the same time, and one of them is watched now and then: so whatever else goes on in the machine disturbs both. Since
-- most of it costs too little to be seen, it is watched many times as much as usual. Printed is by how much the ratio
-- of their CPU times changes, and how many milliseconds of CPU that is in a second, both as they are usually.
local bench = require "bench"
local http = require "reef.http.client"
local json = require "reef.json"
local skynet = require "skynet"
local socket = require "skynet.socket"
local websocket = require "reef.http.websocket"

local METRICS, CONTROL, OTHER = os.getenv "METRICS", bench.option("CONTROL", 0), bench.option("OTHER", 0)
local TURNS, SECONDS = bench.option("TURNS", 6), bench.option("SECONDS", 1)

-- How many times as much as usual: lines, one a step, not a second; scrapes; frequency; pages.
local TIMES <const> = {
	log = bench.option("STEPS", 20), metrics = 10, profile = 10, traces = 1, overview = 10, services = 10,
}

-- As the page asks, with its overview open and with its list of services.
local ALWAYS <const> = { "/api/process" }
local VIEWS <const> = {
	overview = { "/api/services?limit=8", "/api/log?level=warn&limit=12" },
	services = { "/api/services?sort=cpu_rate&order=desc&limit=100" },
}

local function view_of(name)
	local function look(stopped)
		local id <const> = websocket.connect(("ws://%s/api/live"):format(METRICS))
		websocket.write(id, json.encode { watch = table.move(VIEWS[name], 1, #VIEWS[name], #ALWAYS + 1, { ALWAYS[1] }) })
		while not stopped() do
			local text = assert(websocket.read(id))
			local round = json.decode(text).round
			if round then
				websocket.write(id, json.encode { seen = round })
			end
		end
		websocket.close(id)
	end
	return function(stopped)
		bench.together(TIMES[name], function()
			look(stopped)
		end)
	end
end

-- Who looks from outside, until stopped() says so.
local lookers = {
	metrics = function(stopped)
		local client = http.new()
		while not stopped() do
			local response = client:request { url = ("http://%s/metrics"):format(METRICS) }
			assert(response.status == 200 and #response:body() > 1000)
			skynet.sleep(100 // TIMES.metrics)
		end
	end,
	overview = view_of "overview",
	services = view_of "services",
}

---@class bench.measured
---@field step number  CPU, in microseconds
---@field load number  CPU in a second, in milliseconds
---@field steps number  in a second

---@return bench.measured
local function ask(control, name)
	socket.write(control, ("%s %g\n"):format(name, SECONDS))
	local cpu, wall, steps = assert(socket.readline(control)):match "^(%S+) (%S+) (%S+)$"
	return { step = cpu / steps * 1e6, load = cpu / wall * 1e3, steps = steps / wall }
end

local watched, other

-- The watched process, and how much more a step costs there than in the other.
---@return bench.measured
---@return number ratio
local function measure(name)
	local over, ended = false, not lookers[name]
	if not ended then
		skynet.fork(function()
			lookers[name](function()
				return over
			end)
			ended = true
		end)
	end
	local here, there
	bench.together(2, function(i)
		if i == 1 then
			here = ask(watched, name)
		else
			there = ask(other, "nothing")
		end
	end)
	over = true
	while not ended do
		skynet.sleep(1)
	end
	return here, here.step / there.step
end

local function quiet()
	local measured, ratio = measure "nothing"
	bench.result("watch", { cpu = measured.step, load = measured.load, steps = measured.steps })
	return ratio
end

local function measured_against(name, usual)
	local measured, ratio = measure(name)
	ratio = ratio / usual
	local times = TIMES[name]
	bench.result("watch_" .. name, { ratio = 1 + (ratio - 1) / times, more = measured.load * (1 - 1 / ratio) / times })
end

bench.main(function()
	watched, other = assert(socket.open("127.0.0.1", CONTROL)), assert(socket.open("127.0.0.1", OTHER))
	measure "nothing"
	for _ = 1, TURNS do
		for _, name in ipairs { "log", "metrics", "profile", "traces" } do
			measured_against(name, quiet())
		end
	end
	-- Numbers are kept for a minute after somebody has looked at the page, so what is there without it comes first.
	local usual = {}
	for i = 1, TURNS do
		usual[i] = quiet()
	end
	for _, name in ipairs { "overview", "services" } do
		for i = 1, TURNS do
			measured_against(name, usual[i])
		end
	end
end)
