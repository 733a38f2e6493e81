-- Connections of their own: for commands that block the server's answers, and for transactions.
--
-- A *lease* takes a connection for one command. A *binding* takes one for a coroutine, from WATCH or MULTI to EXEC or
-- DISCARD: all that this coroutine asks for meanwhile goes there (the C half looks its task up), so that blocks of
-- several coroutines cannot mix. A connection whose state is in doubt is never used again: after a command that did
-- not end, or one that is not known to leave its connection as it was (drivers/redis/special.h), it is given back as
-- not clean, and with it the server forgets what was blocked, watched, queued or chosen. After a transaction the
-- lender asks the server whether anything is left of it. A coroutine may end in the middle of its transaction, by an
-- error above all: while there are bindings, somebody looks after that, since others may wait for the connection.
--
-- Where the connections come from is a lender's business: reef.redis.lender, or reef.pool.lender.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local partial = require "reef.redis.partial"
local skynet = require "skynet"

local LOOK <const> = 20 -- cs between looks after coroutines with bindings

---@class redis.lender
---@field take fun(self, seconds: number): table           an entry; waits at most so long (0: for ever); raises. It is
---                                                        told by `begun` that there may be a transaction on it
---@field give fun(self, entry: table, clean: boolean)     takes it back
---@field handle fun(self, entry: table, seconds: number): userdata  what commands on it are given
---@field alive fun(self, entry: table): boolean
---@field bound fun(self, n: integer)                      so many coroutines have one now
---@field close fun(self)

---@class redis.own
local own = {}
own.__index = own

---@param client table  {bound=, view=function(handle) -> db, timeout=function(db) -> seconds}
---@param lender redis.lender
function own.new(client, lender)
	local self = setmetatable({ client = client, lender = lender, bindings = 0, looking = false }, own)
	lender.own = self
	return self
end

local lease = {
	__close = function(self, err)
		local answered = self.done or type(err) == "string" or (errors.is(err) and err.outcome == "rejected")
		self.lender:give(self.entry, answered and not self.spoiled)
	end,
}

---A connection for one command; a to-be-closed value whose `done` says that the command has ended.
---@param view table      the db that asks
---@param seconds number  of the command; 0: for ever
function own:lease(view, seconds)
	local entry = self.lender:take(self.client.timeout(view))
	local handle = self.lender:handle(entry, seconds)
	return setmetatable({ lender = self.lender, entry = entry, db = self.client.view(handle) }, lease)
end

---The coroutine's connection, if it has one, is not to be used again.
---@return boolean  it has one
function own:spoil()
	local binding = self:current()
	if binding then
		binding.spoiled = true
	end
	return binding ~= nil
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

local function look(self)
	if self.bindings > 0 and not self.looking then
		self.looking = true
		skynet.timeout(LOOK, function()
			self.looking = false
			self:sweep()
			look(self)
		end)
	end
end

local function count(self, n)
	self.bindings = self.bindings + n
	self.lender:bound(self.bindings)
	look(self)
end

local function end_binding(self, task, binding, clean)
	self.client.bound[task] = nil
	count(self, -1)
	self.lender:give(binding.entry, clean and not binding.spoiled)
end

-- Tasks with bindings, the oldest first: `pairs` goes by their addresses, and a replay is to do the same again.
local function bound_tasks(self)
	local bound, tasks = self.client.bound, {}
	for task in pairs(bound) do
		tasks[#tasks + 1] = task
	end
	table.sort(tasks, function(a, b)
		return bound[a][2] < bound[b][2]
	end)
	return tasks
end

---Ends bindings whose coroutine is over: it forgot EXEC or DISCARD.
function own:sweep()
	for _, task in ipairs(bound_tasks(self)) do
		local binding = self.client.bound[task]
		if not core.alive(task, binding[2]) then
			skynet.error "redis: a coroutine ended between MULTI or WATCH and EXEC; what it began is discarded"
			end_binding(self, task, binding, false)
		end
	end
end

---A transaction is over with the first error of its connection: whoever is in it is told by that.
---@param entry table
function own:lost(entry)
	for task, binding in pairs(self.client.bound) do
		if binding.entry == entry then
			end_binding(self, task, binding, false)
			return
		end
	end
end

---Binds a connection to the running coroutine, unless it has one.
---@param view table  the db that asks
function own:bind(view)
	local binding, task = self:current()
	if binding then
		if self.lender:alive(binding.entry) then
			return binding
		end
		end_binding(self, task, binding, false)
	end
	local seconds = self.client.timeout(view)
	local entry = self.lender:take(seconds)
	entry.begun = true
	local serial
	task, serial = core.task()
	local old = self.client.bound[task]
	if old then
		end_binding(self, task, old, false)
	end
	binding = { self.lender:handle(entry, seconds), serial, entry = entry }
	self.client.bound[task] = binding
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

-- Ends the coroutine's binding when a command that ends it is over, whatever came of it.
local ending = {
	__close = function(self, err)
		if self.keep then
			return
		end
		partial.name(err, self.queued)
		self.own:unbind(self.done or not (errors.is(err) and err.outcome ~= "rejected"))
	end,
}

---A to-be-closed value that ends the running coroutine's binding; its `done` says that the command has ended.
---@param keep boolean            not yet
---@param queued string[]|nil  commands of the transaction
function own:ending(keep, queued)
	return setmetatable({ own = self, keep = keep, queued = queued }, ending)
end

function own:close()
	self.lender:close()
	for _, task in ipairs(bound_tasks(self)) do
		end_binding(self, task, self.client.bound[task], false)
	end
end

return own
