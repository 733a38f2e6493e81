-- service/player.lua
local datasheet = require "skynet.datasheet"
local metrics = require "reef.metrics"
local skynet = require "skynet"
local socket = require "skynet.socket"

local id = math.tointeger(tonumber((...)))           -- arguments of services are strings
local levels = datasheet.query "levels"              -- follows the file
local won = metrics.counter("guess_won_total", "Games that were won.", "level")

local function say(text, ...)
	socket.write(id, text:format(...) .. "\n")
end

local function answer()
	local line = socket.readline(id)
	if not line then
		error("the player is gone", 0)
	end
	return (line:gsub("\r$", ""))
end

-- Plays a game: how many points it brings.
local function play(level)
	local rule = levels[level]
	local secret = math.random(rule.most)
	say("Level %d: a number from 1 to %d.", level, rule.most)
	for tries = 0, math.huge do
		local guess = tonumber(answer())
		if guess == secret then
			return math.max(rule.points - tries, 1)
		end
		say(not guess and "That is no number." or guess < secret and "higher" or "lower")
	end
end

local function play_all()
	say "Who are you?"
	local name = answer()
	local scores = skynet.queryservice "scores"
	for level = 1, #levels do
		local points = play(level)
		won:add(1, level)
		local ok, sum = pcall(skynet.call, scores, "lua", "add", name, points)
		say("Right! %d points, %s", points, ok and ("%d in all."):format(sum) or "which could not be kept.")
		if not ok then
			skynet.error("error: points of", name, "were not kept:", sum)
		end
	end
	for place, row in ipairs(skynet.call(scores, "lua", "best", 3)) do
		say("%d. %s, %d points", place, row.name, row.points)
	end
end

skynet.start(function()
	socket.start(id)                                 -- from now on the connection is this service's
	skynet.fork(function()
		local ok, reason = pcall(play_all)
		if not ok then
			skynet.error(reason)
		end
		socket.close(id)
		skynet.exit()
	end)
end)
