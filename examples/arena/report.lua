-- What the arena prints: a line that shows how it goes, and the table at the end, with what has to be so.
local report = {}

local terminal = os.getenv "ARENA_TERMINAL" == "yes"
local line_open = false

function report.say(format, ...)
	if line_open then
		io.write "\n"
		line_open = false
	end
	io.write(string.format(format, ...), "\n")
	io.flush()
end

---A line that the next one takes the place of, where that is possible.
function report.progress(format, ...)
	local text = string.format(format, ...)
	if terminal then
		io.write("\r\27[K", text)
		line_open = true
	else
		io.write(text, "\n")
	end
	io.flush()
end

local function line(name, value, format, ...)
	report.say("  %-24s %12s  %s", name, value, format and string.format(format, ...) or "")
end

-- A line that claims something.
local function checker()
	local all = true
	return function(name, value, right, format, ...)
		all = all and right
		report.say("%s %-24s %12s  %s", right and "\u{2713}" or "\u{2717}", name, value, string.format(format, ...))
	end, function()
		return all
	end
end

---Prints the table.
---@param r table  players, sum, events, dealt, counted, stat, cpu, kib, heard, gaps, publications, ledger (or nil)
---@return boolean  all that is claimed is so
function report.table(r)
	local sum, events, counted = r.sum, r.events, r.counted
	local check, all = checker()
	report.say("")
	line("players", r.players, "%.1f KiB of memory each", r.kib / r.players)
	line("requests", sum.requests, "%.0f a second, %.1f us of CPU each, with all that belongs to it",
		sum.requests / events.seconds, r.cpu / sum.requests * 1e6)
	line("latency", ("%.2f ms"):format(sum:percentile(0.5)), "p50; p95 %.2f ms, p99 %.2f ms", sum:percentile(0.95),
		sum:percentile(0.99))
	line("connections", r.stat.options.size, "for all; %d more for transactions, %d made in all", #r.stat.connections -
		r.stat.options.size, r.stat.connects)
	line("duels", sum.duels)
	line("gifts", sum.gifts, "%d tried again because somebody else was faster", sum.conflicts)
	report.say("")
	if events.killed then
		check("Redis killed under load", 1, events.away ~= nil, "back after %.2f s", events.away or 0 / 0)
		line("  not sent", sum.again, "moves that were tried again")
		check("  maybe applied", sum.doubtful, sum.doubtful == sum.done + sum.undone,
			"moves: %d had been done, %d had not", sum.done, sum.undone)
	end
	check("errors", sum.errors, sum.errors == 0, "that nothing explains")
	check("versions of the items", events.versions, sum.version == events.versions * r.players and sum.torn == 0,
		"of a file, published %d times; all players have seen the last, %d saw two at once", r.publications,
		sum.torn)
	-- Those whose reply was lost may have been heard; those around a gap may not.
	check("announcements", sum.news, r.heard <= sum.news + sum.unsure and (r.heard >= sum.news or r.gaps > 0),
		"%d heard; the subscriber was told of %d gap%s", r.heard, r.gaps, r.gaps == 1 and "" or "s")
	check("duels in Redis", counted.won, counted.won == sum.duels and counted.lost == sum.duels, "won, %d lost",
		counted.lost)
	check("gifts in Redis", counted.given, counted.given == sum.gifts, "given")
	check("points dealt", r.dealt, counted.points == r.dealt and counted.ranking == r.dealt,
		"%d in the hashes, %d in the ranking", counted.points, counted.ranking)
	if r.ledger then
		check("moves in MongoDB", r.ledger.moves, r.ledger.moves == sum.duels + sum.gifts, "%d batches written again",
			sum.repeated)
		check("players' balances", r.ledger.right, r.ledger.right == r.players, "are the same in Redis and in MongoDB")
	end
	report.say("")
	report.say(all() and "All points are there, and everybody knows what happened."
		or "SOMETHING IS NOT AS IT SHOULD BE.")
	return all()
end

return report
