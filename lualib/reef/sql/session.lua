-- One connection to an SQL server, used by one coroutine at a time: the others wait in the order in which they came.
-- It is made when it is needed, also after a loss, and nothing is ever sent twice.
--
-- What speaks to the server is in C, around a library, and says what it waits for (drivers/mysql, drivers/postgres).
-- Each of its operations returns
--     "r", "w" or "rw"          wait for the descriptor, then core:go(ready); core:go() when it is too late
--     nil, result, ...          it is over
--     nil, nil, why, number     the connection is lost
local now = require "reef.base.now"
local errors = require "reef.channel.error"
local fd = require "reef.fd"
local skynet = require "skynet"

local running, wait = coroutine.running, fd.wait

local FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2
local FRESH = 0.005 -- seconds after an answer within which a connection is taken for alive
local FOREVER <const> = 1e7 -- seconds from which on a time-out is none
local OVERLOAD = 1 << 20 -- bytes of statements that wait

---@class reef.sql.protocol
---@field name string                 "mysql"
---@field target fun(conf: table): table   what `new` takes
---@field new fun(target: table): userdata     a connection in C that is not connected
---@field refused fun(number: any, why: string): boolean  has the server answered the login, and said no?
---@field begin string                the statement that begins a transaction
---@field kill fun(id: integer): string  the statement that ends another connection, and what runs there
---@field rejection fun(result: table): any  an error for what the server has refused
---@field farewell fun(result: table): boolean  has the server ended the connection with these words?

---@class reef.sql.session
---@field conf table             host (for messages), timeout, connect_timeout, on_connect, overload
---@field protocol reef.sql.protocol
---@field core userdata|nil
---@field holder thread|nil      whose turn it is
---@field waiting table[]        who comes next
---@field generation integer     of the connection
---@field ended boolean|nil
local session = {}
session.__index = session

local function pass_on(self)
	self.holder = nil
	while self.first <= self.last do
		local next_one = self.waiting[self.first]
		self.waiting[self.first] = nil
		self.first = self.first + 1
		if not next_one.gone then
			self.holder = next_one.thread
			next_one.ready = true
			skynet.wakeup(next_one)
			return
		end
	end
	self.first, self.last = 1, 0
end

local turn = { __close = function(held)
	local self = held[1]
	self.depth = self.depth - 1
	if self.depth > 0 then
		return
	elseif self.last > 0 then
		pass_on(self)
	else
		self.holder = nil
	end
end }

local guard_meta = { __close = function(guard)
	-- Whoever was waiting is gone: nobody knows what the server will say next.
	if guard.busy then
		guard.busy = false
		if not guard.core:idle() then
			guard.session:close()
		end
	end
end }

---@param protocol reef.sql.protocol
---@param conf table
---@return reef.sql.session
function session.new(protocol, conf)
	local self = setmetatable({
		protocol = protocol, conf = conf, waiting = {}, first = 1, last = 0, bytes = 0, depth = 0, generation = 0,
		failures = 0, not_before = 0, used = 0, where = protocol.name .. " " .. conf.where,
	}, session)
	self.turn = setmetatable({ self }, turn)
	self.guard = setmetatable({ session = self, busy = false }, guard_meta)
	return self
end

---An error of this connection.
---@param code string
---@param outcome string
---@param command string
---@param why string
---@param since number|nil
function session:error(code, outcome, command, why, since)
	return errors.new({
		code = code, outcome = outcome, host = self.where, command = command, waited = since and now() - since,
		in_flight = self.last - self.first + 1,
	}, why)
end

-- ---- whose turn it is ----

local function count_bytes(self, n)
	local before = self.bytes
	self.bytes = before + n
	local told = self.conf.overload
	if told and n > 0 and before < OVERLOAD and self.bytes >= OVERLOAD then
		self.overloaded = true
		skynet.fork(told, true)
	elseif told and self.overloaded and self.bytes == 0 then
		self.overloaded = false
		skynet.fork(told, false)
	end
