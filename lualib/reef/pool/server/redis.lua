-- How a pool's service talks to a Redis server by itself: the login and the health check.
local config = require "reef.redis.config"
local logging_in = require "reef.redis.login"
local useless = require "reef.redis.useless"

local server = {}

local function encode(...)
	local list = { "*" .. select("#", ...) .. "\r\n" }
	for i = 1, select("#", ...) do
		local word = tostring((select(i, ...)))
		list[#list + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
	end
	return table.concat(list)
end

server.ping = encode "PING"

-- What the server says no with; nil: it does not. Or nil, and why there is no answer.
local function ask_one(ask, command)
	local reply, why = ask(encode(table.unpack(command)))
	if not reply then
		return nil, why
	end
	return reply:match "^%-(.-)\r\n"
end

-- Who may not ask has to try.
local function is_master(ask)
	local reply = ask(encode "ROLE")
	return reply ~= nil and (reply:find "\r\nmaster\r\n" ~= nil or reply:find "^%-NOPERM" ~= nil)
end

---@param ask fun(bytes: string): string|nil, string|nil
---@param conf table  username, auth, db, name, resp
---@return "auth"|"connect"|nil code, string|nil why  nothing when all went well
function server.login(ask, conf)
	local _, code, why = logging_in.run(function(commands)
		local answers = {}
		for i, command in ipairs(commands) do
			local err, lost = ask_one(ask, command)
			answers[i] = err or false
			if err or lost then
				return answers, lost
			end
		end
		return answers
	end, conf)
	if not code and conf.role == "master" and not is_master(ask) then
		return "connect", "it is a master no more, or not yet"
	end
	return code, why
end

---Is a server that has let us in a better one than those of which there was that error?
---@param ask fun(bytes: string): string|nil, string|nil
---@param code string
---@return boolean
function server.is_better(ask, code)
	return useless[code] ~= "master" or is_master(ask)
end

---Where to connect is what Sentinels say; when they tell of another master, all connections are made anew.
---@param target table  sentinels, master ...
---@param hooks { clear: fun() }
function server.watch(target, hooks)
	if target.sentinels then
		local sentinel = require("reef.redis.sentinel").new(target, hooks.clear)
		server.patient = true
		function server.resolve(_, seconds)
			return sentinel:resolve(seconds)
		end
		function server.arrived(host, port)
			server.at = config.where(host, port)
		end
	end
end

return server
