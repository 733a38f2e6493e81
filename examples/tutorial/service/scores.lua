-- service/scores.lua
local redis = require "skynet.db.redis"
local skynet = require "skynet"

local db
local command = {}

function command.add(name, points)
	return math.tointeger(tonumber(db:zincrby("guess:scores", points, name)))
end

function command.best(n)
	local best, reply = {}, db:zrevrange("guess:scores", 0, n - 1, "WITHSCORES")
	for i = 1, #reply, 2 do
		best[#best + 1] = { name = reply[i], points = math.tointeger(tonumber(reply[i + 1])) }
	end
	return best
end

skynet.start(function()
	db = redis.connect(skynet.getenv "database")
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
