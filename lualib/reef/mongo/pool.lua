-- Connections to one server, kept for use again. By the specification "Connection Monitoring and Pooling"; names of
-- options, events and reasons are its.
--
-- Who checks a connection out has it for himself until he checks it in. Those who find none wait in line. A pool begins
-- paused and is made ready when its server is known to answer; `clear` pauses it again and gives up all connections
-- made so far, at once those that lie idle, the others when they come back.
local now = require "reef.base.now"
local emit = require "reef.mongo.emit"
local skynet = require "skynet"

local pool = {}
pool.__index = pool
pool.emit = emit

---@class mongo.pooled
---@field id integer
---@field generation integer
---@field connection any what `connect` answered

---@class mongo.pool_options
---@field minPoolSize integer|nil
---@field maxPoolSize integer|nil 0: no limit
---@field maxConnecting integer|nil
---@field maxIdleTimeMS integer|nil 0: no limit
---@field waitQueueTimeoutMS integer|nil
---@field backgroundThreadIntervalMS integer|nil between two looks after idle connections

---@class mongo.pool_hooks
---@field connect fun(seconds: number): any, any connects and logs in: the connection, or nil and an error
---@field usable fun(connection: any): boolean may it be used by the next?
---@field close fun(connection: any)
---@field on_event fun(event: table)|nil
---@field failed fun(err: any, generation: integer)|nil a connect that nobody waited for has failed

local DEFAULTS = { minPoolSize = 0, maxPoolSize = 100, maxConnecting = 2, maxIdleTimeMS = 0,
	backgroundThreadIntervalMS = 10000 }

local function choose(options)
	local chosen = { waitQueueTimeoutMS = options.waitQueueTimeoutMS }
	for name, value in pairs(DEFAULTS) do
		chosen[name] = options[name] or value
	end
	return chosen
end

---@param address string
---@param options mongo.pool_options
---@param hooks mongo.pool_hooks
function pool.new(address, options, hooks)
	local self = setmetatable({
		address = address,
		options = choose(options),
		hooks = hooks,
		state = "paused",
		generation = 0,
		idle = {},
		waiting = {}, -- in line; `head` is the index of the first
		head = 1,
		tail = 0,
		in_use = {},
		pending = {}, -- connections in the making, by their entries
		services = {}, -- behind a load balancer: how often the connections to each were given up
		total = 0, -- connections, those in the making too
		connecting = 0,
		last_id = 0,
	}, pool)
	self.max_idle = self.options.maxIdleTimeMS > 0 and self.options.maxIdleTimeMS / 1000
	self:emit("ConnectionPoolCreated", { options = options })
	return self
end

-- ---- making and ending connections ----

-- Its place is free; `serve` is for the caller.
function pool:drop(entry, reason)
	self.total = self.total - 1
	self:emit("ConnectionClosed", {
		connectionId = entry.id, reason = reason, error = reason == "error" and entry.err or nil,
	})
	if entry.connection then
		self.hooks.close(entry.connection)
	end
end

function pool:discard(entry, reason)
	self:drop(entry, reason)
	self:serve()
end

-- Connects in a coroutine of its own, so that `clear` can interrupt it.
function pool:connect(entry, seconds)
	local pending = {}
	self.pending[entry] = pending
	local _ <close> = setmetatable({}, { __close = function()
		pending.over = true
		self.pending[entry] = nil
	end })
	skynet.fork(function()
		local ok, connection, err = pcall(self.hooks.connect, seconds)
		if pending.over then
			-- Nobody wants it any more.
			if ok and connection then
				self.hooks.close(connection)
			end
			return
		end
		pending.done = true
		if ok then
			pending.connection, pending.err = connection, err
		else
			pending.raised = connection
		end
		skynet.wakeup(pending)
	end)
	while not pending.done do
		skynet.wait(pending)
	end
	if pending.raised then
		error(pending.raised, 0)
	end
	return pending.connection, pending.err
end

function pool:may_create()
	local max = self.options.maxPoolSize
	return (max == 0 or self.total < max) and self.connecting < self.options.maxConnecting
end

function pool:reserve()
	self.total = self.total + 1
	self.connecting = self.connecting + 1
end

-- Connects, after `reserve`. The entry, or nil and the error; then others may connect: `serve` is for the caller. A
-- coroutine that is ended meanwhile gives its place back.
function pool:create(seconds, before_close)
	self.last_id = self.last_id + 1
	local entry = { id = self.last_id, generation = self.generation }
	local over = false
	local function give_up()
		over = true
		self.connecting = self.connecting - 1
		self:discard(entry, "error")
	end
	local _ <close> = setmetatable({}, { __close = function()
		if not over then
			give_up()
		end
	end })
	self:emit("ConnectionCreated", { connectionId = entry.id })
	local started = now()
	local connection, err = self:connect(entry, seconds)
	if not connection then
		if before_close then
			before_close(err)
		end
		entry.err = err
		give_up()
		return nil, err
	end
	entry.connection = connection
	entry.service = connection.service
	if entry.service then
		entry.service_generation = self.services[entry.service] or 0
	end
	entry.used = now()
	self:emit("ConnectionReady", { connectionId = entry.id, duration = now() - started })
	over = true
	self.connecting = self.connecting - 1
	return entry
