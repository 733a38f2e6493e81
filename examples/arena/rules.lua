-- The rules: who has how many points is in Redis, and only there.
--
--     player:N   hash: points, won, lost
--     ranking    sorted set: N by points
--     news       channel of announcements
local redis = require "skynet.db.redis"

local rules = { POINTS = 1000, STAKE = 25 }

function rules.key(n)
	return "player:" .. n
end

-- Moves at most ARGV[3] points from the loser (KEYS[1], ARGV[1]) to the winner (KEYS[2], ARGV[2]); says how many.
local duel = redis.script [[
local stake = math.min(tonumber(ARGV[3]), tonumber(redis.call("HGET", KEYS[1], "points")))
redis.call("HINCRBY", KEYS[1], "points", 0 - stake)
redis.call("HINCRBY", KEYS[1], "lost", 1)
redis.call("HINCRBY", KEYS[2], "points", stake)
redis.call("HINCRBY", KEYS[2], "won", 1)
redis.call("ZINCRBY", KEYS[3], 0 - stake, ARGV[1])
redis.call("ZINCRBY", KEYS[3], stake, ARGV[2])
return stake
]]

---The transfer of a duel: a script, which Redis runs as a whole.
---@return integer points that changed hands
function rules.duel(db, loser, winner)
	return duel(db, { rules.key(loser), rules.key(winner), "ranking" }, loser, winner, rules.STAKE)
end

---The transfer of a gift: a transaction that is tried again when somebody else was faster.
---@return integer points that changed hands
---@return integer conflicts
function rules.gift(db, from, to)
	for conflicts = 0, math.huge do
		db:watch(rules.key(from))
		local points = tonumber(db:hget(rules.key(from), "points"))
		local gift = points // 10
		local results = db:pipeline({
			{ "MULTI" },
			{ "HINCRBY", rules.key(from), "points", -gift },
			{ "HINCRBY", rules.key(to), "points", gift },
			{ "ZINCRBY", "ranking", -gift, from },
			{ "ZINCRBY", "ranking", gift, to },
			{ "EXEC" },
		}, {})
		if results[6].out then
			return gift, conflicts
		end
	end
end

---Gives `n` players their points.
---@return integer points dealt
function rules.deal(db, n)
	local ops = {}
	for i = 1, n do
		ops[#ops + 1] = { "HSET", rules.key(i), "points", rules.POINTS, "won", 0, "lost", 0 }
		ops[#ops + 1] = { "ZADD", "ranking", rules.POINTS, i }
	end
	db:pipeline(ops)
	return n * rules.POINTS
end

---All points there are: in the hashes, and in the ranking.
function rules.count(db, n)
	local ops = {}
	for i = 1, n do
		ops[i] = { "HGET", rules.key(i), "points" }
	end
	local hashes, ranking = 0, 0
	for _, result in ipairs(db:pipeline(ops, {})) do
		hashes = hashes + math.tointeger(tonumber(result.out))
	end
	for _, points in db:zscan_iter "ranking" do
		ranking = ranking + math.tointeger(points)
	end
	return hashes, ranking
end

return rules
