-- Lends connections that a service makes itself: at most `pool` of them; a few are kept when they are idle.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local link = require "skynet.db.redis.link"
local skynet = require "skynet"

local KEPT = 16 -- idle connections

---@class redis.own_lender: redis.lender
local lender = {}
lender.__index = lender

---@param client table  {conf=, link=, objects=, lost=}
function lender.new(client)
	return setmetatable({ client = client, idle = {}, used = 0, waiting = {} }, lender)
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

function lender:alive(entry)
	return entry.link.connection:state() == "open"
end

function lender:give(entry, clean)
	if clean and not self.closed and #self.idle < KEPT and self:alive(entry) then
		table.insert(self.idle, entry)
	else
		entry.link:close("a command on a connection of its own did not end")
	end
	free_place(self)
end

local function new_entry(self)
	local client = self.client
	local entry = {}
	local limits = setmetatable({ tombstones = 0 }, { __index = client.conf.limits })
	local weak = setmetatable({ lender = self, entry = entry }, { __mode = "v" })
	entry.link = link.new(client.conf, {
		failed = function()
			if weak.entry and weak.lender then
				weak.lender.own:lost(weak.entry)
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
				free_place(token.lender)
			else
				for i, waiting in ipairs(token.lender.waiting) do
					if waiting == token then
						table.remove(token.lender.waiting, i)
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
		self.own:sweep()
	end
	if self.used < limit and #self.waiting == 0 then
		self.used = self.used + 1
		return
	end
	local since = now()
	local token <close> = setmetatable({ lender = self }, in_queue)
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

function lender:take(seconds)
	take_place(self, seconds)
	local entry = table.remove(self.idle)
	while entry and not self:alive(entry) do
		entry = table.remove(self.idle)
	end
	entry = entry or new_entry(self)
	local opening <close> = setmetatable({}, { __close = function(o)
		if not o.done then
			self:give(entry, false)
		end
	end })
	entry.link:open(seconds)
	opening.done = true
	return entry
end

function lender:handle(entry, seconds)
	return core.handle(entry.link.connection, seconds, false, self.client.objects, nil, self.client.lost)
end

function lender:bound(n)
	self.client.link.connection:bound(n)
end

---Idle connections are closed: what they are set up for has changed.
function lender:forget_idle()
	for _, entry in ipairs(self.idle) do
		entry.link:close()
	end
	self.idle = {}
end

function lender:close()
	self.closed = true
	self:forget_idle()
end

return lender
