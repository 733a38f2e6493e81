-- Lets the players in, edits the rules while they play, and counts everything at the end. The world that they play in
-- is this process, or nodes whose doors are told.
local config = require "reef.config"
local datasheet = require "skynet.datasheet"
local process = require "reef.process"
local report = require "report"
local shutdown = require "reef.shutdown"
local skynet = require "skynet"
local snax = require "skynet.snax"
local the_map = require "the_map"
local world = require "world"

local PLAYERS = math.tointeger(tonumber(os.getenv "WORLD_PLAYERS"))
local SECONDS = tonumber(os.getenv "WORLD_SECONDS")
local DATA = os.getenv "WORLD_DIR" .. "/data"
local CREWS = 8
local VIEWERS = 6
local EDITIONS = 5 -- of the rules and colours
local COLORS = { "#c87533", "#35c4c8", "#c8358f", "#58c835", "#c83535" }

local interrupted = false

local function now()
	return skynet.hpc() / 1e9
end

---Writes a file as an editor does: another one takes its place.
local function write(name, text)
	local path = DATA .. "/" .. name
	local file <close> = assert(io.open(path .. ".new", "w"))
	file:write(text)
	file:close()
	assert(os.rename(path .. ".new", path))
end

---Another edition of rules and colours.
local function edit(version)
	write("coins.csv", ("kind,color,weight\ncopper,%s,6\nsilver,#c9d1d9,3\ngold,#f2c14e,1\n"):format(
		COLORS[version % #COLORS + 1]))
	write("rules.toml", ("version = %d\nspeed = %d\n"):format(version, 1 + version % 3))
end

---Where players come in: at other nodes, or at the one that is started here.
---@return door[]
local function find_doors()
	local doors = {}
	for host, login, gate, web in (os.getenv "WORLD_DOORS" or ""):gmatch "([^%s:]+):(%d+):(%d+):(%d+)" do
		doors[#doors + 1] = { host = host, login = math.tointeger(tonumber(login)), gate = math.tointeger(tonumber(gate)),
			web = math.tointeger(tonumber(web)) }
	end
	if #doors == 0 then
		return { skynet.call(skynet.newservice "node", "lua", "door") }
	end
	assert(config.watch(DATA))
	return doors
end

---Starts the crews that play the players, and lets them log in side by side.
local function let_in(doors)
	local all, share, crews = {}, {}, {}
	for i = 1, PLAYERS do
		all[i] = "player" .. i
		local crew = (i - 1) % CREWS + 1
		share[crew] = share[crew] or {}
		table.insert(share[crew], all[i])
	end
	local request = skynet.request()
	for i, uids in ipairs(share) do
		crews[i] = skynet.newservice "bots"
		request:add { crews[i], "lua", "log_in", uids, all, doors }
	end
	local n = 0
	for _, reply in request:select() do
		n = n + (reply and reply[1] or 0)
	end
	return crews, n
end

local function progress(crews)
	local n, least = 0, math.huge
	for _, crew in ipairs(crews) do
		local its, its_least = skynet.call(crew, "lua", "progress")
		n, least = n + its, math.min(least, its_least)
	end
	return n, least
end

local function play(crews)
	local editions, since, before, last = 1, now(), 0, now()
	local parts = EDITIONS + 1
	for _, crew in ipairs(crews) do
		skynet.call(crew, "lua", "play")
	end
	while not interrupted and (SECONDS == 0 or now() - since < SECONDS) do
		skynet.sleep(25)
		local passed = now() - since
		if SECONDS == 0 and passed > editions * 10
			or SECONDS > 0 and editions < EDITIONS and passed / SECONDS > editions / parts then
			editions = editions + 1
			edit(editions)
		end
		if now() - last >= 1 then
			local n, least = progress(crews)
			report.line("%5.1f s  %6.0f requests/s, each player %d or more   rules version %d", passed,
				(n - before) / (now() - last), least, editions)
			before, last = n, now()
		end
	end
	for _, crew in ipairs(crews) do
		skynet.call(crew, "lua", "stop")
	end
	-- The last edition takes a moment to be noticed.
	for _ = 1, 1000 do
		if datasheet.query("rules").version == editions then
			break
		end
		skynet.sleep(1)
	end
	return editions
end

---What all sides say at the end: the players, the map, and Redis.
local function count_all(crews)
	local sum = { purses = 0, in_purses = 0, requests = 0, done = 0, repeated = 0, moved = 0, up_to_date = 0, stored = 0 }
	sum.errors = {}
	local accounts = {}
	for _, crew in ipairs(crews) do
		local its, errors = skynet.call(crew, "lua", "account")
		for uid, account in pairs(its) do
			accounts[uid] = account
		end
		table.move(errors, 1, #errors, #sum.errors + 1, sum.errors)
	end
	local players, lying = the_map.ask "account"
	local stored = snax.uniqueservice("store").req.players()
	for uid, account in pairs(accounts) do
		local player = players[uid] or { purse = world.purse(), done = 0 }
		sum.purses = sum.purses + (world.same(player.purse, account.purse) and 1 or 0)
		sum.in_purses = sum.in_purses + world.count(player.purse)
		sum.requests, sum.done = sum.requests + account.requests, sum.done + player.done
		sum.repeated, sum.moved = sum.repeated + account.repeated, sum.moved + account.moved
		sum.up_to_date = sum.up_to_date + (account.version == datasheet.query("rules").version and 1 or 0)
		sum.stored = sum.stored + (stored and stored[uid] and world.same(stored[uid].purse, account.purse) and 1 or 0)
	end
	sum.lying = lying
	sum.has_store = stored ~= nil
	return sum
end

local function main()
	local doors = find_doors()
	local viewers = skynet.newservice "viewers"
	skynet.call(viewers, "lua", "look", VIEWERS, doors)
	local crews, players = let_in(doors)
	report.line("%d players have logged in", players)
	local editions = play(crews)
	local sum = count_all(crews)
	local seen, maps, errors = skynet.call(viewers, "lua", "stop")
	table.move(errors, 1, #errors, #sum.errors + 1, sum.errors)
	local pictures, least, called = 0, math.huge, 0
	for _, viewer in ipairs(seen) do
		called = called + (viewer.called and 1 or 0)
		pictures, least = pictures + viewer.pictures, math.min(least, viewer.pictures)
	end

	local coins = PLAYERS * world.COINS_PER_PLAYER
	report.line ""
	report.claim("players", players, players == PLAYERS, "logged in, and came through a gate to their agents")
	report.claim("requests", sum.requests, sum.requests == sum.done,
		("%d done by the map: none twice, none lost"):format(sum.done))
	report.claim("asked again", sum.repeated, sum.repeated > 0 or sum.requests < 2000,
		"on another connection, since the first was lost")
	if #doors > 1 then
		report.claim("log-ins again", sum.moved, sum.moved > 0, "through another door, since the first is gone")
		report.claim("maps", maps, maps > 1, "have been elected, one after the other")
	end
	report.claim("coins dealt", coins, sum.lying + sum.in_purses == coins,
		("%d lie on the map, %d are in purses"):format(sum.lying, sum.in_purses))
	report.claim("purses", sum.purses, sum.purses == players, "are what the players themselves have counted")
	if sum.has_store then
		report.claim("purses in Redis", sum.stored, sum.stored == players, "are the same")
	end
	report.claim("versions of rules", editions, sum.up_to_date == players,
		("edited while they played; %d players have seen the last"):format(sum.up_to_date))
	report.claim("pictures", pictures, least > 0, ("that %d browsers have seen, in order"):format(#seen))
	report.claim("calls seen", called, called == #seen or least < 30, "what one browser asks for, all see")
	report.claim("errors", #sum.errors, #sum.errors == 0, sum.errors[1] or "that nothing explains")
	return report.all_hold()
end

skynet.start(function()
	local over = false
	-- Whoever ends the game sees the sums, too.
	shutdown.on(function()
		interrupted = true
		while not over do
			skynet.sleep(1)
		end
	end)
	skynet.fork(function()
		local ok, result = pcall(main)
		if not ok then
			io.stderr:write("world: ", tostring(result), "\n")
		end
		io.stdout:flush()
		over = true
		process.stop(ok and result and 0 or 1)
	end)
end)
