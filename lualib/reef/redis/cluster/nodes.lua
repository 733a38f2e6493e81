-- The nodes of a Redis Cluster that a client is connected to, each a db of its own: opened when they are needed, left
-- when they are masters no more, closed when no map has them.
local config = require "reef.redis.config"
local map = require "reef.redis.cluster.map"
local skynet = require "skynet"

local SILENT = 0.5 -- seconds without a reply after which the cluster is looked at
local GRACE = 0.5  -- seconds for a master that is none any more to answer what is on its way
local LINGERS = 10 -- seconds until a node that has left is closed, where calls have no time-out

---@class redis.cluster.node
---@field address string
---@field db redis.db
---@field reader redis.db|nil   the same, where replicas answer

local nodes = {}

---Ends the connections of a node.
---@param self redis.cluster.client
---@param node redis.cluster.node
function nodes.close(self, node)
	for _, db in ipairs { node.db, node.reader } do
		if self.close_db then
			self.close_db(db)
		else
			pcall(db.disconnect, db)
		end
	end
end

-- A node that was a master, and hangs: nobody waits for it now that there is another. One that lives has answered by
-- MOVED long before.
local function leave(self, node)
	skynet.timeout(math.ceil(GRACE * 100), function()
		local known = self.topology.map
		local db = node.db
		if self.closed or known and known:is_master(node.address) or not db[1] or not db[2].link then
			return
		end
		local info = db[2].link.connection:info()
		if info.in_flight > 0 and info.replies == node.replies then
			db[2].link.connection:close "it is a master no more, and silent"
		end
	end)
	node.replies = node.db[2].link and node.db[2].link.connection:info().replies
end

-- A node that is frozen says nothing, and nobody else says anything about it: who waits for it in silence looks whether
-- there is another by now. Runs only while something is on its way.
local function guard(weak)
	while true do
		skynet.sleep(math.ceil(SILENT * 100))
		local self, busy = weak.client, false
		if not self or self.closed then
			return
		end
		for _, node in pairs(self.nodes) do
			local status = node.db:status()
			if status.in_flight > 0 then
				busy = true
				if node.seen == status.replies then
					self.topology:refresh()
				end
			end
			node.seen = status.replies
		end
		if not busy then
			self.guarded = false
			return
		end
	end
end

---Something is on its way to one of the nodes, which nobody guards.
---@param self redis.cluster.client
function nodes.guard(self)
	self.guarded = true
	skynet.fork(guard, setmetatable({ client = self }, { __mode = "v" }))
end

---There is another map. What is on its way to a node that has left is finished first.
---@param self redis.cluster.client
---@param fresh redis.cluster.map
function nodes.prune(self, fresh)
	for address, node in pairs(self.nodes) do
		local is = fresh:is_master(address)
		if node.was_master and not is then
			leave(self, node)
		end
		node.was_master = is
	end
	for address, node in pairs(self.nodes) do
		if not fresh.nodes[address] then
			self.nodes[address] = nil
			skynet.timeout(math.ceil((self.conf.timeout > 0 and self.conf.timeout or LINGERS) * 100), function()
				-- Others use a pool, too, and so do we if the node is back.
				local known = self.topology.map
				if not (self.close_db and known and known.nodes[address]) then
					nodes.close(self, node)
				end
			end)
		end
	end
end

-- There is room for one more: an idle one goes.
local function make_room(self)
	local n = 0
	for _ in pairs(self.nodes) do
		n = n + 1
	end
	for address, node in pairs(self.nodes) do
		if n < self.most then
			return
		elseif node.db:status().in_flight == 0 then
			self.nodes[address], n = nil, n - 1
			nodes.close(self, node)
		end
	end
end

---The node of an address, as a db that connects when it is asked something.
---@param self redis.cluster.client
---@param address string
---@return redis.cluster.node
function nodes.get(self, address)
	local node = self.nodes[address]
	if not node then
		if self.most then
			make_room(self)
		end
		local place = self.topology.map and self.topology.map.nodes[address]
		local host, port = map.split(address)
		host, port = place and place.host or host, place and place.port or port
		local conf = config.node(self.conf, host, port)
		node = { address = address, host = host, port = port, db = self.open(conf), views = {} }
		self.nodes[address] = node
	end
	return node
end

---The node's db for what may be read on a replica: its connections have said READONLY.
---@param self redis.cluster.client
---@param node redis.cluster.node
---@return redis.db
function nodes.reader(self, node)
	if not node.reader then
		node.reader = self.open(config.node(self.conf, node.host, node.port, { setup = { READONLY = { "READONLY" } } }))
	end
	return node.reader
end

return nodes