end

---Waits for its turn. What it returns is a variable to be closed. Within its turn a coroutine need not wait again.
---@param command string  for errors
---@param deadline number
---@param size integer|nil bytes that are kept meanwhile
function session:enter(command, deadline, size)
	local me = running()
	if self.holder == me then
		self.depth = self.depth + 1
	elseif not self.holder then
		self.holder, self.depth = me, 1
	else
		local entry, since = { thread = me }, now()
		self.last = self.last + 1
		self.waiting[self.last] = entry
		count_bytes(self, size or 0)
		local _ <close> = setmetatable({}, { __close = function()
			count_bytes(self, -(size or 0))
			if entry.taken then
				return
			elseif entry.ready then
				pass_on(self)
			else
				entry.gone = true
			end
		end })
		if deadline == math.huge then
			skynet.wait(entry)
		else
			skynet.sleep(math.max(0, math.ceil((deadline - now()) * 100)), entry)
		end
		if not entry.ready then
			error(self:error("timeout", "not sent", command, "others' statements took too long", since), 0)
		end
		entry.taken = true
		self.depth = 1
	end
	return self.turn
end

-- ---- operations ----

---Closes the connection; the next statement makes another.
function session:close()
	local core = self.core
	self.core = nil
	if core then
		core:close()
	end
end

local LONGEST_WAIT <const> = 1e9 -- cs

-- Goes on with an operation to its end: nil, or why it could not wait any longer ("timeout"), and its results.
local function drive(core, deadline, time, events)
	local failed, ready, result, why, number
	repeat
		if not failed then
			local left = deadline < LONGEST_WAIT and (deadline - time) * 100 or LONGEST_WAIT
			ready, failed = wait(core:fd(), events, left > 0 and left or 0)
		end
		events, result, why, number = core:go(ready)
		time = events and now()
	until not events
	return failed, result, why, number
end

-- The server goes on with what nobody waits for: tell it, by a connection of its own.
local function forget(self, id)
	local statement = self.protocol.kill(id)
	if self.killing or self.conf.cancel == false then
		return
	end
	self.killing = true
	skynet.fork(function()
		local other = session.new(self.protocol, setmetatable({ on_connect = false, overload = false, cancel = false },
			{ __index = self.conf }))
		pcall(other.use, other, "cancel", 0, self.conf.connect_timeout, function(_, deadline)
			other:run("cancel", deadline, "query", statement)
		end)
		other:disconnect()
		self.killing = nil
	end)
end

-- An operation has ended the connection.
local function lost(self, command, since, failed, why, number)
	self:close()
	if failed == "timeout" then
		if self.info then
			forget(self, self.info.id)
		end
		error(self:error("timeout", "maybe applied", command, "no answer in time", since), 0)
	end
	local err = self:error("closed", "maybe applied", command, tostring(why or failed or "the connection was lost"), since)
	err.number = number
	error(err, 0)
end

---Runs an operation on the connection that there is, within the caller's turn. Raises when the connection is lost by
---it, or the deadline passes, which ends the connection, too.
---@param command string
---@param deadline number
---@param method string  of the core
---@param ... any        its arguments
---@return any result
---@return any more
function session:run(command, deadline, method, ...)
	local core = self.core
	if not core then
		error(self:error("closed", "not sent", command, "the connection was lost"), 0)
	end
	local guard <close> = self.guard
	guard.busy, guard.core = true, core
	local since, failed = now(), nil
	local events, result, more, number = core[method](core, ...)
	if events then
		failed, result, more, number = drive(core, deadline, since, events)
	end
	guard.busy = false
	if result == nil then
		lost(self, command, since, failed, more, number)
	elseif result.badresult and self.protocol.farewell(result) then
		self:close()
	end
	self.used = now()
	return result, more
end

