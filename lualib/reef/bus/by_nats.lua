-- The bus over NATS (https://docs.nats.io/reference/reference-protocols/nats-protocol): one connection, to the first of
-- the servers that lets us in, and to the next when that is lost.

local driver = require "skynet.socketdriver"
local json = require "reef.json"
local now = require "reef.base.now"
local skynet = require "skynet"
local socket = require "reef.socket"

local TIMEOUT <const> = 500    -- cs, to connect and log in
local PAUSES <const> = { 5, 20, 50, 100, 200 } -- cs
local UNSENT <const> = 64 * 1024 -- KB that may wait to be sent
local LINE <const> = 64 * 1024

local M = {}

local hooks, servers
local heartbeat                 ---@type integer cs of silence until the server is asked for a sign of life
local id                        ---@type integer|nil the connection, once it is ready
local limit = 1 << 20           -- bytes of a message, as the server says
local sids, patterns, last_sid = {}, {}, 0 ---@type table<string, integer>, table<integer, string>, integer
local pongs = {}                ---@type fun(ok: boolean)[] who waits for an answer to his PING
local heard = 0
local unsent = 0
local why_away = "not connected yet"

---@param url string
local function parse(url)
	local list = {}
	local scheme, rest = url:match "^(%a+)://(.*)$"
	for item in rest:gmatch "[^,]+" do
		item = item:gsub("^%a+://", "")
		local login, address = item:match "^(.*)@(.*)$"
		address = address or item
		if not address:find ":%d+$" then
			address = address .. ":4222"
		end
		local user, password = (login or ""):match "^([^:]*):(.*)$"
		list[#list + 1] = {
			address = address, host = address:match "^%[?(.-)%]?:%d+$", tls = scheme == "tls", user = user,
			password = password, token = login and not user and login or nil,
		}
	end
	return list
end

-- ---- what is sent ----

local function subscribe(to, pattern)
	last_sid = last_sid + 1
	sids[pattern], patterns[last_sid] = last_sid, pattern
	socket.write(to, ("SUB %s%s %d\r\n"):format(hooks.prefix, pattern, last_sid))
end

function M.subscribe(pattern)
	if id then
		subscribe(id, pattern)
	end
end

function M.unsubscribe(pattern)
	local sid = sids[pattern]
	if sid then
		sids[pattern], patterns[sid] = nil, nil
		if id then
			socket.write(id, ("UNSUB %d\r\n"):format(sid))
		end
	end
end

---@return boolean|nil ok
---@return string|nil why
---@return string|nil outcome
function M.publish(name, header, bytes)
	local size = #header + #bytes
	if not id then
		return nil, why_away, "not sent"
	elseif size > limit then
		return nil, ("a message of %d bytes: the server takes %d"):format(size, limit), "not sent"
	elseif unsent > UNSENT then
		return nil, ("%d KB wait to be sent"):format(unsent), "not sent"
	end
	local ok = socket.write(id, { ("PUB %s%s %d\r\n"):format(hooks.prefix, name, size), header, bytes, "\r\n" })
	return ok, not ok and "the connection is closed" or nil, "not sent"
end

---@param seconds number
---@return boolean ok the server has answered a PING
---@return string|nil why
function M.flush(seconds)
	if not id then
		return false, why_away
	end
	local token, answer = {}, nil
	pongs[#pongs + 1] = function(ok)
		answer = ok
		skynet.wakeup(token)
	end
	socket.write(id, "PING\r\n")
	skynet.sleep(math.ceil(seconds * 100), token)
	return answer == true, answer == nil and "no answer in time" or why_away
end

function M.connected()
	return id ~= nil
end

-- ---- what comes ----

local reply = {}

function reply.PING(to)
	socket.write(to, "PONG\r\n")
end

function reply.PONG()
	local f = table.remove(pongs, 1)
	if f then
		f(true)
	end
end

function reply.MSG(to, line)
	local name, sid, size = line:match "^(%S+) (%d+) .-(%d+)$"
	if not name then
		name, sid, size = line:match "^(%S+) (%d+) (%d+)$"
	end
	size = math.tointeger(tonumber(size))
	if not size or size > 64 << 20 then
		return "it has sent a message without a size"
	end
	local text = socket.read(to, size + 2)
	if not text or text:sub(-2) ~= "\r\n" then
		return "the connection was lost in the middle of a message"
	end
	local pattern = patterns[math.tointeger(tonumber(sid))]
	if pattern then
		hooks.received(pattern, name:sub(#hooks.prefix + 1), text:sub(1, -3))
	end
end

reply["+OK"] = function() end

reply["-ERR"] = function(_, text)
	-- What concerns one subject is no end of the connection.
	if text:lower():find "permissions violation" then
		return skynet.error("bus: nats: " .. text)
	end
	return text
end

function reply.INFO(_, text)
	local info = json.decode(text)
	if info and math.type(info.max_payload) == "integer" then
		limit = info.max_payload
	end
end

-- Answers one line; a reason when the connection has to end.
local function read_line(from)
	local line, rest = socket.readline(from, "\r\n")
	if not line then
		return "the connection was lost" .. (#(rest or "") > 0 and " in the middle of a line" or "")
	end
	heard = now()
	local word, text = line:match "^(%S+)%s*(.-)%s*$"
	local f = reply[(word or ""):upper()]
	if not f or #line > LINE then
		return ("it has sent the unknown word %q"):format((word or ""):sub(1, 40))
	end
	return f(from, text)
end

-- ---- connections ----

local function log_in(to, server)
	local line = socket.readline(to, "\r\n")
	local text = line and line:match "^INFO%s+(.*)$"
	local info = text and json.decode(text)
	if not info then
		return "it does not speak as NATS does"
	end
	limit = math.type(info.max_payload) == "integer" and info.max_payload or limit
	if server.tls or info.tls_required then
		local ok, err = require("reef.tls").upgrade(to, server.host, hooks.tls)
		if not ok then
			return err
		end
	end
	socket.write(to, ("CONNECT %s\r\nPING\r\n"):format(json.encode {
		verbose = false, pedantic = false, echo = false, lang = "reef", version = "1", protocol = 1, user = server.user,
		pass = server.password, auth_token = server.token, tls_required = server.tls or nil,
	}))
	local ready, why = false, nil
	local first = function()
		ready = true
	end
	pongs = { first }
	while not ready and not why do
		why = read_line(to)
	end
	return why
end

local function connect(server)
	local to, err = socket.open(server.address, nil, { timeout = TIMEOUT })
	if not to then
		return nil, err
	end
	driver.nodelay(to)
	local done = false
	skynet.timeout(TIMEOUT, function()
		if not done then
			socket.shutdown(to)
		end
	end)
	local why = log_in(to, server)
	done = true
	if why then
		socket.shutdown(to)
		socket.close(to)
		return nil, why
	end
	return to
end

-- Silence is asked about; silence on that is the end.
local function watch(of)
	local asked = false
	while id == of do
		skynet.sleep(heartbeat // 2)
		local silent = now() - heard
		if id ~= of then
			return
		elseif silent * 100 < heartbeat then
			asked = false
		elseif asked and silent * 100 >= 2 * heartbeat then
			why_away = ("no sign of life for %.3g s"):format(silent)
			return socket.shutdown(of)
		elseif not asked then
			asked = true
			pongs[#pongs + 1] = function() end
			socket.write(of, "PING\r\n")
		end
	end
end

local function serve(to)
	socket.warning(to, function(_, kb)
		unsent = kb
	end)
	sids, patterns, unsent, heard = {}, {}, 0, now()
	for _, pattern in ipairs(hooks.patterns()) do
		subscribe(to, pattern)
	end
	id, why_away = to, "the connection was lost"
	skynet.fork(watch, to)
	local why
	repeat
		why = read_line(to)
	until why
	id = nil
	if why ~= "the connection was lost" then
		why_away = why
	end
	local waiting = pongs
	pongs = {}
	for _, f in ipairs(waiting) do
		f(false)
	end
	socket.shutdown(to)
	socket.close(to)
end

local function run(started)
	local failures, at, said = 0, 1, nil
	while true do
		local server = servers[at]
		local ok, to, err = pcall(connect, server)
		if ok and to then
			failures, said = 0, nil
			skynet.error(("bus: connected to nats at %s"):format(server.address))
			skynet.wakeup(started)
			ok, err = pcall(serve, to)
			id = nil
			skynet.error(("bus: nats at %s is lost: %s"):format(server.address, ok and why_away or tostring(err)))
		else
			why_away = ok and tostring(err) or tostring(to)
			failures = failures + 1
			if said ~= why_away then
				said = why_away
				skynet.error(("bus: cannot connect to nats at %s: %s"):format(server.address, why_away))
			end
			skynet.wakeup(started)
			skynet.sleep(PAUSES[math.min(failures, #PAUSES)])
		end
		at = at % #servers + 1
	end
end

---@param url string
---@param what {received: function, prefix: string, tls: table, patterns: fun(): string[]}
function M.start(url, what)
	hooks, servers = what, parse(url)
	heartbeat = math.tointeger(tonumber(skynet.getenv "bus_heartbeat" or 500))
	if not heartbeat or heartbeat < 2 then
		error(("bus_heartbeat = %s: hundredths of a second are needed"):format(skynet.getenv "bus_heartbeat"), 0)
	end
	local started = {}
	skynet.fork(run, started)
	skynet.sleep(TIMEOUT, started)
end

return M
