-- The arena: deals points, starts the players, shows how it goes, and counts the points at the end.
local process = require "reef.process"
local redis = require "skynet.db.redis"
local rules = require "rules"
local shutdown = require "reef.shutdown"
local skynet = require "skynet"
local tally = require "tally"

local PLAYERS = math.tointeger(tonumber(os.getenv "ARENA_PLAYERS"))
local SECONDS = tonumber(os.getenv "ARENA_SECONDS")
local terminal = os.getenv "ARENA_TERMINAL" == "yes"

local interrupted = false
local line_open = false

local function say(format, ...)
	if line_open then
		io.write "\n"
		line_open = false
	end
	io.write(string.format(format, ...), "\n")
	io.flush()
end

-- A line that the next one takes the place of, where that is possible.
local function progress(format, ...)
	local text = string.format(format, ...)
	if terminal then
		io.write("\r\27[K", text)
		line_open = true
	else
		io.write(text, "\n")
	end
	io.flush()
end

local function now()
	return skynet.hpc() / 1e9
end

-- Resident memory of the process in KiB.
local function memory()
	local file <close> = assert(io.open "/proc/self/status")
	return tonumber(file:read("a"):match "VmRSS:%s*(%d+)")
end

local function collect(players, what)
	local sum = tally.new()
	for _, player in ipairs(players) do
		sum:add(skynet.call(player, "lua", what))
	end
	return sum
end

-- Counts announcements until the connection is closed.
local function listen_to_news(w)
	local heard = { n = 0 }
	skynet.fork(function()
		while pcall(w.message, w) do
			heard.n = heard.n + 1
		end
	end)
	return heard
end

local function play(players, db)
	for _, player in ipairs(players) do
		skynet.send(player, "lua", "play")
	end
	local since, before, last = now(), tally.new(), now()
	while now() - since < SECONDS and not interrupted do
		skynet.sleep(math.min(terminal and 25 or 100, math.ceil((SECONDS - (now() - since)) * 100)))
		local sum, time = collect(players, "tally"), now()
		local best = db:zrevrange("ranking", 0, 0, "withscores")
		progress("%5.1f s  %7.0f requests/s  p50 %.2f ms  p99 %.2f ms  %d errors  player %s leads with %s points",
			time - since, (sum.requests - before.requests) / (time - last), sum:percentile(0.5), sum:percentile(0.99),
			sum.errors, best[1], best[2])
		before, last = sum, time
	end
	return now() - since
end

-- Reports, and says whether all is right.
local function report(sum, seconds, cpu, kib, dealt, hashes, ranking, heard)
	say("")
	say("  players                 %10d", PLAYERS)
	say("  requests                %10d   (%d duels, %d gifts, %d retried)", sum.requests, sum.duels, sum.gifts,
		sum.conflicts)
	say("  errors                  %10d", sum.errors)
	say("  requests a second       %10.0f", sum.requests / seconds)
	say("  latency p50             %10.2f ms", sum:percentile(0.5))
	say("  latency p95             %10.2f ms", sum:percentile(0.95))
	say("  latency p99             %10.2f ms", sum:percentile(0.99))
	say("  CPU a request           %10.1f us", cpu / sum.requests * 1e6)
	say("  memory a service        %10.1f KiB  (with its connection)", kib / PLAYERS)
	say("  announcements           %10d   (%d heard)", sum.news, heard)
	say("  points dealt            %10d", dealt)
	say("  points in the hashes    %10d", hashes)
	say("  points in the ranking   %10d", ranking)
	local points = hashes == dealt and ranking == dealt
	local right = points and heard == sum.news and sum.errors == 0 and (sum.requests > 0 or interrupted)
	say("")
	say(not points and "THE POINTS DO NOT ADD UP." or right and "All points are there."
		or "The points are there, but something went wrong.")
	return right
end

local function main()
	local uri = os.getenv "ARENA_REDIS"
	local db, w = redis.connect(uri), redis.watch(uri)
	w:subscribe "news"
	local heard = listen_to_news(w)
	local dealt = rules.deal(db, PLAYERS)

	local started, before = now(), memory()
	local players = {}
	for i = 1, interrupted and 0 or PLAYERS do
		players[i] = skynet.newservice("player", i, PLAYERS)
	end
	local kib = memory() - before
	say("%d players, each a service with a connection of its own, are there after %.2f s", PLAYERS, now() - started)

	local cpu = os.clock()
	local seconds = play(players, db)
	for _, player in ipairs(players) do
		skynet.send(player, "lua", "stop")
	end
	local sum = collect(players, "result")
	cpu = os.clock() - cpu
	-- What was published just before the end is still on its way.
	for _ = 1, 100 do
		if heard.n >= sum.news then
			break
		end
		skynet.sleep(5)
	end
	local hashes, ranking = rules.count(db, PLAYERS)
	w:disconnect()
	db:disconnect()
	return report(sum, seconds, cpu, kib, dealt, hashes, ranking, heard.n)
end

skynet.start(function()
	local over
	shutdown.on(function()
		if not over then
			interrupted = true
			while not over do
				skynet.sleep(1)
			end
		end
	end)
	skynet.fork(function()
		local ok, right = xpcall(main, debug.traceback)
		over = true
		if not ok then
			say("%s", right)
		end
		if not interrupted then
			process.stop(ok and right and 0 or 1)
		end
	end)
end)
