-- Server-side scripts: sent as their SHA-1, and as text when the server does not have them.
--
--     local transfer = redis.script [[ redis.call("DECRBY", KEYS[1], ARGV[1]) ... ]]
--     transfer(db, { "from", "to" }, 10)
--
-- In a transaction it is always the text: there nobody would be told in time that the server does not have it.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"

-- May the script itself end with that error? Not if all errors that it makes are texts in its source, and none of them
-- is this one.
local function can_say_noscript(source)
	if source:find("NOSCRIPT", 1, true) then
		return true
	end
	local rest = source
	for _, way in ipairs { "error_reply%s*%(?", "err%s*=", "error%s*%(?" } do
		rest = rest:gsub(way .. "%s*([\"'])[^\"']*%1", "")
	end
	return rest:find "error" ~= nil or rest:find "%f[%w]err%f[%W]" ~= nil
end

-- The server has said NOSCRIPT. So may a script that it has, and that has run: then the server is asked. It may have
-- the script by now because somebody else has sent it; that error is passed on, since nothing runs twice.
local function has_not_run(db, list, err, doubtful)
	local text = errors.is(err) and err.message or tostring(err)
	if not (text:find "^NOSCRIPT " or text:find ":%d+: NOSCRIPT ") then
		return false
	elseif not doubtful then
		return true
	end
	-- In a cluster the one that was asked.
	db = db[2].home and db[2].home(list) or db
	local ok, known = pcall(db.script, db, "EXISTS", list[1])
	if ok then
		return known[1] == 0
	end
	-- Who may not ask has to believe it.
	return tostring(known):find "NOPERM" and text:find "NOSCRIPT No matching script" ~= nil
end

---@param source string  Lua for the server
---@return fun(db: table, keys: string[]|nil, ...: any): any
local function script(source)
	if type(source) ~= "string" then
		error("redis.script: the source of a script is a string, not a " .. type(source))
	end
	local sha = core.sha1(source)
	local doubtful = can_say_noscript(source)
	return function(db, keys, ...)
		local list = { sha, keys and #keys or 0 }
		if keys then
			table.move(keys, 1, #keys, 3, list)
		end
		local given = select("#", ...)
		table.move({ ... }, 1, given, #list + 1, list)
		list.n = 2 + (keys and #keys or 0) + given
		local binding = db[2].own:current()
		if not (binding and binding.queued) then
			local ok, result = pcall(db.evalsha, db, list)
			if ok then
				return result
			elseif not has_not_run(db, list, result, doubtful) then
				error(result, 0)
			end
		end
		list[1] = source
		return db:eval(list)
	end
end

return script
