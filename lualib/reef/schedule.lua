-- Things to be done at times of day; see docs/schedule.md. Times are in seconds.
--
--     local schedule = require "reef.schedule"
--     local s = schedule.new()
--     s:add("reset", { cron = "0 5 * * *", zone = "Europe/Berlin", run = function(due) reset_quests() end })
--
-- Only the nearest entry has a timer; the others lie in a heap and cost nothing.
local cron = require "reef.schedule.cron"
local clocks = require "reef.schedule.clock"
local checks = require "reef.options"
local skynet = require "skynet"
local zones = require "reef.schedule.zone"

local schedule = {}

---@class reef.schedule.entry
---@field cron string|nil             "[second] minute hour day month weekday"
---@field at number|nil               instead: one moment, in UTC seconds
---@field zone string|nil             name in the system's database; "UTC"
---@field run fun(due: integer, id: any)  called in a coroutine of its own with the moment that was meant
---@field gap "run"|"skip"|nil        a moment that clocks jump over: when they jump (default), or not at all
---@field overlap "first"|"second"|"both"|nil  a moment that clocks show twice; "first"
---@field missed "once"|"skip"|"all"|nil  moments that have passed unseen: once for all of them (default), not, or
--each
---@field last integer|nil            the last moment that it was run for: what came after it is missed

---@class reef.schedule.options
---@field clock table|nil   of schedule.manual; default: the system's
---@field save nil|fun(id: any, due: integer)  called before an entry is run: with what it was told, `last` goes on
---@field grace number|nil  seconds by which a moment that is seen late is not missed yet; 60
---@field back number|nil   seconds by which the clock may be set back without anything being repeated; 7200

---@class reef.schedule
---@field heap table[]
---@field entries table<any, table>
local methods = {}
local meta = { __index = methods, __name = "schedule" }

local MOST_MISSED <const> = 1000 -- moments of one entry that are made up for

---A clock that stands until it is moved with `advance(seconds)`: for tests, as the option `clock`.
---@param utc number|nil seconds since 1970; 0
---@return table
schedule.manual = clocks.manual

-- ---- the heap: entries by their next moment ----

local function is_before(a, b)
	return a.due < b.due or a.due == b.due and a.order < b.order
end

