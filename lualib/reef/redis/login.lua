-- What a Redis server is told first on every connection, and what becomes of its answers. For connections of a
-- service's own and for those of pools.
local login = {}

-- The commands, and whether the last of them is a PING that only wants to be answered.
local function commands(conf, resp)
	local list = {}
	if resp == 3 then
		local hello = { "HELLO", 3 }
		if conf.auth then
			table.move({ "AUTH", conf.username or "default", conf.auth }, 1, 3, 3, hello)
		end
		list[1] = hello
	elseif conf.auth then
		list[1] = conf.username and { "AUTH", conf.username, conf.auth } or { "AUTH", conf.auth }
	end
	if conf.db then
		list[#list + 1] = { "SELECT", conf.db }
	end
	if conf.name then
		list[#list + 1] = { "CLIENT", "SETNAME", conf.name }
	end
	-- What the user has changed since.
	for _, command in pairs(conf.setup or {}) do
		list[#list + 1] = command
	end
	-- Something has to be answered in any case: a frozen server's kernel accepts connections, one with too many clients
	-- says so only when it has accepted, and with TLS 1.3 one that refuses our certificate after its handshake.
	local ping = #list == 0
	if ping then
		list[1] = { "PING" }
	end
	return list, ping
end

-- HELLO is answered so by a server that does not know it or the protocol, or does not allow it: then it has to be
-- RESP2.
local function lacks_hello(err)
	return err:find "^NOPROTO" or err:find "^NOPERM.*'hello" or err:find "unknown command"
end

-- Not about us: this user, or this server for the moment, can do other things than PING.
local function is_about_ping(err)
	return err:find "^NOPERM" or err:find "^BUSY" or err:find "^MISCONF" or err:find "unknown command"
end

-- What the server may think of otherwise in a while. All else is about who we are and what we want.
local passing = { LOADING = true, MASTERDOWN = true, BUSY = true, MISCONF = true, DENIED = true, CLUSTERDOWN = true }

local function code_of(err)
	return (passing[err:match "^%S+"] or err:find "max number of clients") and "connect" or "auth"
end

---@param ask fun(commands: any[][]): table, string|nil  the errors among the answers by number of the command, as far
---                                   as there were answers (false: none); and why there are no more
---@param conf table  username, auth, db, name, resp, setup
---@return 2|3|nil resp                the protocol that is spoken now
---@return "auth"|"connect"|nil code   or what went wrong
---@return string|nil why
function login.run(ask, conf)
	for resp = conf.resp, 2, -1 do
		local list, ping = commands(conf, resp)
		local answers, lost = ask(list)
		if resp == 3 and answers[1] and lacks_hello(answers[1]) and not lost then
			goto without
		end
		for i = 1, #list do
			local err = answers[i]
			if err and not (ping and is_about_ping(err)) then
				return nil, code_of(err), err
			end
		end
		if lost then
			return nil, "connect", lost
		end
		do
			return resp
		end
		::without::
	end
end

return login
