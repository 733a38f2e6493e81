-- tsan: no, one thread does all of it
-- timeout: 180
-- reef.schedule: expressions against an oracle that looks at each minute of a year, in zones with daylight saving,
-- and what happens when clocks jump. REEF_SOAK=N: N times as many expressions, and more entries. Offsets come from
-- `date`, which has its own reader of the system's database.
local calendar = require "reef.schedule.calendar"
local process = require "test.process"
local schedule = require "reef.schedule"
local skynet = require "skynet"
local test = require "test"
local zones = require "reef.schedule.zone"

local SOAK <const> = tonumber(os.getenv "REEF_SOAK") or 1
local YEAR <const> = 2025
local BEGIN <const>, END <const> = calendar.days(YEAR, 1, 1) * 86400, calendar.days(YEAR + 1, 1, 1) * 86400

local function check_zones()
	local f = io.open "/usr/share/zoneinfo/Europe/Berlin"
	if not f then
		test.skip "no time zones (Debian: tzdata)"
	end
	f:close()
end

-- Offsets as `date` says them, for moments in a list.
local function offsets_of(zone, moments)
	local path = process.path "moments"
	local f = assert(io.open(path, "w"))
	for _, t in ipairs(moments) do
		f:write("@", t, "\n")
	end
	f:close()
	local code, output = process.run { "date", "-f", path, "+%z", env = { TZ = zone } }
	test.equal(code, 0)
	local list = {}
	for sign, h, m in output:gmatch "([+-])(%d%d)(%d%d)" do
		list[#list + 1] = (tonumber(h) * 3600 + tonumber(m) * 60) * (sign == "-" and -1 or 1)
	end
	test.equal(#list, #moments)
	return list
end

test.case("zones are what date says, long ago and far ahead", { timeout = 60 }, function()
	check_zones()
	math.randomseed(test.seed)
	for _, name in ipairs {
		"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata", "Africa/Casablanca",
		"Pacific/Apia", "Europe/Dublin", "America/Nuuk", "UTC", "Asia/Tehran", "Antarctica/Troll",
	} do
		local zone, moments = zones.load(name), {}
		for i = 1, 300 do
			moments[i] = math.random(-1500000000, 4000000000)
		end
		-- And on both sides of changes.
		local t = BEGIN
		for _ = 1, 40 do
			local _, stop = zone:period(t)
			if not stop then
				break
			end
			moments[#moments + 1], moments[#moments + 2] = stop - 1, stop
			t = stop
		end
		for i, offset in ipairs(offsets_of(name, moments)) do
			local _, _, got = zone:period(moments[i])
			-- date shows whole minutes.
			local minutes = got < 0 and -(-got // 60) * 60 or got // 60 * 60
			if minutes ~= offset then
				test.equal({ name, moments[i], minutes }, { name, moments[i], offset })
			end
		end
	end
	test.raises("no such time zone", zones.load, "Europe/Nowhere")
	test.raises("no such time zone", zones.load, "../../etc/passwd")
end)

test.case("dates", function()
	local day = calendar.days(1890, 1, 1)
	for year = 1890, 2110 do
		for month = 1, 12 do
			for of_month = 1, calendar.month_length(year, month) do
				local y, m, d = calendar.civil(day)
				if calendar.days(year, month, of_month) ~= day or y ~= year or m ~= month or d ~= of_month then
					test.equal({ calendar.days(year, month, of_month), y, m, d }, { day, year, month, of_month })
				end
				day = day + 1
			end
		end
	end
	test.equal(calendar.weekday(0), 4)
end)

-- ---- the oracle ----

-- Does a field mean that value? Written anew, for what the test makes.
local function means(field, value, low)
	if field == "*" then
		return true
	end
	for part in field:gmatch "[^,]+" do
		local from, to, step = part:match "^(%d+)%-(%d+)/?(%d*)$"
		local every = part:match "^%*/(%d+)$"
		if every then
			if (value - low) % tonumber(every) == 0 then
				return true
			end
		elseif from then
			if value >= tonumber(from) and value <= tonumber(to) and (value - tonumber(from)) % (tonumber(step) or 1) == 0 then
				return true
			end
		elseif tonumber(part) == value then
			return true
		end
	end
	return false
end

local function oracle(fields, offsets, gap, overlap)
	local minute, hour, day, month, weekday = table.unpack(fields)
	local hourly = true
	for h = 0, 23 do
		hourly = hourly and means(hour, h, 0)
	end
	local minutes, days = {}, {} -- of the day; of the year
	for v = 0, 1439 do
		minutes[v] = means(minute, v % 60, 0) and means(hour, v // 60, 0)
	end
	local function is_day(number)
		local _, m, d = calendar.civil(number)
		local by_day, by_weekday = means(day, d, 1), means(weekday, calendar.weekday(number), 0)
		if day:find "^%*" or weekday:find "^%*" then
			return means(month, m, 1) and by_day and by_weekday
		end
		return means(month, m, 1) and (by_day or by_weekday)
	end
	local function is_meant(moment)
		if not minutes[moment % 86400 // 60] then
			return false
		end
		local number = moment // 86400
		if days[number] == nil then
			days[number] = is_day(number)
		end
		return days[number]
	end
	local shown, list = {}, {}
	local before = offsets[1]
	for i, offset in ipairs(offsets) do
		local t = BEGIN + (i - 1) * 60
		local jumped = false
		for skipped = t + before, t + offset - 60, 60 do
			jumped = jumped or is_meant(skipped)
		end
		if jumped and not hourly and gap == "run" then
			list[#list + 1] = t
		elseif is_meant(t + offset) then
			local twice = shown[t + offset] ~= nil and not hourly
			if twice and overlap == "second" then
				list[shown[t + offset]] = false
			end
			if not (twice and overlap == "first") then
				list[#list + 1] = t
			end
			shown[t + offset] = shown[t + offset] or #list
		end
		before = offset
	end
	local result = {}
	for _, t in ipairs(list) do
		if t then
			result[#result + 1] = t
		end
	end
	return result
end

local function random_fields()
	local function field(low, high)
		local kind = math.random(6)
		if kind <= 2 then
			return "*"
		elseif kind == 3 then
			return "*/" .. math.random(2, 7)
		elseif kind == 4 then
			local from = math.random(low, high)
			return from .. "-" .. math.random(from, high) .. (math.random(2) == 1 and "/" .. math.random(1, 4) or "")
		end
		return math.random(low, high) .. "," .. math.random(low, high)
	end
	-- Hours that changes concern come often.
	local hour = math.random(2) == 1 and tostring(math.random(0, 3)) or field(0, 23)
	return { math.random(3) > 1 and math.random(0, 59) .. "," .. math.random(0, 59) or "*/20",
		hour, math.random(2) == 1 and "*" or field(1, 28),
		math.random(2) == 1 and "*" or field(1, 12), math.random(2) == 1 and "*" or field(0, 6) }
end

test.case("a year of daylight saving in three zones, minute by minute", { timeout = 150 * SOAK }, function()
	check_zones()
	math.randomseed(test.seed)
	for _, name in ipairs { "Europe/Berlin", "America/New_York", "Australia/Lord_Howe" } do
		local moments = {}
		for t = BEGIN, END - 1, 1800 do
			moments[#moments + 1] = t
		end
		local offsets = {}
		for i, offset in ipairs(offsets_of(name, moments)) do
			for k = 1, 30 do
				offsets[(i - 1) * 30 + k] = offset
			end
		end
		local gaps, overlaps = { "run", "skip" }, { "first", "second", "both" }
		for _ = 1, test.count(6) * SOAK do
			local fields, gap, overlap = random_fields(), gaps[math.random(2)], overlaps[math.random(3)]
			local expression = table.concat(fields, " ")
			local want, t, got = oracle(fields, offsets, gap, overlap), BEGIN - 1, {}
			while true do
				t = schedule.next(expression, name, t, gap, overlap)
				if not t or t >= END then
					break
				end
				got[#got + 1] = t
			end
			local what = ("%s in %s, gap %s, overlap %s"):format(expression, name, gap, overlap)
			test.equal({ what, #got }, { what, #want })
			for i, moment in ipairs(want) do
				if got[i] ~= moment then
					test.equal({ what, i, got[i] }, { what, i, moment })
				end
			end
			skynet.yield()
		end
	end
end)

test.case("expressions", function()
	local function next_of(expression, text, zone)
		local y, mo, d, h, mi, s = text:match "(%d+)-(%d+)-(%d+) (%d+):(%d+):(%d+)"
		local t = calendar.days(tonumber(y), tonumber(mo), tonumber(d)) * 86400 + h * 3600 + mi * 60 + s
		local due = schedule.next(expression, zone or "UTC", math.tointeger(t))
		return due and os.date("!%Y-%m-%d %H:%M:%S", due)
	end
	test.equal(next_of("*/15 * * * * *", "2024-02-29 23:59:45"), "2024-03-01 00:00:00")
	test.equal(next_of("0 0 29 2 *", "2096-03-01 00:00:00"), "2104-02-29 00:00:00")
	test.equal(next_of("0 12 L * *", "2023-02-01 00:00:00"), "2023-02-28 12:00:00")
	test.equal(next_of("0 0 * * fri-mon", "2024-05-07 00:00:00"), "2024-05-10 00:00:00")
	test.equal(next_of("0 0 * * 7", "2024-05-07 00:00:00"), "2024-05-12 00:00:00")
	test.equal(next_of("0 22-2/2 * jan,FEB *", "2024-01-01 00:00:00"), "2024-01-01 02:00:00")
	test.equal(next_of("@yearly", "2024-01-01 00:00:00"), "2025-01-01 00:00:00")
	test.equal(next_of("0 0 31 2 *", "2024-01-01 00:00:00"), nil)
	test.equal(next_of("30 2 * * *", "2025-03-30 00:59:59", "Europe/Berlin"), "2025-03-30 01:00:00")
	for _, wrong in ipairs { "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *",
		"*/0 * * * *", "1- * * * *", "* * * * * * *", "", "5,, * * * *" } do
		test.raises("schedule: ", schedule.next, wrong)
	end
end)

test.case("clocks that jump, missed moments, what is saved", function()
	local clock = schedule.manual(1000000)
	local saved, ran = {}, {}
	local s = schedule.new { clock = clock, save = function(id, due)
		saved[id] = due
	end }
	local function run(due, id)
		ran[#ran + 1] = { id, due }
	end
	local function take()
		skynet.yield()
		local list = ran
		ran = {}
		return list
	end
	for _, policy in ipairs { "once", "skip", "all" } do
		s:add(policy, { cron = "*/5 * * * *", missed = policy, run = run })
	end
	test.equal(s:next "once", 1000200)
	clock:advance(300)
	test.equal(take(), { { "once", 1000200 }, { "skip", 1000200 }, { "all", 1000200 } })
	-- Twenty minutes pass unseen.
	clock:set(1001480)
	test.equal(take(), {
		{ "once", 1001400 }, { "all", 1000500 }, { "all", 1000800 }, { "all", 1001100 }, { "all", 1001400 },
	})
	test.equal({ s:next "skip" }, { 1001700, 1001400 })
	-- An hour back: nothing is repeated.
	clock:set(1001480 - 3600)
	clock:advance(3500)
	test.equal(take(), {})
	clock:advance(400)
	test.equal(#take(), 3)
	-- A wrong clock is put right, by years.
	clock:set(2000000000)
	test.truthy(#take() > 3)
	clock:set(1100000000)
	clock:advance(300)
	test.equal(#take(), 3)
	-- Begun anew with what was saved.
	local last = saved.once
	clock:set(1100000000 + 86400)
	local again = schedule.new { clock = clock }
	again:add("once", { cron = "*/5 * * * *", last = last, run = run })
	again:add("at", { at = 1100086450, run = run })
	test.equal(again:add("never", { cron = "0 0 31 2 *", run = run }), nil)
	take()
	clock:advance(1)
	test.equal(#take(), 1)
	clock:advance(60)
	test.equal(take(), { { "at", 1100086450 } })
	test.equal({ again:remove "once", again:remove "once", again:size() }, { true, false, 0 })
	test.raises("unknown option corn", s.add, s, "x", { corn = "", run = run })
	test.raises("either cron or at", s.add, s, "x", { run = run })
	test.raises("gap cannot be", s.add, s, "x", { cron = "* * * * *", gap = "no", run = run })
end)

test.case("saving that fails or takes its time is felt by its entry alone, and keeps its order", function()
	local clock = schedule.manual(1000000)
	local fails, held, saved, ran = {}, {}, {}, {}
	local s = schedule.new { clock = clock, save = function(id, due)
		if fails[id] then
			error "the store is away"
		end
		while held[id] do
			skynet.sleep(1)
		end
		saved[#saved + 1] = { id, due }
	end }
	local function run(due, id)
		ran[id] = ran[id] or {}
		table.insert(ran[id], due)
	end
	for _, id in ipairs { "broken", "slow", "well", "gone" } do
		s:add(id, { cron = "* * * * *", run = run })
	end
	fails.broken, held.slow, held.gone = true, true, true
	clock:advance(180)
	test.eventually("the others run", 20, function()
		return ran.well and #ran.well == 3
	end)
	test.equal({ ran.broken, ran.slow, ran.gone }, {})
	s:remove "gone"
	fails, held = {}, {}
	clock:advance(60)
	test.eventually("both go on", 20, function()
		return ran.broken and ran.slow and #ran.slow == 4
	end)
	test.equal(ran.broken, { 1000200 })
	test.equal(ran.slow, ran.well)
	test.equal(ran.gone, nil, "it was removed before it was saved")
	local last = 0
	for _, entry in ipairs(saved) do
		if entry[1] == "slow" then
			test.truthy(entry[2] > last)
			last = entry[2]
		end
	end
end)

test.case("the system's clock, and many entries", { timeout = 60 }, function()
	local s, times = schedule.new(), {}
	s:add("now and then", { cron = "* * * * * *", run = function(due)
		times[#times + 1] = { due, os.time() }
	end })
	local n = test.count(os.getenv "REEF_SOAK" and 100000 or 20000)
	for i = 1, n do
		s:add(i, { cron = "0 0 1 1 *", zone = "Europe/Berlin", run = function() end })
	end
	test.equal(s:size(), n + 1)
	test.eventually("two seconds", 20, function()
		return #times >= 2
	end)
	for i, time in ipairs(times) do
		test.truthy(time[2] >= time[1])
		test.truthy(i == 1 or time[1] > times[i - 1][1])
	end
	s:remove "now and then"
	-- Nothing happens between them: no messages but our own.
	local before = skynet.stat "message"
	skynet.sleep(50)
	test.between(skynet.stat "message" - before, 0, 3)
	s:close()
	test.equal(s:size(), 0)
end)

test.run()