---Waits within the caller's turn for what the server says by itself; nil: it has not said anything by then.
---@param deadline number
---@return any|nil
function session:hear(deadline)
	local core = self.core
	if not core then
		error(self:error("closed", "not sent", "listen", "the connection was lost"), 0)
	end
	local guard <close> = self.guard
	guard.busy, guard.core = true, core
	local events, result, why = core:listen()
	while events do
		local left = deadline == math.huge and 1e9 or math.max(0, (deadline - now()) * 100)
		local ready = wait(core:fd(), events, left)
		if self.core ~= core then
			error(self:error("closed", "not sent", "listen", "it was disconnected"), 0)
		elseif not ready then
			core:unlisten()
			guard.busy = false
			return nil
		end
		events, result, why = core:go(ready)
	end
	guard.busy = false
	return result or lost(self, "listen", now(), nil, why)
end

-- A statement that the server has to agree to.
local function demand(self, command, deadline)
	local result = self:run(command, deadline, "query", command)
	if result.badresult and command == "COMMIT" and self.protocol.farewell(result) then
		error(self:error("closed", "maybe applied", command, result.err), 0)
	elseif result.badresult then
		error(self.protocol.rejection(result), 0)
	elseif command == "COMMIT" and result.command == "ROLLBACK" then
		-- PostgreSQL says so when a statement before has failed.
		error(errors.new { code = "rollback", outcome = "rejected", host = self.where, command = command,
			message = "the transaction was rolled back, since one of its statements has failed" }, 0)
	end
end

-- ---- connecting ----

-- Why it failed, and whether it was the server who said so; nil: it did not.
local function attempt(self, deadline)
	local core = self.protocol.new(self.protocol.target(self.conf))
	local failed
	local events, result, why, number = core:connect()
	if events then
		failed, result, why, number = drive(core, deadline, now(), events)
	end
	if result then
		self.core, self.info = core, core:info()
		return nil
	end
	core:close()
	if failed == "timeout" then
		return "no answer in time", false
	end
	why = tostring(why or failed)
	return why, self.protocol.refused(number, why)
end

local function fail(self, code, command, why, since)
	self.failures = self.failures + 1
	self.not_before = now() + math.min(FIRST_PAUSE * 2 ^ self.failures, LONGEST_PAUSE) * (0.5 + math.random())
	return error(self:error(code, "not sent", command, why, since), 0)
end

---Makes sure that there is a connection, within the caller's turn.
---@param command string
---@param deadline number
function session:open(command, deadline)
	if self.core then
		if self.connecting or now() - self.used < FRESH or self.core:alive() then
			return
		end
		self:close()
	end
	if self.ended then
		error(self:error("closed", "not sent", command, "it was disconnected"), 0)
	elseif self.connecting then
		error(self:error("closed", "not sent", command, "the connection was lost while it was being made"), 0)
	end
	local since = now()
	if self.not_before > since then
		if self.not_before > deadline then
			error(self:error("connect", "not sent", command, "the last attempt failed just now", since), 0)
		end
		skynet.sleep(math.ceil((self.not_before - since) * 100))
	end
	local limit = math.min(deadline, self:deadline(self.conf.connect_timeout))
	self.connecting = true
	local _ <close> = setmetatable({}, { __close = function()
		self.connecting = false
	end })
	local why, answered = attempt(self, limit)
	if why then
		fail(self, answered and "auth" or "connect", command, why, since)
	end
	if self.ended then
		self:close()
		error(self:error("closed", "not sent", command, "it was disconnected"), 0)
	end
	self.generation = self.generation + 1
	local ok, err = pcall(function()
		if self.conf.init then
			demand(self, self.conf.init, limit)
		end
		if self.conf.on_connect then
			self.conf.on_connect(self.db)
		end
	end)
	if not ok then
		self:close()
		fail(self, "connect", command, "what is done first: " .. tostring(err), since)
	end
	self.failures, self.not_before = 0, 0
end

