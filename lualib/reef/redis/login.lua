-- What a Redis server is told first on every connection, and what becomes of its answers. For connections of a
-- service's own and for those of pools.
local login = {}

-- Servers before 7.2 do not know it, and not every user may say it: that is of no matter.
local LIBRARY = { "CLIENT", "SETINFO", "LIB-NAME", "reef" }

-- User and password: those of the configuration, or what its function says at this moment.
local function credentials(conf)
	local source = conf.credentials
	if not source then
		return conf.username, conf.auth
	elseif type(source) == "string" then
		source = require(source)
	end
	local username, auth = source()
	if auth == nil then
		username, auth = nil, username
	end
	if type(auth) ~= "string" then
		error("credentials have to be a user and a password, or a password alone", 0)
	end
	return username, auth
end

-- The commands, and whether the last of them is a PING that only wants to be answered.
local function commands(conf, resp, username, auth)
	local list = {}
	if resp == 3 then
		local hello = { "HELLO", 3 }
		if auth then
			table.move({ "AUTH", username or "default", auth }, 1, 3, #hello + 1, hello)
		end
		if conf.name then
			table.move({ "SETNAME", conf.name }, 1, 2, #hello + 1, hello)
		end
		list[1] = hello
	elseif auth then
		list[1] = username and { "AUTH", username, auth } or { "AUTH", auth }
	end
	if conf.db then
		list[#list + 1] = { "SELECT", conf.db }
	end
	if conf.name and resp == 2 then
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
	if conf.info then
		list[#list + 1] = LIBRARY
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
---@param conf table  username, auth, credentials, db, name, resp, setup, info
---@return 2|3|nil resp                the protocol that is spoken now
---@return "auth"|"connect"|nil code   or what went wrong
---@return string|nil why
function login.run(ask, conf)
	local known, username, auth = pcall(credentials, conf)
	if not known then
		return nil, "auth", tostring(username)
	end
	for resp = conf.resp, 2, -1 do
		local list, ping = commands(conf, resp, username, auth)
		local answers, lost = ask(list)
		if resp == 3 and answers[1] and lacks_hello(answers[1]) and not lost then
			goto without
		end
		for i = 1, #list do
			local err = answers[i]
			if err and list[i] ~= LIBRARY and not (ping and is_about_ping(err)) then
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
