-- Server-side scripts: sent as their SHA-1, and as text when the server does not have them.
--
--     local transfer = redis.script [[ redis.call("DECRBY", KEYS[1], ARGV[1]) ... ]]
--     transfer(db, { "from", "to" }, 10)
local core = require "reef.redis.core"

---@param source string  Lua for the server
---@return fun(db: table, keys: string[]|nil, ...: any): any
local function script(source)
	local sha = core.sha1(source)
	return function(db, keys, ...)
		local list = { sha, keys and #keys or 0 }
		if keys then
			table.move(keys, 1, #keys, 3, list)
		end
		local given = select("#", ...)
		table.move({ ... }, 1, given, #list + 1, list)
		list.n = 2 + (keys and #keys or 0) + given
		local ok, result = pcall(db.evalsha, db, list)
		if ok then
			return result
		end
		-- NOSCRIPT means that nothing ran.
		if not tostring(result):find("NOSCRIPT", 1, true) then
			error(result, 0)
		end
		list[1] = source
		return db:eval(list)
	end
end

return script
