-- A player: a service of its own, with a connection of its own.
local redis = require "skynet.db.redis"
local rules = require "rules"
local skynet = require "skynet"
local tally = require "tally"

local me, players = ...
me, players = math.tointeger(me), math.tointeger(players)

local db
local mine = tally.new()
local playing = false

-- Does something that Redis answers, and notes how long it took. nil when it failed.
local function ask(f, ...)
	local since = skynet.hpc()
	local ok, a, b = pcall(f, ...)
	mine:took(skynet.hpc() - since)
	if ok then
		return a, b
	end
	mine.errors = mine.errors + 1
	skynet.error("player " .. me .. ": " .. tostring(a))
end

local function round()
	local other = math.random(players - 1)
	other = other < me and other or other + 1
	local points = ask(db.hmget, db, rules.key(other), "points", "won")
	if not points then
		return
	end
	if math.random(20) == 1 then
		local gift, conflicts = ask(rules.gift, db, me, other)
		if gift then
			mine.gifts = mine.gifts + 1
			mine.conflicts = mine.conflicts + conflicts
		end
		return
	end
	local winner, loser = me, other
	if math.random(2) == 1 then
		winner, loser = other, me
	end
	if ask(rules.duel, db, loser, winner) then
		mine.duels = mine.duels + 1
	end
	local rank = ask(db.zrevrank, db, "ranking", me)
	if rank and rank < 3 and ask(db.publish, db, "news", me .. " is number " .. rank + 1) then
		mine.news = mine.news + 1
	end
end

local command = {}

function command.play()
	playing = true
	skynet.fork(function()
		-- Not all at once.
		skynet.sleep(math.random(20))
		while playing do
			round()
			skynet.sleep(math.random(10, 20))
		end
		playing = nil
	end)
end

function command.tally()
	return mine
end

---No further rounds.
function command.stop()
	playing = playing and false
end

---What was done, when the last round is over.
function command.result()
	while playing ~= nil do
		skynet.sleep(1)
	end
	db:disconnect()
	return mine
end

skynet.start(function()
	db = redis.connect(os.getenv "ARENA_REDIS")
	skynet.dispatch("lua", function(session, _, name)
		local result = command[name]()
		if session ~= 0 then
			skynet.retpack(result)
		end
	end)
end)
