-- What a caller of a pool weighs: its VM in KB before and after it has opened one and used it.
local pool = require "reef.pool"
local skynet = require "skynet"

local function weigh()
	collectgarbage()
	collectgarbage()
	return collectgarbage "count"
end

local function outcome(ok, db)
	return ok, ok and db[2].key or tostring(db)
end

local command = {}

function command.weigh(kind, target, options)
	local before = weigh()
	local db = pool[kind](target, options)
	if kind == "redis" then
		db:set("weighed", 1)
		db:get "weighed"
	end
	return weigh() - before, package.loaded["reef.base.extra"] ~= nil
end

-- What comes of naming a target: the pool's key, or the error; and what the log is told.
function command.name(target, options)
	local lines, log = {}, skynet.error
	function skynet.error(line)
		lines[#lines + 1] = line
	end
	local ok, what = outcome(pcall(pool.redis, target, options))
	skynet.error = log
	return ok, what, lines
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
