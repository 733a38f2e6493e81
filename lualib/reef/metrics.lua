-- Numbers about a running process, for Prometheus and for people; see docs/metrics.md.
--
--     local metrics = require "reef.metrics"
--     local games = metrics.counter("arena_games_total", "Games that were played.", "mode")
--     games:add(1, "ranked")
--
-- Values live in the service that counts them. They are fetched when somebody asks for the whole.
local debug = require "reef.debug.commands"
local skynet = require "skynet"

local metrics = {}

---@class reef.metric
---@field name string
---@field kind "counter"|"gauge"
---@field help string
---@field labels string[]  names
---@field samples table<string, reef.metric.sample>  by the label values, joined
local metric = {}
metric.__index = metric

---@class reef.metric.sample
---@field [1] number
---@field labels string[]|nil  values

local own ---@type table<string, reef.metric>|nil
local collectors = {} ---@type fun()[]

local function join()
	if own then
		return
	end
	own = {}
	debug.reg_debugcmd("METRICS", function()
		for _, f in ipairs(collectors) do
			local ok, err = xpcall(f, _G.debug.traceback)
			if not ok then
				skynet.error("metrics: " .. tostring(err))
			end
		end
		skynet.retpack(own)
	end)
	skynet.send(".launcher", "lua", "HAS_METRICS")
end

local function new(kind, name, help, ...)
	if type(name) ~= "string" or not name:find "^[%a_:][%w_:]*$" then
		error(("metric %q: a name has letters, digits and underscores only"):format(tostring(name)), 3)
	end
	if type(help) ~= "string" then
		error(("metric %s: say in a sentence what it counts"):format(name), 3)
	end
	local labels = { ... }
	for _, label in ipairs(labels) do
		if type(label) ~= "string" or not label:find "^[%a_][%w_]*$" then
			error(("metric %s: %q is no name of a label"):format(name, tostring(label)), 3)
		end
	end
	join()
	local known = own[name]
	if known then
		if known.kind ~= kind or table.concat(known.labels, ",") ~= table.concat(labels, ",") then
			error(("metric %s: this service has it already, as a %s with labels (%s)"):format(
				name, known.kind, table.concat(known.labels, ", ")), 3)
		end
		return known
	end
	local self = setmetatable({ name = name, kind = kind, help = help, labels = labels, samples = {} }, metric)
	own[name] = self
	return self
end

---A number that only grows. By custom its name ends with `_total`.
---@param name string
---@param help string
---@param ... string names of labels
---@return reef.metric
function metrics.counter(name, help, ...)
	return new("counter", name, help, ...)
end

---A number that goes up and down. Services that have one of the same name and labels are added up.
---@param name string
---@param help string
---@param ... string names of labels
---@return reef.metric
function metrics.gauge(name, help, ...)
	return new("gauge", name, help, ...)
end

local function sample(self, ...)
	local n = select("#", ...)
	if n ~= #self.labels then
		error(("metric %s: %d label values, but %d labels (%s)"):format(
			self.name, n, #self.labels, table.concat(self.labels, ", ")), 3)
	end
	local key = n == 0 and "" or n == 1 and tostring((...)) or nil
	local values
	if not key then
		values = { ... }
		for i = 1, n do
			values[i] = tostring(values[i])
		end
		key = table.concat(values, "\0")
	end
	local found = self.samples[key]
	if not found then
		found = { 0, labels = values or n == 1 and { key } or nil }
		self.samples[key] = found
	end
	return found
end

local function store(self, s, n)
	if self.kind == "counter" and n < s[1] then
		error(("metric %s: a counter never goes down"):format(self.name), 3)
	end
	s[1] = n
end

---@param n number
---@param ... string|number label values
function metric:add(n, ...)
	local s = sample(self, ...)
	store(self, s, s[1] + n)
end

---@param n number
---@param ... string|number label values
function metric:set(n, ...)
	store(self, sample(self, ...), n)
end

---Forgets all samples: those that are set next are all there is. For a gauge whose labels come and go.
function metric:clear()
	self.samples = {}
end

---Calls f whenever the values are about to be fetched, to set those that cost something to know. It may yield, but not
---for longer than a second or two: who asks does not wait.
---@param f fun()
function metrics.collect(f)
	join()
	collectors[#collectors + 1] = f
end

---Answers HTTP there: `/metrics` for Prometheus, `/` a page for people. The configuration key `metrics` does the same.
---@param address string "127.0.0.1:9464"; port 0 is any free one
---@return string address that is listened to
function metrics.serve(address)
	return skynet.call(skynet.uniqueservice "reef_metrics", "lua", "SERVE", address)
end

---Everything, as text in Prometheus' format.
---@return string
function metrics.text()
	return skynet.call(skynet.uniqueservice "reef_metrics", "lua", "TEXT")
end

return metrics
