-- A pool's service: it has the connections, lends them for one statement, or, as a *pin*, for a transaction or for
-- the rows of a large result. Callers are in reef.sql.pool.
--
-- Whoever has a pin also has a request here that is not answered while he has it (HOLD). So one that is gone is found
-- by the request that cannot be answered any more, and what he had begun is rolled back.
local errors = require "reef.channel.error"
local lent = require "reef.sql.lent"
local now = require "reef.base.now"
local process = require "reef.process"
local shutdown = require "reef.shutdown"
local skynet = require "skynet"
local state = require "reef.sql.state"
local stream = require "reef.sql.stream"

local keeper = {}

local LOOK <const> = 20    -- cs between looks after holders of pins
local NO_HOLD <const> = 2  -- seconds until a pin has to be held

---@class reef.sql.pin
---@field db table
---@field hold function|nil   answers the holder's request
---@field since number
---@field busy boolean|nil
---@field ended boolean|nil     its end was asked for while it was busy
---@field unwanted boolean|nil  so was that of its rows
---@field began boolean|nil   a transaction
---@field reader reef.sql.reader|nil
---@field dead boolean|nil

local pins, looking = {}, false ---@type table<string, reef.sql.pin>
local command = {}

-- ---- the way back ----

-- What a request has come to, in values that can be sent.
local function result(ok, ...)
	if ok then
		return true, ...
	end
	local err = ...
	if not errors.is(err) then
		return false, tostring(err)
	end
	local fields = {}
	for name, value in pairs(err) do
		fields[name] = value
	end
	return false, fields
end

-- ---- statements ----

local operations = {}

function operations.query(db, sql, ...)
	return db:query(sql, ...)
end

function operations.execute(db, sql, ...)
	return db:execute_text(sql, ...)
end

function operations.ping(db)
	return db.ping and db:ping() or db:query "SELECT 1"
end

function operations.version(db)
	db.session:use("connect", 0, nil, function() end)
	return db:server_ver()
end

local function run(db, seconds, compact, operation, ...)
	db:set(seconds, compact)
	return operations[operation](db, ...)
end

---One statement.
function command.RUN(seconds, compact, operation, sql, ...)
	local since = now()
	local db = lent.acquire(seconds, operation)
	local left_seconds = seconds > 0 and math.max(seconds - (now() - since), 0.001) or 0
	local answer = table.pack(pcall(run, db, left_seconds, compact, operation, sql, ...))
	local core = db.session.core
	local left = core and (not core:idle() or core:transaction() ~= "idle")
	if left or state.is_changed_by(sql) then
		db.session:close()
	end
	lent.release(db, since, not answer[1] and answer[2] or nil)
	if left and answer[1] then
		error(errors.new { code = "transaction", outcome = "not sent", host = db.session.where, command = operation,
			message = "what begins a transaction needs db:transaction; nothing of it is applied" }, 0)
	end
	if not answer[1] then
		error(answer[2], 0)
	end
	return table.unpack(answer, 2, answer.n)
end

-- ---- pins ----

local function finish(id, commit, seconds)
	local pin = pins[id]
	if not pin then
		return
	end
	pins[id] = nil
	local db = pin.db
	local ok, err = true, nil
	if db then
		if pin.reader and (pin.dead or commit == false and pin.began) then
			db.session:close()
		elseif pin.reader then
			stream.finish(pin.reader)
		end
		if pin.began and commit then
			ok, err = pcall(db.session.commit, db.session, seconds)
		elseif pin.began then
			db.session:rollback(seconds)
		end
		if pin.changed then
			db.session:close()
		end
		lent.release(db, pin.since, err)
	end
	if pin.hold then
		pin.hold(true)
	end
	if not ok then
		error(err, 0)
	end
end

local function look()
	looking = false
	for id, pin in pairs(pins) do
		if pin.hold and not pin.hold "TEST" or not pin.hold and now() - pin.since > NO_HOLD then
			pin.dead = true
			if not pin.busy then
				skynet.fork(finish, id, false, 5)
			end
		end
	end
	if next(pins) then
		looking = true
		skynet.timeout(LOOK, look)
	end
end

local function pin_of(id)
	local pin = pins[id]
	if not pin then
		pin = { since = now() }
		pins[id] = pin
		if not looking then
			looking = true
			skynet.timeout(LOOK, look)
		end
	end
	return pin