local function sift_up(heap, i)
	local item = heap[i]
	while i > 1 and is_before(item, heap[i // 2]) do
		heap[i] = heap[i // 2]
		heap[i].at = i
		i = i // 2
	end
	heap[i] = item
	item.at = i
end

local function sift_down(heap, i)
	local item, n = heap[i], #heap
	while true do
		local child = i * 2
		if child > n then
			break
		elseif child < n and is_before(heap[child + 1], heap[child]) then
			child = child + 1
		end
		if not is_before(heap[child], item) then
			break
		end
		heap[i] = heap[child]
		heap[i].at = i
		i = child
	end
	heap[i] = item
	item.at = i
end

local function heap_remove(heap, item)
	local i, last = item.at, table.remove(heap)
	item.at = nil
	if last ~= item then
		heap[i] = last
		sift_up(heap, i)
		sift_down(heap, last.at)
	end
end

local function heap_add(heap, item)
	heap[#heap + 1] = item
	sift_up(heap, #heap)
end

-- ---- what is due ----

local function next_due(item, after)
	if not item.cron then
		return item.once and item.once > after and item.once or nil
	end
	return cron.next(item.cron, item.zone, after, item.gap, item.overlap)
end

-- Saving may take its time, and fail: of one entry it goes in order, others do not wait for it.
local function save_and_run(self, item)
	local dues, i = item.saving, 1
	while dues[i] do
		local ok, err = pcall(self.save, item.id, dues[i])
		if not ok then
			skynet.error(("schedule: %s is not run, since it could not be saved: %s"):format(tostring(item.id), tostring(err)))
		elseif not item.removed then
			skynet.fork(item.run, dues[i], item.id)
		end
		i = i + 1
	end
	item.saving = nil
end

local function run(self, item, due)
	item.last = due
	if not self.save then
		skynet.fork(item.run, due, item.id)
	elseif item.saving then
		table.insert(item.saving, due)
	else
		item.saving = { due }
		skynet.fork(save_and_run, self, item)
	end
end

-- What has become due of an entry, which is not in the heap, and puts it there again.
local function serve(self, item, now)
	local due, dues, jumped = item.due, {}, false
	while due and due <= now do
		dues[#dues + 1] = due
		local after = due
		if #dues == MOST_MISSED and not jumped then
			-- The first of them are forgotten: on with those that took as long and end now.
			jumped = true
			after = math.max(due, math.floor(now) - (due - dues[1]))
		end
		due = next_due(item, after)
	end
	if #dues > MOST_MISSED then
		dues = table.move(dues, #dues - MOST_MISSED + 1, #dues, 1, {})
	end
	item.due = due
	if due then
		heap_add(self.heap, item)
	else
		self.entries[item.id] = nil
	end
	local latest = dues[#dues]
	if item.missed == "all" then
		for _, moment in ipairs(dues) do
			run(self, item, moment)
		end
	elseif latest and (item.missed == "once" or now - latest <= self.grace) then
		run(self, item, latest)
	elseif latest then
		item.last = latest
	end
end

-- The clock was set back by much: what it showed before was wrong.
local function begin_anew(self, now)
	local items = self.heap
	self.heap = {}
	for _, item in ipairs(items) do
		item.due = item.once or next_due(item, math.floor(now))
		if item.due then
			heap_add(self.heap, item)
		end
	end
end

local function arm(self)
	self.clock:wait(self, self.heap[1] and self.heap[1].due)
end

---Looks at the clock, and runs what is due. Clocks call it.
function methods:tick()
	local now = self.clock:now()
	if now < self.seen - self.back then
		begin_anew(self, now)
		self.seen = now
	end
	self.seen = math.max(self.seen, now)
	local heap = self.heap
	while heap[1] and heap[1].due <= now do
		local item = heap[1]
		heap_remove(heap, item)
		serve(self, item, now)
	end
	arm(self)
end

-- ---- entries ----

local POLICIES <const> = {
	gap = { run = true, skip = true }, overlap = { first = true, second = true, both = true },
	missed = { once = true, skip = true, all = true },
}
local KNOWN <const> = {
	cron = true, at = true, zone = true, run = true, gap = true, overlap = true, missed = true, last = true,
}

---Adds an entry, in the place of another with the same id.
---@param id any
---@param entry reef.schedule.entry
---@return integer|nil due  when it is run next; nil: never, and it is not kept
function methods:add(id, entry)
	checks.check("schedule: entry", entry, KNOWN)
	if type(entry.run) ~= "function" then
		error("schedule: run has to be a function")
	elseif (entry.cron == nil) == (entry.at == nil) then
		error("schedule: an entry has either cron or at")
	end
	local item = { id = id, run = entry.run, gap = entry.gap or "run", overlap = entry.overlap or "first",
		missed = entry.missed or "once", last = entry.last, once = entry.at }
	for name, allowed in pairs(POLICIES) do
		if not allowed[item[name]] then
			error(("schedule: %s cannot be %s"):format(name, tostring(item[name])))
		end
	end
	local ok, err = pcall(function()
		item.zone = zones.load(entry.zone or "UTC")
		item.cron = entry.cron and cron.parse(entry.cron)
	end)
	if not ok then
		error(err)
	end
	self:remove(id)
	local now = self.clock:now()
	self.seen = math.max(self.seen, now)
	item.due = entry.at and not entry.last and entry.at or next_due(item, entry.last or math.floor(now))
	if not item.due then
		return nil
	end
	self.count = self.count + 1
	item.order = self.count
	self.entries[id] = item
	heap_add(self.heap, item)
	if item.at == 1 then
		arm(self)
	end
	return item.due
end

---@param id any
---@return boolean removed
function methods:remove(id)
	local item = self.entries[id]
	if not item then
		return false
	end
	self.entries[id] = nil
	item.removed = true
	if item.at then
		heap_remove(self.heap, item)
		arm(self)
	end
	return true
end

---When an entry is run next, and when it was run last.
---@param id any
---@return integer|nil due
---@return integer|nil last
function methods:next(id)
	local item = self.entries[id]
	if item then
		return item.due, item.last
	end
end

---@return integer
function methods:size()
	return #self.heap
end

---Nothing is run any more.
function methods:close()
	for _, item in ipairs(self.heap) do
		item.removed = true
	end
	self.heap, self.entries = {}, {}
	self.clock:wait(self, nil)
end

---@param options reef.schedule.options|nil
---@return reef.schedule
function schedule.new(options)
	options = options or {}
	checks.check("schedule", options, { clock = true, save = true, grace = true, back = true })
	local clock = options.clock or clocks.system()
	return setmetatable({ clock = clock, save = options.save, grace = options.grace or 60, back = options.back or 7200,
		heap = {}, entries = {}, count = 0, seen = clock:now() }, meta)
end

---The next moment that an expression means, without a schedule.
---@param expression string
---@param zone string|nil   "UTC"
---@param after integer|nil UTC seconds; now
---@param gap "run"|"skip"|nil
---@param overlap "first"|"second"|"both"|nil
---@return integer|nil utc
function schedule.next(expression, zone, after, gap, overlap)
	return cron.next(cron.parse(expression), zones.load(zone or "UTC"), after or os.time(), gap or "run",
		overlap or "first")
end

return schedule
