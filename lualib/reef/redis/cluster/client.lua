-- One client of a Redis Cluster: its nodes, each a db of its own, and the way of a command to the right one.
--
-- A command goes to the node that the map names, or to a replica where one may read; reef.redis.cluster.retry says what
-- becomes of it when that node does not do it.
local now = require "reef.base.now"
local errors = require "reef.channel.error"
local nodes = require "reef.redis.cluster.nodes"
local readers = require "reef.redis.cluster.readers"
local retry = require "reef.redis.cluster.retry"

local WITHOUT_TIMEOUT = 10 -- seconds that a call without a deadline tries again

---@class redis.cluster.client
---@field conf table
---@field topology redis.cluster.topology
---@field nodes table<string, redis.cluster.node>
---@field most integer|nil                          nodes that are connected to at the same time
---@field acknowledged table<any, fun(slot: integer, address: string)>  told of what has been written, and may wait
local client = {}
client.__index = client
client.node, client.prune = nodes.get, nodes.prune
client.judge, client.within, client.acknowledge = retry.judge, retry.within, retry.acknowledge

---@param conf table
---@param open fun(conf: table): table           makes a db for one node, without waiting
---@param close fun(node: table)|nil             a db of a node that has left
---@param topology fun(conf: table, changed: function): redis.cluster.topology
---@return redis.cluster.client
function client.new(conf, open, close, topology)
	local self = setmetatable({
		conf = conf, open = open, close_db = close, nodes = {}, turn = 0, transactions = {}, begun = 0,
		redirections = 0, retries = 0, acknowledged = {},
	}, client)
	local weak = setmetatable({ client = self }, { __mode = "v" })
	self.topology = topology(conf, function(fresh)
		if weak.client then
			weak.client:prune(fresh)
		end
	end)
	return self
end

-- ---- where to ----

---Where a command goes. nil: nobody knows.
---@param rule redis.cluster.rule
---@param slot integer|nil  nil: to any master
---@return redis.cluster.node|nil, redis.db|nil
function client:choose(rule, slot)
	local known = self.topology.map
	if not known then
		return nil
	end
	local address
	if not slot then
		local masters = known:masters()
		address = readers.next_of(self, masters) or masters[1]
	elseif rule.reads and self.conf.read ~= "master" then
		address = readers.choose(self, slot)
		if address and address ~= known:master(slot) then
			local node = self:node(address)
			return node, nodes.reader(self, node)
		end
	end
	address = address or known:master(slot)
	if address then
		local node = self.nodes[address] or self:node(address)
		return node, node.db
	end
end

---All masters' nodes.
---@return redis.cluster.node[]
function client:masters()
	local list = self.topology.map and self.topology.map:masters() or {}
	for i, address in ipairs(list) do
		list[i] = self:node(address)
	end
	return list
end

-- ---- what a call comes to ----

---@return number seconds
function client:seconds_of(view)
	local seconds = view[3] or self.conf.timeout
	return seconds > 0 and seconds or WITHOUT_TIMEOUT
end

---Raises what a call has come to, as the configuration wants it.
function client:raise(err)
	if errors.is(err) and err.outcome == "rejected" and self.conf.errors ~= "object" then
		error(err.message, 0)
	end
	error(err, 0)
end

---Raises since it cannot be done on a cluster: nothing was sent.
---@param code string
---@param message string
function client:refuse(code, message)
	self:raise(errors.new { code = code, outcome = "rejected", message = message })
end

---The error of a call for which there is no node.
---@param slot integer|nil
---@return reef.channel.error
function client:unknown(slot)
	local why = self.topology.map and ("nobody has slot %d"):format(slot or 0)
		or "no node of the cluster answers: " .. tostring(self.topology.why)
	return errors.new({ code = "connect", outcome = "not sent", host = "redis cluster " .. self.conf.where }, why)
end

---Does a command, wherever it has to go.
---@param view table            the db that was called
---@param spec redis.cluster.spec
---@param slot integer|nil
---@return any reply
---@return redis.cluster.node node  that did it
function client:perform(view, spec, slot, ...)
	local since = now()
	local node, db = self:choose(spec.rule, slot)
	if not node then
		return retry.again(self, view, spec, slot, since, nil, nil, ...)
	end
	if not self.guarded then
		nodes.guard(self)
	end
	if view[3] then
		db = node.views[db] and node.views[db][view[3]] or client.view_within(node, db, view[3])
	end
	if self.lane and slot then
		self.lane(db, slot)
	end
	local ok, reply = pcall(spec.method, db, ...)
	if ok then
		retry.done(self, spec, slot, node)
		return reply, node
	end
	return retry.again(self, view, spec, slot, since, node, reply, ...)
end

---The node's db with a time-out, which is asked for again and again.
function client.view_within(node, db, seconds)
	local views = node.views[db]
	if not views then
		views = {}
		node.views[db] = views
	end
	if not views.n or views.n > 8 then
		views = { n = 0 }
		node.views[db] = views
	end
	views[seconds] = db:with { timeout = seconds }
	views.n = views.n + 1
	return views[seconds]
end

---Waits for the first map; raises when there is none.
---@param seconds number
function client:prepare(seconds)
	local until_then = now() + seconds
	while not self.topology.map do
		local left = until_then - now()
		if left <= 0 or (self.topology.failures or 0) > 0 then
			error(self:unknown(), 0)
		end
		self.topology:refresh()
		self.topology:wait(left)
	end
end

function client:close()
	self.closed = true
	self.topology:close()
	for address, node in pairs(self.nodes) do
		self.nodes[address] = nil
		nodes.close(self, node)
	end
end

return client