end

---Not answered before the pin's end.
function command.HOLD(id)
	pin_of(id).hold = skynet.response()
end

-- The rest is not wanted.
local function close_rows(pin)
	if pin.reader then
		stream.finish(pin.reader)
		pin.reader = nil
	end
end

-- Runs something with a pin's connection. Nobody else does meanwhile.
local function with(id, f, ...)
	local pin = pin_of(id)
	if pin.busy then
		error("reef.pool: this transaction is in use by another coroutine", 0)
	end
	pin.busy = true
	local answer = table.pack(pcall(f, pin, ...))
	if pin.unwanted then
		pin.unwanted = nil
		close_rows(pin)
	end
	pin.busy = false
	if pin.dead or pin.ended then
		finish(id, false, 5)
	end
	if not answer[1] then
		error(answer[2], 0)
	end
	return table.unpack(answer, 2, answer.n)
end

local function begin(pin, seconds)
	pin.db = lent.acquire(seconds, "begin")
	pin.db:set(seconds)
	pin.db.session:begin(seconds)
	pin.began = true
end

function command.BEGIN(id, seconds)
	local ok, err = pcall(with, id, begin, seconds)
	if not ok then
		finish(id, false, seconds)
		error(err, 0)
	end
end

local function step(pin, seconds, compact, operation, sql, ...)
	if not pin.began then
		error("reef.pool: this transaction is over", 0)
	end
	pin.changed = pin.changed or state.is_changed_by(sql)
	return run(pin.db, seconds, compact, operation, sql, ...)
end

function command.STEP(id, ...)
	if not pins[id] then
		error("reef.pool: this transaction is over", 0)
	end
	return with(id, step, ...)
end

function command.END(id, commit, seconds)
	local pin = pins[id]
	if not pin then
		if commit then
			error(errors.new { code = "closed", outcome = "not sent", command = "COMMIT",
				message = "the transaction is over; nothing of it is applied" }, 0)
		end
	elseif pin.busy then
		pin.ended = true
		if commit then
			error(errors.new({ code = "transaction", outcome = "not sent", host = pin.db and pin.db.session.where,
				command = "COMMIT" }, "another coroutine uses this transaction; nothing of it is applied"), 0)
		end
	else
		finish(id, commit, seconds)
	end
end

local function open_rows(pin, seconds, compact, sql, ...)
	pin.db = pin.db or lent.acquire(seconds, "rows")
	pin.changed = pin.changed or state.is_changed_by(sql)
	if pin.reader then
		error("reef.pool: rows of this transaction wait to be read", 0)
	end
	pin.db:set(seconds, compact)
	pin.reader = stream.open(pin.db.session, seconds, pin.db.begin_rows, pin.db, sql, ...)
	return pin.reader ~= nil
end

function command.ROWS(id, ...)
	return with(id, open_rows, ...)
end

local function fetch(pin)
	return stream.part(pin.reader)
end

function command.FETCH(id)
	local pin = pins[id]
	if not pin or not pin.reader then
		error("reef.pool: these rows are over, and not all of them were read", 0)
	end
	return with(id, fetch)
end

-- Without a transaction the pin is over, too.
function command.CLOSE_ROWS(id)
	local pin = pins[id]
	if pin and pin.busy then
		pin.unwanted, pin.ended = true, pin.ended or not pin.began
	elseif pin then
		with(id, close_rows)
		if pins[id] and not pins[id].began then
			finish(id, false, 5)
		end
	end
end

-- ---- the pool ----

function command.START(kind, label, target, options)
	lent.start(kind, label, target, options)
end

function command.STAT()
	return lent.stat()
end

function command.SET(options)
	lent.set(options)
end

function command.CLOSE()
	lent.drain()
	skynet.fork(skynet.exit)
end

function keeper.run()
	process.daemon()
	shutdown.on(lent.drain, 1)
	skynet.dispatch("lua", function(session, _, name, ...)
		if name == "HOLD" then
			command.HOLD(...)
		elseif session == 0 then
			pcall(command[name], ...)
		elseif name == "STAT" then
			skynet.retpack(command.STAT())
		elseif name == "START" or name == "SET" or name == "CLOSE" then
			skynet.retpack(command[name](...))
		else
			skynet.retpack(result(pcall(command[name], ...)))
		end
	end)
end

return keeper
