-- One connection to an SQL server, used by one coroutine at a time: the others wait in the order in which they came.
-- It is made when it is needed, also after a loss, and nothing is ever sent twice.
--
-- What speaks to the server is in C, around a library (drivers/mysql, drivers/postgres). Whose turn it is, the waits
-- and their deadlines are in C, too (drivers/sql): a statement on a connection that was alive just now needs nothing
-- of this file. Here is what happens before and after: connecting, errors and their outcomes, transactions.
local now = require "reef.base.now"
local errors = require "reef.channel.error"
local skynet = require "skynet"
local turns = require "reef.sql.core"

local FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2
local FOREVER <const> = 1e7 -- seconds from which on a time-out is none

---Internal.
---@class reef.sql.protocol
---@field name string                 "mysql"
---@field target fun(conf: table): table   what `new` takes
---@field new fun(target: table): userdata     a connection in C that is not connected
---@field operations table<string, userdata>  what it can do, by name
---@field refused fun(number: any, why: string): boolean  has the server answered the login, and said no?
---@field begin string                the statement that begins a transaction
---@field kill fun(id: integer): string  the statement that ends another connection, and what runs there
---@field rejection fun(result: table): any  an error for what the server has refused
---@field farewell fun(result: table): boolean  has the server ended the connection with these words?

---Internal.
---@class reef.sql.session
---@field conf table             host (for messages), timeout, connect_timeout, on_connect, overload
---@field protocol reef.sql.protocol
---@field core userdata|nil
---@field turn userdata       whose turn it is
---@field operations table<string, userdata>
---@field generation integer     of the connection: no other one in this VM has the same
---@field ended boolean|nil
local session = {}
session.__index = session

local last_generation = 0

---@param protocol reef.sql.protocol
---@param conf table
---@return reef.sql.session
function session.new(protocol, conf)
	local self = setmetatable({
		protocol = protocol, operations = protocol.operations, conf = conf, generation = 0, failures = 0, not_before = 0,
		where = protocol.name .. " " .. conf.where,
	}, session)
	local told = conf.overload
	self.turn = turns.new(self, told and function(on)
		skynet.fork(told, on)
	end)
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
		in_flight = self.turn:waiting(),
	}, why)
end

-- ---- whose turn it is ----

---The turn has not come in time.
---@param command string
---@param since number
function session:late(command, since)
	error(self:error("timeout", "not sent", command, "others' statements took too long", since), 0)
end

---Waits for its turn. What it returns is a variable to be closed. Within its turn a coroutine need not wait again.
---@param command string  for errors
---@param deadline number
---@param size integer|nil bytes that are kept meanwhile
function session:enter(command, deadline, size)
	local turn = self.turn
	local came, since = turn:enter(deadline, size or 0)
	if not came then
		self:late(command, since)
	end
	return turn
end

-- ---- operations ----

---Closes the connection; the next statement makes another.
function session:close()
	local core = self.core
	self.core = nil
	self.turn:use(nil)
	if core then
		core:close()
	end
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

---An operation has ended the connection.
---@param command string
---@param since number
---@param failed string|nil  why it could not wait any longer
---@param why string
---@param number integer|nil
function session:lost(command, since, failed, why, number)
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

---There is no connection for an operation.
---@param command string
function session:gone(command)
	error(self:error("closed", "not sent", command, "the connection was lost"), 0)
end

---The server has refused something.
---@param command string
---@param result table
function session:refused(command, result) -- luacheck: no unused args
	if self.protocol.farewell(result) then
		self:close()
	end
end

---Runs an operation on the connection that there is, within the caller's turn. Raises when the connection is lost by
---it, or the deadline passes, which ends the connection, too.
---@param command string
---@param deadline number
---@param operation string  of the protocol
---@param ... any        its arguments
---@return any result
---@return any more
function session:run(command, deadline, operation, ...)
	return self.turn:run(command, deadline, self.operations[operation], ...)
end

---Waits within the caller's turn for what the server says by itself; nil: it has not said anything by then.
---@param deadline number
---@return any|nil
function session:hear(deadline)
	return self.turn:run("listen", deadline, self.operations.listen)
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
	local result, failed, why, number = self.turn:connect("connect", deadline, core, self.operations.connect)
	if result then
		last_generation = last_generation + 1
		self.core, self.info, self.generation = core, core:info(), last_generation
		self.turn:use(core, self.generation)
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
		if self.connecting or self.turn:fresh() or self.core:alive() then
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
---@param deadline number
---@param f function
---@return any results of f
function session:use_until(command, size, deadline, f, ...)
	local _ <close> = self:enter(command, deadline, size)
	if not self.pinned then
		self:open(command, deadline)
	elseif self.core ~= self.pinned then
		error(self:error("closed", "not sent", command, "the connection of this transaction was lost"), 0)
	end
	return f(self, deadline, ...)
end

---The same, with a time-out.
---@param command string
---@param size integer|nil
---@param seconds number|nil
---@param f function
---@return any results of f
function session:use(command, size, seconds, f, ...)
	return self:use_until(command, size, self:deadline(seconds), f, ...)
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
