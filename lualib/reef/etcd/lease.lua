-- Leases of etcd: what is put with one is gone some time after its holder is.

local now = require "reef.base.now"
local outage = require "reef.outage"
local skynet = require "skynet"

---@class reef.etcd.lease
---@field id integer
---@field ttl number seconds
---@field valid_until number as of reef.base.now: until then it cannot have ended, whatever the network does
local lease = {}
lease.__index = lease

---@param client reef.etcd
---@param ttl integer seconds
---@return reef.etcd.lease
function lease.grant(client, ttl)
	local began = now()
	local answer = client.members:ask("/v3/lease/grant", { TTL = tostring(ttl) }, true)
	return setmetatable({
		client = client, id = math.tointeger(tonumber(answer.ID)), ttl = tonumber(answer.TTL),
		valid_until = began + tonumber(answer.TTL),
	}, lease)
end

---Is it certain that it has not ended? A process that was stopped for a while learns here that it may have.
---@return boolean
function lease:valid()
	return not self.lost and now() < self.valid_until
end

---Prolongs it once. Raises when nobody answers.
---@return boolean alive false: it has ended
function lease:renew()
	local began = now()
	local answer = self.client.members:ask("/v3/lease/keepalive", { ID = tostring(self.id) }, true,
		began + math.max(0.2, math.min(self.client.members.timeout, self.ttl / 3)))
	local ttl = tonumber(answer.result and answer.result.TTL or "0")
	if ttl <= 0 then
		self.lost = true
		return false
	end
	self.valid_until = began + ttl
	return true
end

local function keep(self, on_lost)
	local away = outage.new "etcd: prolonging a lease"
	while not self.lost do
		skynet.sleep(math.max(1, math.floor(self.ttl * 100 / 3)))
		if self.lost then
			break
		end
		local ok, err = pcall(self.renew, self)
		if ok then
			away:ends()
		else
			away:begins(("etcd: a lease is not prolonged: %s"):format(tostring(err)))
		end
		if not self:valid() then
			break
		end
	end
	self.lost = true
	if on_lost and not self.revoked then
		on_lost(self)
	end
end

---Prolongs it again and again, three times in the time that it lasts, until it is revoked or cannot be held.
---@param on_lost? fun(lease: reef.etcd.lease) when it has ended, or may have
---@return reef.etcd.lease
function lease:keep(on_lost)
	skynet.fork(keep, self, on_lost)
	return self
end

---Ends it, and removes what was put with it.
function lease:revoke()
	self.lost, self.revoked = true, true
	self.client.members:ask("/v3/lease/revoke", { ID = tostring(self.id) }, true)
end

return lease
