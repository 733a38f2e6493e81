-- How a pool's service talks to a Redis server by itself: the login and the health check.
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

---@param ask fun(bytes: string): string|nil, string|nil
---@param conf table  username, auth, db, name, resp
---@return "auth"|"connect"|nil code, string|nil why  nothing when all went well
function server.login(ask, conf)
	local function command(...)
		local reply, why = ask(encode(...))
		if not reply then
			return why, true
		end
		return reply:match "^%-(.-)\r\n"
	end
	local err, broken
	if conf.resp == 3 then
		if conf.auth then
			err, broken = command("HELLO", 3, "AUTH", conf.username or "default", conf.auth)
		else
			err, broken = command("HELLO", 3)
		end
	end
	-- A server that does not know HELLO or the protocol, or forbids it, has to be talked to in RESP2.
	local unknown = err and not broken
		and (err:find "^NOPROTO" or err:find "^NOPERM.*'hello" or err:find "unknown command")
	if conf.auth and (conf.resp ~= 3 or unknown) then
		if conf.username then
			err, broken = command("AUTH", conf.username, conf.auth)
		else
			err, broken = command("AUTH", conf.auth)
		end
	elseif unknown then
		err = nil
	end
	if not err and conf.db then
		err, broken = command("SELECT", conf.db)
	end
	if not err and conf.name then
		err, broken = command("CLIENT", "SETNAME", conf.name)
	end
	-- A frozen server's kernel accepts connections: something has to be answered.
	if not err then
		err, broken = command "PING"
	end
	if err then
		-- One that loads its data, or has lost its master, will be back.
		return (broken or err:find "^LOADING" or err:find "^MASTERDOWN") and "connect" or "auth", err
	end
end

return server
