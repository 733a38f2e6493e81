-- Connections of one's own through a pool: pins. The pool's service lends a connection; it is given back clean, or as
-- one that nobody shall use again.
--
-- A *binding* is a coroutine's, from WATCH or MULTI to EXEC or DISCARD; a *lease* is for one blocking command. What
-- skynet.db.redis.own is for a service's own connections.
local core = require "reef.pool.redis.core"
local errors = require "reef.channel.error"
local redis = require "reef.redis.core"
local skynet = require "skynet"

---@class reef.pool.own
local own = {}
own.__index = own

---@param client table  {conf=, remote=, bound=, view=, timeout=, reopen=}
function own.new(client)
	return setmetatable({ client = client, bindings = 0, swept = 0 }, own)
end

local function now()
	return skynet.hpc() / 1e9
end

local function closed(client, why)
	return errors.new({ code = "closed", outcome = "not sent", host = client.where }, why)
end

-- Called instead of a command when the pool's service is gone.
local function lost(_, db)
	error(closed(db[2], "the connection of this transaction was lost; nothing of it is applied"), 0)
end

-- A pin, and the pool that gave it: nobody else may get it back.
local function take(client, seconds)
	local pin = client.remote:pin(seconds)
	if not pin then
		client.reopen(client)
		pin = client.remote:pin(seconds)
	end
	return pin or error(closed(client, "the pool is gone"), 0)
end

local function handle_of(client, seconds, pin)
	return core.handle(client.remote, seconds, pin, client.objects, nil, lost)
end

---The binding of the running coroutine, or nil.
function own:current()
	if self.bindings > 0 then
		local task, serial = redis.task()
		local binding = self.client.bound[task]
		if binding and binding[2] == serial then
			return binding, task
		end
	end
end

local function count(self, n)
	self.bindings = self.bindings + n
	self.client.remote:bound(self.bindings)
end

local function end_binding(self, task, binding, clean)
	self.client.bound[task] = nil
	count(self, -1)
	self.client.remote:unpin(binding.pin, clean and not binding.spoiled)
end

---Ends bindings whose coroutine is over: it forgot EXEC or DISCARD.
function own:sweep()
	for task, binding in pairs(self.client.bound) do
		if not redis.alive(task, binding[2]) then
			skynet.error "redis: a coroutine ended between MULTI or WATCH and EXEC; what it began is discarded"
			end_binding(self, task, binding, false)
		end
	end
	self.swept = now()
end

---Binds a connection to the running coroutine, unless it has one.
---@param view table  the db that asks
function own:bind(view)
	local binding = self:current()
	if binding then
		return binding
	end
	if self.bindings > 0 and now() - self.swept > 1 then
		self:sweep()
	end
	local seconds = self.client.timeout(view)
	local pin = take(self.client, seconds)
	local task, serial = redis.task()
	local old = self.client.bound[task]
	if old then
		end_binding(self, task, old, false)
	end
	binding = { handle_of(self.client, seconds, pin), serial, pin = pin }
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

local lease = {
	__close = function(self, err)
		local answered = self.done or type(err) == "string" or (errors.is(err) and err.outcome == "rejected")
		self.own.client.remote:unpin(self.pin, answered)
	end,
}

---A connection for one command; a to-be-closed value whose `done` says that the command has ended.
---@param view table      the db that asks
---@param seconds number  of the command; 0: for ever
function own:lease(view, seconds)
	local client = self.client
	local pin = take(client, client.timeout(view))
	return setmetatable({ own = self, pin = pin, db = client.view(handle_of(client, seconds, pin)) }, lease)
end

function own:close()
	for task, binding in pairs(self.client.bound) do
		end_binding(self, task, binding, false)
	end
end

return own