end

---Was the connection given up with those to its service (balanced.lua)?
function pool:is_stale(entry)
	return entry.service_generation ~= (self.services[entry.service] or 0)
end

function pool:perished(entry)
	if entry.generation ~= self.generation then
		return "stale"
	elseif not self.hooks.usable(entry.connection) then
		return "error"
	elseif entry.service and self:is_stale(entry) then
		return "stale"
	end
	return self.max_idle and now() - entry.used > self.max_idle and "idle" or nil
end

-- Does not serve those who wait: who takes a connection is about to do so, or nobody waits.
function pool:take_idle()
	local idle = self.idle
	local n = #idle
	while n > 0 do
		local entry = idle[n]
		idle[n] = nil
		local reason = self:perished(entry)
		if not reason then
			return entry
		end
		self:drop(entry, reason)
		n = #idle
	end
	return nil
end

-- ---- the line ----

-- The first who still waits.
function pool:first()
	while self.head <= self.tail do
		local waiter = self.waiting[self.head]
		if not waiter.gone then
			return waiter
		end
		self.waiting[self.head] = nil
		self.head = self.head + 1
	end
	return nil
end

-- Gives what there is to those who wait longest.
function pool:serve()
	local waiter = self.state == "ready" and self:first()
	while waiter do
		local entry = self:take_idle()
		if entry then
			waiter.entry = entry
		elseif self:may_create() then
			self:reserve()
			waiter.create = true
		else
			return
		end
		waiter.gone = true
		skynet.wakeup(waiter)
		waiter = self:first()
	end
end

function pool:fail_waiting()
	for i = self.head, self.tail do
		local waiter = self.waiting[i]
		if not waiter.gone then
			waiter.gone, waiter.failed = true, true
			skynet.wakeup(waiter)
		end
	end
end

