-- The store: what a map has written down, in Redis, if there is one. Whoever writes says the number of its election,
-- and is refused when Redis has seen a higher one.
local redis = require "skynet.db.redis"
local skynet = require "skynet"

local OPEN = [[
if tonumber(redis.call("GET", "world:fence") or 0) > tonumber(ARGV[1]) then
	return redis.error_reply("FENCED another map is at work")
end
local before = redis.call("EXISTS", "world:fence")
redis.call("SET", "world:fence", ARGV[1])
return before
]]
local WRITE = [[
if tonumber(redis.call("GET", "world:fence") or 0) > tonumber(ARGV[1]) then
	return redis.error_reply("FENCED another map is at work")
end
for i = 2, #ARGV, 3 do
	if ARGV[i + 2] == "" then
		redis.call("HDEL", ARGV[i], ARGV[i + 1])
	else
		redis.call("HSET", ARGV[i], ARGV[i + 1], ARGV[i + 2])
	end
end
return 1
]]

local db

function init()
	local where = os.getenv "WORLD_REDIS"
	if where and where ~= "" then
		db = redis.connect(where)
	end
end

function exit()
	if db then
		db:disconnect()
	end
end

local function all_of(kind)
	local list, all = db:hgetall("world:" .. kind), {}
	for i = 1, #list, 2 do
		all[kind == "lying" and math.tointeger(tonumber(list[i])) or list[i]] = skynet.unpack(list[i + 1])
	end
	return all
end

---The map of this election writes from now on: what is there, or nil.
function response.open(fence)
	if db and db:eval(OPEN, 0, fence) == 1 then
		return { lying = all_of "lying", players = all_of "players" }
	end
end

---Writes values as a whole: kind -> key -> value, or false for what is gone.
function response.write(fence, values)
	if not db then
		return
	end
	local arguments = { fence }
	for kind, list in pairs(values) do
		for key, value in pairs(list) do
			table.move({ "world:" .. kind, key, value and skynet.packstring(value) or "" }, 1, 3, #arguments + 1, arguments)
		end
	end
	db:eval(WRITE, 0, table.unpack(arguments))
end

---All players as Redis has them; nil without Redis.
function response.players()
	return db and all_of "players"
end
