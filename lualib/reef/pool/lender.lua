-- Lends pinned connections of a pool: for transactions, blocking commands, subscribers. What reef.redis.lender is
-- for a service's own connections.
local core = require "reef.pool.redis.core"
local errors = require "reef.channel.error"

---@class reef.pool.lender: redis.lender
local lender = {}
lender.__index = lender

---@param client table  {remote=, where=, objects=, reopen=}
function lender.new(client)
	return setmetatable({ client = client, taken = {} }, lender)
end

local function closed(client, why)
	return errors.new({ code = "closed", outcome = "not sent", host = client.where }, why)
end

-- Called instead of a command when the pool's service is gone.
local function lost(_, db)
	error(closed(db[2], "the connection of this transaction was lost; nothing of it is applied"), 0)
end

function lender:take(seconds)
	local client = self.client
	local pin = client.remote:pin(seconds)
	if not pin then
		client.reopen(client)
		pin = client.remote:pin(seconds)
	end
	if not pin then
		error(closed(client, "the pool is gone"), 0)
	end
	local entry = { pin = pin }
	self.taken[pin] = entry
	return entry
end

function lender:give(entry, clean)
	self.taken[entry.pin] = nil
	self.client.remote:unpin(entry.pin, clean)
end

function lender:alive(entry)
	return self.taken[entry.pin] == entry
end

function lender:handle(entry, seconds)
	return core.handle(self.client.remote, seconds, entry.pin, self.client.objects, nil, lost)
end

function lender:bound(n)
	self.client.remote:bound(n)
end

---A request on that connection has failed.
---@param pin integer
function lender:failed(pin)
	local entry = self.taken[pin]
	if entry then
		self.own:lost(entry)
	end
end

function lender:close()
end

return lender