-- Waits in line: the waiter, which says what it got.
function pool:wait(seconds)
	local waiter = {}
	local taken = false
	self.tail = self.tail + 1
	self.waiting[self.tail] = waiter
	local _ <close> = setmetatable({}, { __close = function()
		if not taken then
			waiter.gone = true
			if waiter.entry then
				self.idle[#self.idle + 1] = waiter.entry
				self:serve()
			elseif waiter.create then
				self.total, self.connecting = self.total - 1, self.connecting - 1
				self:serve()
			end
		end
	end })
	skynet.sleep(math.max(1, math.ceil(seconds * 100)), waiter)
	taken = true
	waiter.gone = true
	return waiter
end

-- ---- what users call ----

function pool:describe_clear()
	return ("Connection pool for %s was cleared because another operation failed"):format(self.address)
end

function pool:refuse(reason, started, why, code)
	self:emit("ConnectionCheckOutFailed", {
		reason = reason, duration = now() - started, error = reason == "connectionError" and why or nil,
	})
	return nil, { code = code or "pool", reason = reason, why = why }
end

function pool:unusable(started)
	if self.state == "closed" then
		return self:refuse("poolClosed", started, "Attempted to check out a connection from closed connection pool")
	elseif self.state == "paused" then
		return self:refuse("connectionError", started, self:describe_clear())
	end
	return nil
end

---Takes a connection, waiting for one at most `seconds` and at most waitQueueTimeoutMS.
---@param seconds number
---@return mongo.pooled|nil
---@return table|nil err { code=, reason=, why= } or what `connect` said
function pool:check_out(seconds)
	local unheard = not self.hooks.on_event and self.state == "ready" and self.head > self.tail
	local entry = unheard and self:take_idle()
	if entry then
		self.in_use[entry] = true
		return entry
	end
	return self:obtain(seconds)
end

function pool:describe_timeout()
	local counts = { cursors = 0, transactions = 0, other = 0 }
	local held = false
	for entry in pairs(self.in_use) do
		local purpose = entry.purpose or "other"
		counts[purpose] = counts[purpose] + 1
		held = held or entry.service ~= nil
	end
	if not held then
		return "Timed out while checking out a connection from connection pool"
	end
	return ("Timeout waiting for connection from the connection pool. maxPoolSize: %d, connections in use by cursors: %d, "
		.. "connections in use by transactions: %d, connections in use by other operations: %d"):format(
		self.options.maxPoolSize, counts.cursors, counts.transactions, counts.other)
end

-- The same, told in events, with all that may come between.
function pool:obtain(seconds)
	local started = now()
	self:emit "ConnectionCheckOutStarted"
	local _, refusal = self:unusable(started)
	if refusal then
		return nil, refusal
	end
	local queue_limit = self.options.waitQueueTimeoutMS
	local wait_seconds = queue_limit and queue_limit > 0 and math.min(seconds, queue_limit / 1000) or seconds
	local entry, create
	if not self:first() then
		entry = self:take_idle()
		create = not entry and self:may_create()
		if create then
			self:reserve()
		end
	end
	if not entry and not create then
		local waiter = self:wait(wait_seconds)
		if waiter.failed then
			_, refusal = self:unusable(started)
			if not refusal then
				_, refusal = self:refuse("connectionError", started, self:describe_clear())
			end
			return nil, refusal
		elseif not waiter.entry and not waiter.create then
			return self:refuse("timeout", started, self:describe_timeout(), "timeout")
		end
		entry, create = waiter.entry, waiter.create
	end
	if create then
		local err
		entry, err = self:create(seconds - (now() - started))
		if not entry then
			self:emit("ConnectionCheckOutFailed", { reason = "connectionError", duration = now() - started, error = err })
			return nil, err
		end
		self:serve()
	end
	self.in_use[entry] = true
	self:emit("ConnectionCheckedOut", { connectionId = entry.id, duration = now() - started })
	return entry
end

---Raises unless a connection can be had.
---@param seconds number
function pool:prove(seconds)
	local entry, err = self:check_out(seconds)
	if not entry then
		error(err, 0)
	end
	self:check_in(entry)
end

---Connections that somebody has.
function pool:busy()
	return self.total - #self.idle
end

---Connections are to log in again.
function pool:login()
	self:clear()
	self:ready()
end

---Gives a connection back. One that `clear` has interrupted meanwhile is back already.
---@param entry mongo.pooled
function pool:check_in(entry)
	if not self.in_use[entry] then
		return
	end
	self.in_use[entry] = nil
	if self.hooks.on_event then
		self:emit("ConnectionCheckedIn", { connectionId = entry.id })
	end
	local reason = self.state == "closed" and "poolClosed" or self:perished(entry)
	if reason then
		self:discard(entry, reason)
		return
	end
	if self.max_idle then
		entry.used = now()
	end
	self.idle[#self.idle + 1] = entry
	if self.head <= self.tail then
		self:serve()
	end
end

---The server answers: connections may be made.
function pool:ready()
	if self.state ~= "paused" then
		return
	end
	self.state = "ready"
	self:emit "ConnectionPoolReady"
	self:look_after()
end

local function discard_all(self, reason)
	local idle = self.idle
	self.idle = {}
	for _, entry in ipairs(idle) do
		self:discard(entry, reason)
	end
end

---Gives up all connections made so far; with `interrupt`, those in use at once.
---@param interrupt boolean|nil
function pool:clear(interrupt)
	if self.state == "closed" then
		return
	end
	self.generation = self.generation + 1
	local was_ready = self.state == "ready"
	self.state = "paused"
	if was_ready then
		self:emit("ConnectionPoolCleared", { interruptInUseConnections = interrupt or false })
	end
	self:fail_waiting()
	if interrupt then
		local interrupted = self.in_use
		self.in_use = {}
		for entry in pairs(interrupted) do
			self:emit("ConnectionCheckedIn", { connectionId = entry.id })
			self:drop(entry, "stale")
		end
		for _, pending in pairs(self.pending) do
			if not pending.done then
				pending.done = true
				pending.over = true
				pending.err = { code = "pool", reason = "connectionError",
					why = ("Connection to %s interrupted due to server monitor timeout"):format(self.address) }
				skynet.wakeup(pending)
			end
		end
	end
	skynet.fork(discard_all, self, "stale")
end

---Gives up the connections to one service behind a load balancer.
function pool:clear_service(service)
	if self.state == "closed" then
		return
	end
	self.services[service] = (self.services[service] or 0) + 1
	self:emit("ConnectionPoolCleared", { serviceId = service, interruptInUseConnections = false })
	skynet.fork(self.remove_perished, self)
end

---Ends the pool and its idle connections; those in use end when they come back.
function pool:close()
	if self.state == "closed" then
		return
	end
	self.state = "closed"
	self:fail_waiting()
	discard_all(self, "poolClosed")
	self:emit "ConnectionPoolClosed"
end

-- ---- idle connections ----

function pool:populate()
	while self.state == "ready" and self.total < self.options.minPoolSize and self:may_create() do
		self:reserve()
		local generation = self.generation
		local entry = self:create(30, function(err)
			if self.hooks.failed then
				self.hooks.failed(err, generation)
			else
				self:clear()
			end
		end)
		if not entry then
			return
		end
		local reason = self:perished(entry)
		if reason then
			self:discard(entry, reason)
		else
			self.idle[#self.idle + 1] = entry
			self:serve()
		end
	end
end

function pool:remove_perished()
	local kept, gone = {}, {}
	for _, entry in ipairs(self.idle) do
		local reason = self:perished(entry)
		if reason then
			gone[#gone + 1] = { entry, reason }
		else
			kept[#kept + 1] = entry
		end
	end
	self.idle = kept
	for _, pair in ipairs(gone) do
		self:discard(pair[1], pair[2])
	end
end

-- Needed only where connections grow old or have to be there beforehand.
function pool:look_after()
	if self.options.minPoolSize == 0 and self.options.maxIdleTimeMS == 0 then
		return
	end
	local generation = self.generation
	skynet.fork(function()
		while self.state == "ready" and self.generation == generation do
			self:remove_perished()
			self:populate()
			skynet.sleep(math.max(1, self.options.backgroundThreadIntervalMS // 10))
		end
	end)
end

return pool
