-- A player: a service of its own. It reaches Redis and MongoDB through pools that all players share, and plays with the
-- items of the shared configuration.
local datasheet = require "reef.datasheet"
local ledger = require "ledger"
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local rules = require "rules"
local skynet = require "skynet"
local tally = require "tally"

local me, players = ...
me, players = math.tointeger(me), math.tointeger(players)

local db, book, items
local moves = 0
local mine = tally.new()
local playing = false

-- Does something that Redis answers, and notes how long it took. nil and the error object when it failed.
local function ask(f, ...)
	local since = skynet.hpc()
	local ok, a, b = pcall(f, db, ...)
	if ok then
		mine:took(skynet.hpc() - since)
		return a, b
	end
	local err = redis.error(a)
	if err.outcome == "rejected" then
		mine.errors = mine.errors + 1
		skynet.error("player " .. me .. ": " .. tostring(a))
	end
	return nil, err
end

local function pause()
	skynet.sleep(math.random(2, 10))
end

-- Asks for as long as it takes.
local function insist(f, ...)
	while true do
		local result, err = ask(f, ...)
		if not err or err.outcome == "rejected" then
			return result
		end
		pause()
	end
end

-- What became of the last move; nobody knows but Redis.
local function resolve()
	mine.doubtful = mine.doubtful + 1
	local moved = insist(rules.settle, moves, me)
	mine.done = mine.done + (moved and 1 or 0)
	mine.undone = mine.undone + (moved and 0 or 1)
	return moved
end

-- Makes a move, and does not let go until it is known whether it happened.
---@return integer|nil points that changed hands; nil: nothing happened
local function move(f, ...)
	moves = moves + 1
	while true do
		local moved, conflicts = ask(f, moves, me, ...)
		if moved then
			mine.conflicts = mine.conflicts + (conflicts or 0)
			return moved
		end
		local err = conflicts
		if err.outcome == "maybe applied" then
			return resolve()
		elseif err.outcome ~= "not sent" then
			return nil
		end
		mine.again = mine.again + 1
		pause()
	end
end

-- Looks at the configuration, as it is now.
local function choose_item()
	local item = items[math.random(#items)]
	if item.version ~= items.version then
		mine.torn = mine.torn + 1
	end
	mine.version = items.version
	return item
end

local function write_down(from, to, points)
	if book then
		book:note(me, moves, from, to, points)
	end
end

local function round()
	local other = math.random(players - 1)
	other = other < me and other or other + 1
	ask(db.hmget, rules.key(other), "points", "won")
	if math.random(20) == 1 then
		local moved = move(rules.gift, other)
		if moved then
			mine.gifts = mine.gifts + 1
			write_down(me, other, moved)
		end
		return
	end
	local winner, loser = me, other
	if math.random(2) == 1 then
		winner, loser = other, me
	end
	local moved = move(rules.duel, loser, winner, choose_item().stake)
	if moved then
		mine.duels = mine.duels + 1
		write_down(loser, winner, moved)
	end
	local rank = ask(db.zrevrank, "ranking", me)
	if rank and rank < 3 then
		local receivers, err = ask(db.publish, "news", me .. " is number " .. rank + 1)
		mine.news = mine.news + (receivers or 0)
		mine.unsure = mine.unsure + (err and err.outcome == "maybe applied" and 1 or 0)
	end
end

local command = {}

function command.play()
	playing = true
	skynet.fork(function()
		-- Not all at once.
		skynet.sleep(math.random(40))
		while playing do
			round()
			skynet.sleep(math.random(20, 40))
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
	choose_item()
	if book then
		book:write()
		mine.repeated = book.repeated
	end
	return mine
end

skynet.start(function()
	math.randomseed(math.tointeger(os.getenv "ARENA_SEED"), me)
	items = datasheet.query "items"
	db = pool.redis(os.getenv "ARENA_REDIS")
	local uri = os.getenv "ARENA_MONGO"
	book = uri and ledger.open(uri)
	skynet.dispatch("lua", function(session, _, name)
		local result = command[name]()
		if session ~= 0 then
			skynet.retpack(result)
		end
	end)
end)
