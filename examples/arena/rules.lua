-- The rules: who has how many points is in Redis, and only there.
--
--     player:N   hash: points; won, lost, given: how often; move: number of N's last move; moved: its points
--     ranking    sorted set: N by points
--     news       channel of announcements
--
-- Each player numbers its moves. The number is written together with what the move does. So after "maybe applied" Redis
-- can be asked whether it was; and if not, the number is used up by the question, so that nothing late can come of it.
local redis = require "skynet.db.redis"

local rules = { POINTS = 1000 }

local NOT_DONE = "-1"

function rules.key(n)
	return "player:" .. n
end

-- KEYS: who moves, loser, winner, ranking. ARGV: number of the move, loser, winner, points at most.
local duel = redis.script [[
if tonumber(redis.call("HGET", KEYS[1], "move")) >= tonumber(ARGV[1]) then
	return redis.error_reply("GIVENUP this move has been given up")
end
local stake = math.min(tonumber(ARGV[4]), tonumber(redis.call("HGET", KEYS[2], "points")))
redis.call("HINCRBY", KEYS[2], "points", 0 - stake)
redis.call("HINCRBY", KEYS[2], "lost", 1)
redis.call("HINCRBY", KEYS[3], "points", stake)
redis.call("HINCRBY", KEYS[3], "won", 1)
redis.call("ZINCRBY", KEYS[4], 0 - stake, ARGV[2])
redis.call("ZINCRBY", KEYS[4], stake, ARGV[3])
redis.call("HSET", KEYS[1], "move", ARGV[1], "moved", stake)
return stake
]]

---The transfer of a duel: a script, which Redis runs as a whole.
---@return integer points that changed hands
function rules.duel(db, move, me, loser, winner, stake)
	return duel(db, { rules.key(me), rules.key(loser), rules.key(winner), "ranking" }, move, loser, winner, stake)
end

---The transfer of a gift: a transaction that is tried again when somebody else was faster.
---@return integer points that changed hands
---@return integer conflicts
function rules.gift(db, move, me, to)
	for conflicts = 0, math.huge do
		db:watch(rules.key(me))
		local gift = tonumber(db:hget(rules.key(me), "points")) // 10
		local results = db:pipeline({
			{ "MULTI" },
			{ "HINCRBY", rules.key(me), "points", -gift },
			{ "HINCRBY", rules.key(me), "given", 1 },
			{ "HINCRBY", rules.key(to), "points", gift },
			{ "ZINCRBY", "ranking", -gift, me },
			{ "ZINCRBY", "ranking", gift, to },
			{ "HSET", rules.key(me), "move", move, "moved", gift },
			{ "EXEC" },
		}, {})
		if not results[8].ok then
			error(results[8].out, 0)
		elseif results[8].out then
			return gift, conflicts
		end
	end
end

-- KEYS: who moved. ARGV: number of the move, what is noted for one that was not done.
local settle = redis.script [[
if redis.call("HGET", KEYS[1], "move") ~= ARGV[1] then
	redis.call("HSET", KEYS[1], "move", ARGV[1], "moved", ARGV[2])
end
return redis.call("HGET", KEYS[1], "moved")
]]

---Whether a move was done. If not, it never will be. May be asked again.
---@return integer|nil points  that changed hands, if it was
function rules.settle(db, move, me)
	local moved = settle(db, { rules.key(me) }, move, NOT_DONE)
	return moved ~= NOT_DONE and math.tointeger(tonumber(moved)) or nil
end

---Gives `n` players their points.
---@return integer points dealt
function rules.deal(db, n)
	local ops = {}
	for i = 1, n do
		ops[#ops + 1] = { "HSET", rules.key(i), "points", rules.POINTS, "won", 0, "lost", 0, "given", 0, "move", 0 }
		ops[#ops + 1] = { "ZADD", "ranking", rules.POINTS, i }
	end
	db:pipeline(ops)
	return n * rules.POINTS
end

---What is in Redis at the end: sums over all players.
---@return table  points, ranking, won, lost, given; of: points of each player
function rules.count(db, n)
	local fields, ops = { "points", "won", "lost", "given" }, {}
	for i = 1, n do
		ops[i] = { "HMGET", rules.key(i), table.unpack(fields) }
	end
	local sum = { points = 0, won = 0, lost = 0, given = 0, ranking = 0, of = {} }
	for player, result in ipairs(db:pipeline(ops, {})) do
		sum.of[player] = math.tointeger(tonumber(result.out[1]))
		for i, field in ipairs(fields) do
			sum[field] = sum[field] + math.tointeger(tonumber(result.out[i]))
		end
	end
	for _, points in db:zscan_iter "ranking" do
		sum.ranking = sum.ranking + math.tointeger(points)
	end
	return sum
end

return rules
