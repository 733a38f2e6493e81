-- A service that writes numbered values to a Redis deployment, direct or through a pool, from many coroutines, until it
-- is told to stop. Each reply has to be the one to its own request.
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local skynet = require "skynet"

-- Adds to a counter of its own, and answers with the number that it was given.
local count = "redis.call('INCR', KEYS[1]) return ARGV[1]"

local db, stop
local result = { sure = {}, maybe = {}, replies = 0, refused = 0, longest = 0, rejected = {} }
local left = 0
local command = {}

local redirection, most = { MOVED = true, ASK = true, TRYAGAIN = true }, nil

local function note(key, number, took, ok, reply)
	result.longest = math.max(result.longest, took)
	if ok then
		result.replies = result.replies + 1
		result.sure[key] = result.sure[key] + 1
		if reply ~= number then
			result.wrong = { key = key, sent = number, got = reply }
		end
		return
	end
	local err = redis.error(reply)
	if err.outcome == "maybe applied" then
		result.maybe[key] = result.maybe[key] + 1
	elseif err.outcome == "not sent" then
		result.refused = result.refused + 1
	elseif redirection[err.code] and took > most * 0.9 then
		-- It would have gone on elsewhere, and had no time left.
		result.refused = result.refused + 1
	elseif err.outcome == "rejected" then
		result.rejected[err.code] = (result.rejected[err.code] or 0) + 1
	else
		result.wrong = { key = key, sent = number, got = tostring(reply) }
	end
	result.last = tostring(reply)
	skynet.sleep(1)
end

local function write(key)
	local n = 0
	result.sure[key], result.maybe[key] = 0, 0
	while not stop do
		-- Who soaks wants to see as much as there can be; else the machine is to be left something.
		if not os.getenv "REEF_SOAK" then
			skynet.sleep(1)
		end
		n = n + 1
		local number = key .. ":" .. n
		local since = skynet.hpc()
		local ok, reply = pcall(db.eval, db, count, 1, key, number)
		note(key, number, (skynet.hpc() - since) / 1e9, ok, reply)
	end
	left = left - 1
end

---@param kind "direct"|"pool"
---@param n integer   coroutines
function command.start(kind, target, options, name, n)
	db = kind == "pool" and pool.redis(target, options) or redis.connect(target, options)
	left, most = n, options.timeout
	for i = 1, n do
		skynet.fork(write, name .. "-" .. i)
	end
end

---How many replies there were so far.
function command.replies()
	return result.replies
end

function command.stop()
	stop = true
	local since = skynet.now()
	while left > 0 and skynet.now() - since < 3000 do
		skynet.sleep(1)
	end
	result.hung = left
	return result
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
