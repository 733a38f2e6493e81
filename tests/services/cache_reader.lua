-- A service that reads and writes through reef.redis.cache; a message is a command with arguments.
local cache = require "reef.redis.cache"
local skynet = require "skynet"

local db
local command = {}

function command.open(target, options)
	db = cache.open(target, options)
end

function command.call(name, ...)
	return db[name](db, ...)
end

-- Numbers of this service's own keys only grow: a value below what was acknowledged is stale.
function command.check(name, n, keys)
	local stale, acknowledged = 0, {}
	for i = 1, n do
		local key = name .. (i % keys)
		db:set(key, i)
		acknowledged[key] = i
		for other, number in pairs(acknowledged) do
			local value = db:get(other)
			if tonumber(value) ~= number then
				stale = stale + 1
			end
		end
	end
	return stale
end

---Reads others' keys; values must never go back.
function command.follow(key, cs)
	local before, back, reads = 0, 0, 0
	local until_then = skynet.now() + cs
	while skynet.now() < until_then do
		for _ = 1, 100 do
			local value = tonumber(db:get(key)) or 0
			back = back + (value < before and 1 or 0)
			before, reads = value, reads + 1
		end
		skynet.sleep(0)
	end
	return back, reads, before
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
