-- The arena: deals points, starts the players, changes the configuration and kills Redis while they play, shows how it
-- goes, and adds everything up at the end.
local config = require "reef.config"
local datasheet = require "reef.datasheet"
local items = require "items"
local ledger = require "ledger"
local pool = require "reef.pool"
local process = require "reef.process"
local report = require "report"
local rules = require "rules"
local shutdown = require "reef.shutdown"
local skynet = require "skynet"
local tally = require "tally"

local PLAYERS = math.tointeger(tonumber(os.getenv "ARENA_PLAYERS"))
local SECONDS = tonumber(os.getenv "ARENA_SECONDS")
local DIR = os.getenv "ARENA_DIR"
local VERSIONS = 10
local terminal = os.getenv "ARENA_TERMINAL" == "yes"

local interrupted = false

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

-- Whether the time has come for the next of `n` things that are spread over the game.
local function is_due(done, n, part)
	return done < n and part >= (done + 1) / (n + 1)
end

local function kill_redis(db, events)
	local pid = db:info("server"):match "process_id:(%d+)"
	os.execute("kill -9 " .. pid)
	events.killed = now()
	skynet.fork(function()
		while not pcall(db.ping, db) do
			skynet.sleep(2)
		end
		events.away = now() - events.killed
	end)
end

local function play(players, db)
	local events = { versions = 1 }
	for _, player in ipairs(players) do
		skynet.send(player, "lua", "play")
	end
	local since, before, last, part = now(), tally.new(), now(), 0
	-- The last turn begins at the end, so what has become due in a long one is done, too.
	while part < 1 and not interrupted do
		skynet.sleep(math.max(1, math.min(25, math.ceil((SECONDS - (now() - since)) * 100))))
		part = (now() - since) / SECONDS
		while is_due(events.versions - 1, VERSIONS - 1, part) do
			events.versions = events.versions + 1
			items.edit(DIR, events.versions)
		end
		if not events.killed and part > 0.45 then
			kill_redis(db, events)
		end
		if terminal or now() - last >= 1 then
			local sum, time = collect(players, "tally"), now()
			report.progress("%5.1f s  %7.0f requests/s  p50 %6.2f ms  p99 %6.2f ms  items version %d%s", time - since,
				(sum.requests - before.requests) / (time - last), sum:percentile(0.5), sum:percentile(0.99),
				events.versions, events.killed and not events.away and "  Redis is away" or "")
			before, last = sum, time
		end
	end
	events.seconds = now() - since
	return events
end

-- The server has just been started.
local function open_ledger(uri)
	local ok, book
	for _ = 1, 100 do
		ok, book = pcall(ledger.open, uri)
		if ok then
			return book
		end
		skynet.sleep(10)
	end
	error(book, 0)
end

-- Compares what the ledger says with what Redis says.
local function audit(book, counted)
	local moves, gains = book:balance()
	local right = 0
	for player, points in ipairs(counted.of) do
		right = right + (points - rules.POINTS == (gains[player] or 0) and 1 or 0)
	end
	return { moves = moves, right = right }
end

-- Until the last version of the file has been noticed.
local function wait_for_items(version)
	local sheet = datasheet.query "items"
	for _ = 1, 500 do
		if sheet.version == version then
			break
		end
		skynet.sleep(2)
	end
end

local function main()
	items.edit(DIR, 1)
	local watcher = assert(config.watch(DIR .. "/data", { quiet = 0.05 }))
	local db = pool.redis(os.getenv "ARENA_REDIS", { size = 4, errors = "object" })
	local gaps = 0
	local w = pool.watch(os.getenv "ARENA_REDIS", { gap = function()
		gaps = gaps + 1
	end })
	w:subscribe "news"
	local heard = listen_to_news(w)
	local book = os.getenv "ARENA_MONGO" and open_ledger(os.getenv "ARENA_MONGO")
	local dealt = rules.deal(db, PLAYERS)

	local started, before = now(), memory()
	local players = {}
	for i = 1, interrupted and 0 or PLAYERS do
		players[i] = skynet.newservice("player", i, PLAYERS)
	end
	local kib = memory() - before
	report.say("%d players, each a service, are there after %.2f s", PLAYERS, now() - started)

	local cpu = os.clock()
	local events = play(players, db)
	wait_for_items(events.versions)
	for _, player in ipairs(players) do
		skynet.send(player, "lua", "stop")
	end
	local sum = collect(players, "result")
	cpu = os.clock() - cpu
	-- What was published just before the end is still on its way.
	for _ = 1, gaps > 0 and 10 or 100 do
		if heard.n >= sum.news then
			break
		end
		skynet.sleep(5)
	end
	local counted = rules.count(db, PLAYERS)
	local right = report.table {
		players = PLAYERS, sum = sum, events = events, dealt = dealt, counted = counted, stat = pool.stat(db), cpu = cpu,
		kib = kib, heard = heard.n, gaps = gaps, ledger = book and audit(book, counted),
		publications = watcher:stat().version,
	}
	watcher:stop()
	w:disconnect()
	db:disconnect()
	return right
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
			report.say("%s", right)
		end
		if not interrupted then
			process.stop(ok and right and 0 or 1)
		end
	end)
end)
