-- Lends connections that a service makes itself: at most `pool` of them; a few are kept when they are idle.
--
-- One that had a transaction is asked, while it lies idle, whether anything is left of that: UNWATCH is answered by OK
-- outside of MULTI only, and ends what was watched. One that was made before the configuration changed is not kept.
local now = require "reef.base.now"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local link = require "reef.redis.link"
local skynet = require "skynet"
local useless = require "reef.redis.useless"

local KEPT = 16 -- idle connections
local PROBE_TIMEOUT = 5 -- seconds

---@class redis.own_lender: redis.lender
local lender = {}
lender.__index = lender

---@param client table  {conf=, link=, objects=, lost=}
function lender.new(client)
	return setmetatable({ client = client, idle = {}, used = 0, waiting = {}, generation = 0 }, lender)
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

local unwatch = core.command "UNWATCH"

-- Nobody waits for the answer but whoever takes the connection before it has come.
local function probe(self, entry)
	local ok, reply = pcall(unwatch, { self:handle(entry, PROBE_TIMEOUT) })
	if not ok or reply ~= "OK" then
		entry.link:close "a transaction left something behind"
	end
	local waiting = entry.probing
	entry.probing = nil
	skynet.wakeup(waiting)
end

function lender:give(entry, clean)
	if clean and not self.closed and #self.idle < KEPT and self:alive(entry) and
		entry.generation == self.generation and not entry.useless then
		if entry.begun then
			entry.begun, entry.probing = nil, {}
			skynet.fork(probe, self, entry)
		end
		table.insert(self.idle, entry)
	else
		entry.link:close("a command on a connection of its own did not end, or changed it")
	end
	free_place(self)
end

local function new_entry(self)
	local client = self.client
	local entry = { generation = self.generation }
	local limits = setmetatable({ tombstones = 0 }, { __index = client.conf.limits })
	local weak = setmetatable({ lender = self, entry = entry }, { __mode = "v" })
	entry.link = link.new(client.conf, {
		failed = function()
			if weak.entry and weak.lender then
				weak.lender.own:lost(weak.entry)
			end
		end,
		useless = function(code)
			if weak.entry and weak.lender and useless[code] then
				weak.entry.useless = true
				require("reef.redis.renewal").begin(weak.lender.client, code)
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

-- The idle one that was given back first: most likely it has been asked already. For an answer that takes long nobody
-- waits.
local function take_idle(self, taking)
	while self.idle[1] do
		local entry = table.remove(self.idle, 1)
		taking.entry = entry
		if entry.probing then
			skynet.sleep(math.max(1, math.ceil(math.min(taking:left() / 2, PROBE_TIMEOUT) * 100)), entry.probing)
		end
		if not entry.probing and self:alive(entry) and entry.generation == self.generation then
			return entry
		end
		entry.link:close "it was made for what has changed meanwhile, or does not say what a transaction left behind"
	end
end

local taking_type = {
	__close = function(self)
		if not self.done then
			if self.entry then
				self.entry.link:close "the coroutine that wanted it was ended, or it cannot be made"
			end
			free_place(self.lender)
		end
	end,
	__index = {
		left = function(self)
			return math.max(self.until_then - now(), 0.01)
		end,
	},
}

function lender:take(seconds)
	local until_then = seconds > 0 and now() + seconds or math.huge
	take_place(self, seconds)
	local taking <close> = setmetatable({ lender = self, until_then = until_then }, taking_type)
	while true do
		local entry = take_idle(self, taking) or new_entry(self)
		taking.entry = entry
		entry.link:open(seconds > 0 and taking:left() or 0)
		if entry.generation == self.generation then
			taking.done = true
			return entry
		end
		entry.link:close "it was made for what has changed meanwhile"
	end
end

function lender:handle(entry, seconds)
	return core.handle(entry.link.connection, seconds, false, self.client.objects, nil, self.client.lost)
end

function lender:bound(n)
	self.client.link.connection:bound(n)
end

---What connections are set up for has changed: none that there is now is lent again.
function lender:forget()
	self.generation = self.generation + 1
	self:forget_idle()
end

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
