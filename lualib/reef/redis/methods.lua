-- What a db of Redis can do, whether its commands go to connections (reef.redis) or to a pool (reef.pool.redis). What
-- is more than a C function comes in when it is first used. In db[2] there are own, conf, timeout and changing, a
-- function that is asked before anything that changes the state of a connection.
local commands = require "reef.redis.commands"
local made = require "reef.redis.made"

local elsewhere = { pipeline = "reef.redis.pipeline" }
for _, kind in ipairs { "scan", "sscan", "hscan", "zscan" } do
	elsewhere[kind .. "_iter"] = "reef.redis.scan"
end

return made({}, function(name)
	local module = elsewhere[name]
	return module and require(module)[name] or commands.method(name)
end)
