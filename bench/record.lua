-- What recording a service costs: `reef run record.lua PATH HOW N` sends it N requests. HOW: plain, record or ring.
-- bench/record counts that.
local skynet = require "skynet"

local path, how, n = ...

-- What the service does with a request, by path; and what it needs for that.
local handlers = {}

function handlers.call()
	return function(...)
		return ...
	end
end

function handlers.redis()
	local db = require("skynet.db.redis").connect { host = "127.0.0.1", port = tonumber(os.getenv "REDIS_PORT") }
	db:set("key", ("x"):rep(64))
	return function()
		return db:get "key"
	end
end

-- Some ten microseconds of work.
function handlers.work()
	local rows = {}
	for i = 1, 100 do
		rows[i] = { id = i, cost = i * 3 }
	end
	return function(_, id)
		local sum = 0
		for i = 1, #rows do
			local row = rows[i]
			sum = sum + row.cost * (row.id + id) % 7
		end
		return sum
	end
end

-- Several at a time: so no thread falls asleep in between, which would cost now more and now less.
local AT_ONCE <const> = 128

local function ask(service, count)
	local left, main = AT_ONCE, coroutine.running()
	for _ = 1, AT_ONCE do
		skynet.fork(function()
			for i = 1, count // AT_ONCE do
				skynet.call(service, "lua", "ping", i, "three")
			end
			left = left - 1
			if left == 0 then
				skynet.wakeup(main)
			end
		end)
	end
	skynet.wait(main)
end

if path == "service" then
	skynet.start(function()
		local handle = handlers[how]()
		skynet.dispatch("lua", function(_, _, ...)
			skynet.retpack(handle(...))
		end)
	end)
else
	skynet.start(function()
		if how ~= "plain" then
			skynet.setenv("record_ring", how == "ring" and "60" or "0")
			require("reef.record").start "record"
		end
		local service = skynet.newservice("record", "service", path)
		ask(service, math.tointeger(tonumber(n)))
		-- It ends with the process, and its record is what it has written so far.
		for _, state in ipairs(require("reef.record").list()) do
			print("bytes", state.bytes)
		end
		require("reef.process").stop()
	end)
end
