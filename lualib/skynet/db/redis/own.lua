-- Connections of their own: for commands that block the server's answers, and for transactions.
--
-- A *lease* takes a connection for one command. A *binding* takes one for a coroutine, from WATCH or MULTI to EXEC or
-- DISCARD: all that this coroutine asks for meanwhile goes there (the C half looks its task up), so that blocks of
-- several coroutines cannot mix. A connection whose state is in doubt is never used again: after a command that did not
-- end, it is closed, and with it the server forgets what was blocked, watched or queued.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local link = require "skynet.db.redis.link"
local skynet = require "skynet"

local KEPT = 16 -- idle connections

---@class redis.own
local own = {}
own.__index = own

---@param client table  {conf=, link=, bound=, view=function(handle) -> db}
function own.new(client)
	return setmetatable({ client = client, idle = {}, used = 0, waiting = {}, bindings = 0, swept = 0 }, own)
end

local function now()
	return skynet.hpc() / 1e9
end

-- A place that has become free goes to whoever has waited longest, without being free in between.
local function free_place(self)
	local token = table.remove(self.waiting, 1)
	if token then
		token.granted = true
		skynet.wakeup(token)
	else
		self.used = self.used - 1
	end
end

local function give_back(self, entry, clean)
	if clean and not self.closed and #self.idle < KEPT and entry.link.connection:state() == "open" then
		table.insert(self.idle, entry)
	else
		entry.link:close("a command on a connection of its own did not end")
	end
	free_place(self)
end

local end_binding

local function new_entry(self)
	local client = self.client
	local entry = {}
	local limits = setmetatable({ tombstones = 0 }, { __index = client.conf.limits })
	local weak = setmetatable({ own = self, entry = entry }, { __mode = "v" })
	entry.link = link.new(client.conf, {
		-- A transaction is over with the first error of its connection: whoever is in it is told by that.
		failed = function()
			local task = weak.entry and weak.entry.task
			if task then
				end_binding(weak.own, task, weak.own.client.bound[task], false)
			end
		end,
	}, limits)
	return entry
end

local function exhausted(self, since)
	return errors.new({
		code = "pool", outcome = "not sent", host = "redis " .. self.client.conf.where, command = "connection",
		waited = now() - since, in_flight = self.used,
	}, string.format("all %d connections for blocking commands and transactions are in use (option pool)",
		self.client.conf.pool))
end

-- Who waits for a place may be ended meanwhile, or get it in the moment that his time is over.
local in_queue = {
	__close = function(token)
		if not token.taken then
			if token.granted then
				free_place(token.own)
			else
				for i, waiting in ipairs(token.own.waiting) do
					if waiting == token then
						table.remove(token.own.waiting, i)
						break
					end
				end
			end
		end
	end,
}

-- Waits until the caller may have one more connection.
local function take_place(self, seconds)
	local limit = self.client.conf.pool
	if self.used >= limit then
		self:sweep()
	end
	if self.used < limit and #self.waiting == 0 then
		self.used = self.used + 1
		return
	end
	local since = now()
	local token <close> = setmetatable({ own = self }, in_queue)
	table.insert(self.waiting, token)
	if seconds > 0 then
		skynet.sleep(math.max(1, math.ceil(seconds * 100)), token)
	else
		skynet.wait(token)
	end
	if not token.granted then
		error(exhausted(self, since), 0)
	end
	token.taken = true
end

-- Takes a connection that is ready. Waits for a place at most `seconds` (0: as long as it takes).
local function take(self, seconds)
	take_place(self, seconds)
	local entry = table.remove(self.idle)
	while entry and entry.link.connection:state() ~= "open" do
		entry = table.remove(self.idle)
	end
	entry = entry or new_entry(self)
	local opening <close> = setmetatable({}, { __close = function(o)
		if not o.done then
			give_back(self, entry, false)
		end
	end })
	entry.link:open(seconds)
	opening.done = true
	return entry
end

local lease = {
	__close = function(self, err)
		local answered = self.done or type(err) == "string" or (errors.is(err) and err.outcome == "rejected")
		give_back(self.own, self.entry, answered)
	end,
}

---A connection for one command; a to-be-closed value whose `done` says that the command has ended.
---@param view table      the db that asks
---@param seconds number  of the command; 0: for ever
function own:lease(view, seconds)
	local entry = take(self, view[1] and self.client.timeout(view) or 0)
	local handle = core.handle(entry.link.connection, seconds, false, self.client.objects, nil, self.client.lost)
	return setmetatable({ own = self, entry = entry, db = self.client.view(handle) }, lease)
end

---The binding of the running coroutine, or nil.
function own:current()
	if self.bindings > 0 then
		local task, serial = core.task()
		local binding = self.client.bound[task]
		if binding and binding[2] == serial then
			return binding, task
		end
	end
end

local function count(self, n)
	self.bindings = self.bindings + n
	self.client.link.connection:bound(self.bindings)
end

function end_binding(self, task, binding, clean)
	binding.entry.task = nil
	self.client.bound[task] = nil
	count(self, -1)
	give_back(self, binding.entry, clean)
end

---Ends bindings whose coroutine is over: it forgot EXEC or DISCARD.
function own:sweep()
	for task, binding in pairs(self.client.bound) do
		if not core.alive(task, binding[2]) then
			skynet.error "redis: a coroutine ended between MULTI or WATCH and EXEC; what it began is discarded"
			end_binding(self, task, binding, false)
		end
	end
	self.swept = now()
end

---Binds a connection to the running coroutine, unless it has one.
---@param view table  the db that asks
function own:bind(view)
	local binding, task = self:current()
	if binding then
		if binding.entry.link.connection:state() == "open" then
			return binding
		end
		end_binding(self, task, binding, false)
	end
	if self.bindings > 0 and now() - self.swept > 1 then
		self:sweep()
	end
	local seconds = self.client.timeout(view)
	local entry = take(self, seconds)
	local serial
	task, serial = core.task()
	local old = self.client.bound[task]
	if old then
		end_binding(self, task, old, false)
	end
	binding = {
		core.handle(entry.link.connection, seconds, false, self.client.objects, nil, self.client.lost), serial,
		entry = entry,
	}
	self.client.bound[task] = binding
	entry.task = task
	count(self, 1)
	return binding
end

---Ends the running coroutine's binding.
---@param clean boolean  the connection may be used by others
function own:unbind(clean)
	local binding, task = self:current()
	if binding then
		end_binding(self, task, binding, clean)
	end
end

---Idle connections are closed: what they are set up for has changed.
function own:forget_idle()
	for _, entry in ipairs(self.idle) do
		entry.link:close()
	end
	self.idle = {}
end

function own:close()
	self.closed = true
	self:forget_idle()
	for task, binding in pairs(self.client.bound) do
		end_binding(self, task, binding, false)
	end
end

return own
