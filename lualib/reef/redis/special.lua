-- Commands that something has to be seen to for, before they are sent or after their reply; see reef.redis.commands.
--
-- What may block or begins a transaction goes to a connection of its own (reef.redis.own). What changes its
-- connection is remembered for those that follow, or spoils one of one's own. See drivers/redis/special.h.
local core = require "reef.redis.core"
local owned = require "reef.redis.owned"

local special = {}

local function argument(i, ...)
	local first = ...
	if type(first) == "table" and select("#", ...) == 1 then
		return first[i < 0 and (first.n or #first) + 1 + i or i]
	end
	return (select(i, ...))
end

local function block_option(...)
	local list = { ... }
	if type(list[1]) == "table" and #list == 1 then
		list = list[1]
	end
	for i = 1, list.n or #list do
		local word = tostring(list[i]):upper()
		if word == "BLOCK" then
			return (tonumber(list[i + 1]) or 0) / 1000
		elseif word == "STREAMS" then
			return nil
		end
	end
end

-- How long the server may take, in seconds; 0: for ever; nil: not at all.
local server_waits = {
	BLMPOP = function(...) return tonumber(argument(1, ...)) or 0 end,
	BZMPOP = function(...) return tonumber(argument(1, ...)) or 0 end,
	WAIT = function(...) return (tonumber(argument(2, ...)) or 0) / 1000 end,
	WAITAOF = function(...) return (tonumber(argument(3, ...)) or 0) / 1000 end,
	XREAD = block_option,
	XREADGROUP = block_option,
}

local function last_argument(...)
	return select("#", ...) > 0 and tonumber(argument(-1, ...)) or 0
end

local function blocking(command, raw)
	local wait = server_waits[command] or last_argument
	local ping = command:find "^WAIT" and core.command "PING"
	return function(db, ...)
		local server = wait(...)
		local mine = db[2].own
		if server == nil or mine:current() then
			return raw(db, ...)
		end
		-- The time-out of the call, if it has one of its own; else what the server may take and the usual on top.
		local seconds = db[3]
		if not seconds then
			seconds = server > 0 and db[2].conf.timeout > 0 and server + db[2].conf.timeout or 0
		end
		local lease <close> = mine:lease(db, seconds)
		if ping then
			-- WAIT is about what its own connection has seen: after any command that is everything before.
			ping(lease.db)
		end
		local reply = raw(lease.db, ...)
		lease.done = true
		return reply
	end
end

local function begins(raw, command)
	return function(db, ...)
		local mine = db[2].own
		-- A beginning that fails began nothing.
		local failing <close> = mine:ending(mine:current() ~= nil)
		local binding = mine:bind(db)
		local reply = raw(db, ...)
		if command == "MULTI" then
			binding.queued = {}
		end
		failing.keep = true
		return reply
	end
end

local function finishes(raw)
	return function(db, ...)
		local mine = db[2].own
		local binding = mine:current()
		if not binding then
			return raw(db, ...)
		end
		local over <close> = mine:ending(false, binding.queued)
		binding.queued = nil
		local reply = raw(db, ...)
		over.done = true
		return reply
	end
end

local function list_of(...)
	local first = ...
	if type(first) == "table" and select("#", ...) == 1 then
		return table.pack(table.unpack(first, 1, first.n or #first))
	end
	return table.pack(...)
end

-- What has changed the shared connection, and every later one has to do as well.
local remember = {
	SELECT = function(conf, list)
		conf.db = math.tointeger(tonumber(list[1]))
	end,
	AUTH = function(conf, list)
		conf.username, conf.auth = list[2] and list[1], list[2] or list[1]
	end,
	["CLIENT SETNAME"] = function(conf, list)
		conf.name = list[2] ~= "" and list[2] or nil
	end,
}

-- Commands that change a connection. `command` with the subcommand, if it has one.
local function changes(db, raw, command, ...)
	local client = db[2]
	if owned.spoil(client) then
		return raw(db, ...)
	elseif client.changing then
		client:changing(command)
	end
	local reply = raw(db, ...)
	local list, known = list_of(...), remember[command]
	if known then
		known(client.conf, list)
	else
		client.conf.setup = client.conf.setup or {}
		list = { command:match "^%S+", table.unpack(list, 1, list.n) }
		client.conf.setup[command == "READWRITE" and "READONLY" or command] = list
	end
	owned.forget(client)
	return reply
end

local function refuse_once(db, raw, command, ...)
	if not owned.spoil(db[2]) then
		error(("redis: %s is about the next command, whoever sends that (nothing was sent); put both into a pipeline")
			:format(command))
	end
	return raw(db, ...)
end

local function refuse_stream(command)
	error(string.format("redis: %s would change a connection that is shared (nothing was sent); use %s", command,
		command:find "SUBSCRIBE" and "redis.watch" or command == "QUIT" and "db:disconnect()"
		or command == "HELLO" and "the option resp" or "a connection of your own"))
end

-- What is in no list may change the connection: one of one's own is not used again then.
local function doubtful(raw)
	return function(db, ...)
		owned.spoil(db[2])
		return raw(db, ...)
	end
end

-- CLIENT and SCRIPT: their first argument decides.
local function container(raw, command)
	return function(db, ...)
		local word = tostring(argument(1, ...)):upper()
		local what, whole = core.classify(command, word), command .. " " .. word
		if what == "stream" then
			refuse_stream(whole)
		elseif what == "state" then
			if word == "SETINFO" then
				whole = whole .. " " .. tostring(argument(2, ...)):upper()
			end
			return changes(db, raw, whole, ...)
		elseif what == "once" then
			return refuse_once(db, raw, whole, ...)
		elseif not core.harmless(command, word) then
			owned.spoil(db[2])
		end
		return raw(db, ...)
	end
end

local function changing(raw, command)
	return function(db, ...)
		return changes(db, raw, command, ...)
	end
end

local wrappers = {
	blocking = function(raw, command) return blocking(command, raw) end,
	["maybe block"] = function(raw, command) return blocking(command, raw) end,
	watch = begins,
	exec = finishes,
	discard = finishes,
	multi = begins,
	unwatch = function(raw)
		local finish = finishes(raw)
		return function(db, ...)
			local binding = owned.current(db[2])
			if binding and binding.queued then
				return raw(db, ...)
			end
			return finish(db, ...)
		end
	end,
	stream = function(_, command)
		return function()
			refuse_stream(command)
		end
	end,
	once = function(raw, command)
		return function(db, ...)
			return refuse_once(db, raw, command, ...)
		end
	end,
	select = changing,
	auth = changing,
	state = changing,
	container = container,
	ordinary = doubtful,
}

---Does what may block, on a connection of its own if it does.
---@param command string  in capitals
---@param raw fun(db: table, ...): any
---@return fun(db: table, ...): any
special.blocking = blocking

---The method of a command.
---@param what string     its class
---@param raw fun(db: table, ...): any  sends it as it is
---@param command string  in capitals
---@return fun(db: table, ...): any
function special.method(what, raw, command)
	return wrappers[what](raw, command)
end

return special
