-- A year of a schedule in Berlin, whose clocks are set twice, while somebody sets the clock of the machine. Promised:
-- nothing is run before its moment, long behind it, or twice, and with `missed = "all"` nothing is left out. The
-- moments are worked out here by other means than the schedule's.
--
--     reef sim schedule.lua --until 800d [MODULE FILE]   FILE takes the place of the module
local module, file = ...
if module then
	package.loaded[module] = dofile(file)
end
local schedule = require "reef.schedule"
local sim = require "reef.sim"
local skynet = require "skynet"

local DAY <const> = 86400
local HOUR <const> = 3600
local LATE <const> = 62 -- seconds: the schedule looks at the clock once a minute
local BACK <const> = 7200 -- by so much the clock may be set back without anything being repeated

-- The moment in UTC at which clocks of the European Union are set in a month: the last Sunday, 01:00.
local function change(year, month)
	local day = os.time { year = year, month = month, day = 31, hour = 1 }
	day = day - day % DAY + HOUR -- whatever the zone of this machine is
	local weekday = (day // DAY + 4) % 7 -- 0: Sunday
	return day - weekday * DAY
end

local function offset(utc)
	local year = tonumber(os.date("!%Y", utc))
	return utc >= change(year, 3) and utc < change(year, 10) and 2 * HOUR or HOUR
end

-- The moments in UTC at which clocks in Berlin show a time of day that day: none, one or two.
local function moments(midnight, time)
	local found = {}
	for _, hours in ipairs { 2, 1 } do
		local utc = midnight + time - hours * HOUR
		if offset(utc) == hours * HOUR then
			found[#found + 1] = utc
		end
	end
	return found
end

local ENTRIES <const> = {
	{ cron = "0 5 * * *", at = 5 * HOUR },
	{ cron = "30 2 * * *", at = 2.5 * HOUR, gap = "run", overlap = "first" },
	{ cron = "30 2 * * *", at = 2.5 * HOUR, gap = "skip", overlap = "second" },
	{ cron = "30 2 * * *", at = 2.5 * HOUR, gap = "skip", overlap = "both" },
	{ cron = "0 0 1 * *", at = 0, first_of_month = true },
}

-- What is due of an entry after `from`, until `to`.
local function expected(entry, from, to)
	local list = {}
	for midnight = from // DAY * DAY - DAY, to + DAY, DAY do
		local found = moments(midnight, entry.at // 1)
		if #found == 2 and entry.overlap ~= "both" then
			found = { found[entry.overlap == "second" and 2 or 1] }
		elseif #found == 0 and entry.gap ~= "skip" then
			found = { change(tonumber(os.date("!%Y", midnight)), 3) }
		end
		if entry.first_of_month and os.date("!%d", midnight) ~= "01" then
			found = {}
		end
		for _, utc in ipairs(found) do
			if utc > from and utc <= to then
				list[#list + 1] = utc
			end
		end
	end
	return list
end

skynet.start(function()
	sim.no_errors()
	local begin = os.time()
	local highest, jumped = begin, -LATE -- what the clock has shown, and when it was set
	local runs = {}
	local s = schedule.new { back = BACK }
	for id, entry in ipairs(ENTRIES) do
		runs[id] = {}
		s:add(id, { cron = entry.cron, zone = "Europe/Berlin", gap = entry.gap, overlap = entry.overlap, missed = "all",
			run = function(due)
				local now = os.time()
				highest = math.max(highest, now)
				sim.check(due <= highest, "%s of %d is run at %d", entry.cron, due, highest)
				sim.check(now - due <= LATE or sim.elapsed() - jumped <= LATE, "%s of %d is run at %d", entry.cron, due, now)
				table.insert(runs[id], due)
			end })
	end
	local finish = sim.elapsed() + 366 * DAY
	while sim.elapsed() < finish do
		skynet.sleep(sim.random(1, 20 * DAY) * 100)
		highest = math.max(highest, os.time())
		if sim.fault(0.6) then
			-- Back by less than the schedule bears: what was run before is not run again.
			sim.clock_jump(sim.fault(0.5) and sim.random(1, 5 * DAY) or -sim.random(1, BACK - LATE))
			jumped = sim.elapsed()
			highest = math.max(highest, os.time())
			skynet.sleep(2 * LATE * 100)
		end
	end
	skynet.sleep(BACK * 100) -- the clock shows what it has shown before, if it was set back
	local over = os.time()
	skynet.sleep(LATE * 100)
	for id, entry in ipairs(ENTRIES) do
		local want, got = expected(entry, begin, over), runs[id]
		while got[#got] and got[#got] > over do
			table.remove(got)
		end
		for i = 1, math.max(#want, #got) do
			sim.check(want[i] == got[i], "entry %d, %s, number %d: it was run for %s, not for %s", id, entry.cron, i, got[i],
				want[i])
		end
	end
	skynet.error(("%d moments"):format(#runs[1]))
	sim.finish()
end)