---The time by which something has to be over that begins now.
---@param seconds number|nil  nil: as configured; 0: for ever
---@return number
function session:deadline(seconds)
	seconds = seconds or self.conf.timeout
	return seconds > 0 and seconds < FOREVER and now() + seconds or math.huge
end

---Waits for its turn and for the connection, and then runs f(session, deadline, ...).
---@param command string
---@param size integer|nil  bytes of the statement
---@param seconds number|nil
---@param f function
---@return any results of f
function session:use(command, size, seconds, f, ...)
	local time = now()
	seconds = seconds or self.conf.timeout
	local deadline = seconds > 0 and seconds < FOREVER and time + seconds or math.huge
	local fresh = false
	if not self.holder then
		-- Right after an answer there is no need to look.
		self.holder, self.depth = running(), 1
		fresh = self.core and time - self.used < FRESH
	else
		self:enter(command, deadline, size)
	end
	local _ <close> = self.turn
	if fresh then
		return f(self, deadline, ...)
	elseif not self.pinned then
		self:open(command, deadline)
	elseif self.core ~= self.pinned then
		error(self:error("closed", "not sent", command, "the connection of this transaction was lost"), 0)
	end
	return f(self, deadline, ...)
end

---Begins a transaction, within the caller's turn: until its end the connection is not made anew.
---@param seconds number|nil
function session:begin(seconds)
	local command, deadline = self.protocol.begin, self:deadline(seconds)
	if self.pinned then
		error(self.protocol.name .. ": a transaction within a transaction", 0)
	end
	self:open(command, deadline)
	local ok, why = pcall(demand, self, command, deadline)
	if not ok then
		error(self:as_unapplied(why), 0)
	end
	self.pinned = self.core
end

---Commits it. An error whose outcome is "maybe applied" says that nobody knows; after any other nothing is applied.
---@param seconds number|nil
function session:commit(seconds)
	local core = self.pinned
	self.pinned = nil
	if self.core ~= core then
		error(self:error("closed", "not sent", "COMMIT",
			"the connection was lost; nothing of the transaction is applied"), 0)
	end
	local ok, why = pcall(demand, self, "COMMIT", self:deadline(seconds))
	if not ok then
		self:close()
		error(why, 0)
	end
end

---Takes it back, by ending the connection if need be. Does not raise.
---@param seconds number|nil
function session:rollback(seconds)
	local core = self.pinned
	self.pinned = nil
	if core and self.core == core and not (core:idle() and pcall(demand, self, "ROLLBACK", self:deadline(seconds))) then
		self:close()
	end
end

---Runs f(...) in a transaction, in one turn of the calling coroutine; when it raises, all is rolled back, and the
---error is raised again. An error with the outcome "not sent" says that nothing of it has been applied; one of the
---COMMIT with "maybe applied" that nobody knows.
---@param seconds number|nil  for each statement of its own
---@param f function
---@return any results of f
function session:transaction(seconds, f, ...)
	local _ <close> = self:enter(self.protocol.begin, self:deadline(seconds))
	self:begin(seconds)
	-- A coroutine that ends in between leaves nothing open.
	local open <close> = setmetatable({ true }, { __close = function(open)
		if open[1] then
			self.pinned = nil
			self:close()
		end
	end })
	local results = table.pack(pcall(f, ...))
	if results[1] then
		open[1] = false
		self:commit(seconds)
		return table.unpack(results, 2, results.n)
	end
	self:rollback(seconds)
	open[1] = false
	error(self:as_unapplied(results[2]), 0)
end

---The same error, when what it is about belongs to a transaction that was not committed.
function session:as_unapplied(err)
	if errors.is(err) and err.outcome == "maybe applied" then
		return self:error(err.code, "not sent", err.command or "transaction",
			err.message .. "; nothing of the transaction is applied")
	end
	return err
end

---Ends it for good. What waits fails.
function session:disconnect()
	self.ended = true
	self:close()
end

return session
