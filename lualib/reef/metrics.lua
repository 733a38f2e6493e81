-- Numbers about a running process, for Prometheus and for people; see docs/metrics.md.
--
--     local metrics = require "reef.metrics"
--     local games = metrics.counter("arena_games_total", "Games that were played.", "mode")
--     games:add(1, "ranked")
--
-- Values live in the service that counts them. They are fetched when somebody asks for the whole.
local checks = require "reef.options"
local debug = require "reef.debug.commands"
local exits = require "reef.base.exits"
local skynet = require "skynet"

local metrics = {}

---@class reef.metric
---@field name string
---@field kind "counter"|"gauge"|"histogram"
---@field help string
---@field labels string[]  names
---@field bounds number[]|nil  of a histogram's buckets, ascending
---@field samples table<string, reef.metric.sample>  by the label values, joined
local metric = {}
metric.__index = metric

---A number; of a histogram how many values are in each bucket, the last one without a bound.
---@class reef.metric.sample
---@field [integer] number
---@field sum number|nil  of a histogram's values
---@field labels string[]|nil  values

---Fits times in seconds, from a tenth of a millisecond to ten seconds.
local BOUNDS <const> = {
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
}

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
	-- What nobody has seen yet would be lost with a service that lives for less than the time between two looks.
	exits[#exits + 1] = function()
		local server = skynet.localname ".reef_metrics"
		if server then
			skynet.send(server, "lua", "LEAVES", skynet.self(), own)
		end
	end
end

local function check_bounds(name, bounds)
	if type(bounds) ~= "table" or #bounds == 0 then
		error(("metric %s: the bounds of its buckets are a list of numbers"):format(name))
	end
	for i, bound in ipairs(bounds) do
		if type(bound) ~= "number" or bound ~= bound or bound == math.huge or i > 1 and bound <= bounds[i - 1] then
			error(("metric %s: bound %d of its buckets, %s, is no number above the one before"):format(
				name, i, tostring(bound)), 4)
		end
	end
	return table.move(bounds, 1, #bounds, 1, {})
end

local function new(kind, bounds, name, help, ...)
	if type(name) ~= "string" or not name:find "^[%a_:][%w_:]*$" then
		error(("metric %q: a name has letters, digits and underscores only"):format(tostring(name)))
	end
	if type(help) ~= "string" then
		error(("metric %s: say in a sentence what it counts"):format(name))
	end
	local labels = { ... }
	for _, label in ipairs(labels) do
		if type(label) ~= "string" or not label:find "^[%a_][%w_]*$" or bounds and label == "le" then
			error(("metric %s: %q is no name of a label"):format(name, tostring(label)))
		end
	end
	bounds = bounds and check_bounds(name, bounds)
	join()
	local known = own[name]
	if known then
		if known.kind ~= kind or table.concat(known.labels, ",") ~= table.concat(labels, ",") then
			error(("metric %s: this service has it already, as a %s with labels (%s)"):format(
				name, known.kind, table.concat(known.labels, ", ")), 3)
		elseif bounds and table.concat(known.bounds, ",") ~= table.concat(bounds, ",") then
			error(("metric %s: this service has it already, with buckets up to %s"):format(
				name, table.concat(known.bounds, ", ")), 3)
		end
		return known
	end
	local self = setmetatable({ name = name, kind = kind, help = help, labels = labels, bounds = bounds, samples = {} },
		metric)
	own[name] = self
	return self
end

---A number that only grows. By custom its name ends with `_total`.
---@param name string
---@param help string
---@param ... string names of labels
---@return reef.metric
function metrics.counter(name, help, ...)
	local self = new("counter", nil, name, help, ...)
	-- Who looks before anything was counted sees 0; which values labels will have is not known.
	if #self.labels == 0 then
		self:add(0)
	end
	return self
end

---A number that goes up and down. Services that have one of the same name and labels are added up.
---@param name string
---@param help string
---@param ... string names of labels
---@return reef.metric
function metrics.gauge(name, help, ...)
	return new("gauge", nil, name, help, ...)
end

---Values counted in buckets, for quantiles over any time and any number of services and processes. By custom its name
---ends with the unit: `_seconds`, `_bytes`. Services that have one of the same name need the same bounds.
---@param name string
---@param help string
---@param bounds number[]|nil  ascending: a value is counted in the first bucket whose bound it is not above. Default:
---16 from 0.0001 to 10, for seconds
---@param ... string names of labels
---@return reef.metric
function metrics.histogram(name, help, bounds, ...)
	local self = new("histogram", bounds or BOUNDS, name, help, ...)
	if #self.labels == 0 then
		self:touch()
	end
	return self
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
		for i = 1, self.bounds and #self.bounds or 0 do
			found[i + 1] = 0
		end
		found.sum = self.bounds and 0
		self.samples[key] = found
	end
	return found
end

local function check_kind(self, is_histogram)
	if (self.bounds ~= nil) ~= is_histogram then
		error(("metric %s is a %s: %s"):format(self.name, self.kind,
			is_histogram and "it has add and set, not observe" or "it has observe, not add and set"))
	end
end

local function store(self, s, n)
	if self.kind == "counter" and n < s[1] then
		error(("metric %s: a counter never goes down"):format(self.name))
	end
	s[1] = n
end

---@param n number
---@param ... string|number label values
function metric:add(n, ...)
	check_kind(self, false)
	local s = sample(self, ...)
	store(self, s, s[1] + n)
end

---@param n number
---@param ... string|number label values
function metric:set(n, ...)
	check_kind(self, false)
	store(self, sample(self, ...), n)
end

---Of a histogram: counts a value.
---@param value number
---@param ... string|number label values
function metric:observe(value, ...)
	check_kind(self, true)
	if type(value) ~= "number" or value ~= value then
		error(("metric %s: %s is no number"):format(self.name, tostring(value)))
	end
	local s, bounds = sample(self, ...), self.bounds
	local low, high = 1, #bounds + 1
	while low < high do
		local middle = (low + high) // 2
		if value <= bounds[middle] then
			high = middle
		else
			low = middle + 1
		end
	end
	s[low] = s[low] + 1
	s.sum = s.sum + value
end

---Of a histogram: the bound of the bucket up to which that part of the values lies; 0 if there are none.
---@param part number  0.5: the median
---@param ... string|number label values
---@return number  math.huge for the last bucket
function metric:quantile(part, ...)
	check_kind(self, true)
	local s, bounds, count = sample(self, ...), self.bounds, 0
	for i = 1, #bounds + 1 do
		count = count + s[i]
	end
	local rank, seen = part * count, 0
	for i = 1, count > 0 and #bounds + 1 or 0 do
		seen = seen + s[i]
		if s[i] > 0 and seen >= rank then
			return bounds[i] or math.huge
		end
	end
	return 0
end

---Of a histogram: sets how many values each bucket has, of values that were counted elsewhere.
---@param counts integer[]  one more than there are bounds
---@param sum number  of all values
---@param ... string|number label values
function metric:assign(counts, sum, ...)
	check_kind(self, true)
	if #counts ~= #self.bounds + 1 then
		error(("metric %s: %d counts for %d buckets"):format(self.name, #counts, #self.bounds + 1))
	end
	local s = sample(self, ...)
	table.move(counts, 1, #counts, 1, s)
	s.sum = sum
end

---Makes the sample of these label values be there, so that whoever looks sees 0 before anything was counted.
---@param ... string|number label values
function metric:touch(...)
	sample(self, ...)
end

---Forgets all samples: those that are set next are all there is. For what has labels that come and go.
function metric:clear()
	self.samples = {}
end

---Calls f whenever the values are about to be fetched, to set those that cost something to know. It may yield, but not
---for longer than a second or two: who asks does not wait.
---@param f fun()
function metrics.collect(f)
	checks.needs("metrics.collect: its argument", f, "function")
	join()
	collectors[#collectors + 1] = f
end

---From now on `/readyz` answers 503 and names this, until `metrics.ready` is called with the same words, by any
---service: what has to be loaded or reached before requests make sense. It holds also when the service has ended.
---@param what string
function metrics.not_ready(what)
	if type(what) ~= "string" or what == "" then
		error("metrics.not_ready: say in words what is not ready")
	end
	skynet.call(skynet.uniqueservice "reef_metrics", "lua", "NOT_READY", what)
end

---@param what string  as given to `metrics.not_ready`
function metrics.ready(what)
	checks.needs("metrics.ready: what is ready", what, "string")
	skynet.call(skynet.uniqueservice "reef_metrics", "lua", "READY", what)
end

---Answers HTTP there: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever watches over the process, `/` a
---page for people. The configuration key `metrics` does the same.
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
