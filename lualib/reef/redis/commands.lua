-- The methods of skynet.db.redis, one for each command. Almost all are sent as they are, by a C function alone; what
-- has to be seen to before or after the others is in reef.redis.special.
local core = require "reef.redis.core"

local commands = {}

---The method of that name.
---@param name string  of the command, in any case of letters
---@return fun(db: table, ...): any
function commands.method(name)
	local command = name:upper()
	-- Only these two spellings answer with booleans, and take a fixed number of arguments.
	local flags = name == "exists" and "b1" or name == "sismember" and "b2" or nil
	local raw, what = core.command(command, flags), core.classify(command)
	if what == "ordinary" and core.harmless(command) then
		return raw
	end
	return require("reef.redis.special").method(what, raw, command)
end

return commands
