-- One client of a Redis Cluster: its nodes, each a db of its own, and the way of a command to the right one.
--
-- A command goes to the node that the map names. What a node says no to with MOVED, ASK, TRYAGAIN and the like was not
-- applied, and neither was what has not been sent: both are tried again where they belong, until the time of the call
-- is over. What may have been applied is never sent twice.
local now = require "reef.base.now"
local backoff = require "reef.backoff"
local commands = require "reef.redis.commands"
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local map = require "reef.redis.cluster.map"
local readers = require "reef.redis.cluster.readers"
local skynet = require "skynet"

local SLOTS = 16384
local MOST_REDIRECTIONS = 16
local PATIENT_REDIRECTIONS = 4   -- without a pause
local FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.25
local WITHOUT_TIMEOUT = 10       -- seconds that a call without a deadline tries again
local SILENT = 0.5               -- seconds without a reply after which the cluster is looked at
local GRACE = 0.5                -- seconds for a master that is none any more to answer what is on its way
local SHUNNED = 1                -- seconds for which a replica that failed is not read from

---@class redis.cluster.node
---@field address string
---@field db redis.db
---@field reader redis.db|nil   the same, where replicas answer

---@class redis.cluster.client
---@field conf table
---@field topology redis.cluster.topology
---@field nodes table<string, redis.cluster.node>
---@field most integer|nil                          nodes that are connected to at the same time
---@field acknowledged table<any, fun(slot: integer, address: string)>  told of what has been written, and may wait
local client = {}
client.__index = client

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

-- ---- nodes ----

local function close_node(self, node)
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
		if self.closed or known and known:is_master(node.address) or not db[2].link then
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

-- What is on its way to a node that has left is finished first.
function client:prune(fresh)
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
			skynet.timeout(math.ceil((self.conf.timeout > 0 and self.conf.timeout or WITHOUT_TIMEOUT) * 100), function()
				-- Others use a pool, too, and so do we if the node is back.
				local known = self.topology.map
				if not (self.close_db and known and known.nodes[address]) then
					close_node(self, node)
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
			close_node(self, node)
		end
	end
end

---@param address string
---@return redis.cluster.node
function client:node(address)
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

-- What is read on a replica goes through connections that said READONLY.
local function reader_of(self, node)
	if not node.reader then
		node.reader = self.open(config.node(self.conf, node.host, node.port, { setup = { READONLY = { "READONLY" } } }))
	end
	return node.reader
end

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
			return node, reader_of(self, node)
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

-- ---- trying again ----

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

-- Not applied, and somebody else may do it soon, or the same in a moment.
local passing = {
	CLUSTERDOWN = true, TRYAGAIN = true, LOADING = true, MASTERDOWN = true, READONLY = true, UNBLOCKED = true,
}
local stays = { TRYAGAIN = true }
local unreachable = { connect = true, closed = true, protocol = true, ended = true }

---What is to be done about an error: "moved", "ask", "wait", or nil: it is the caller's.
---@param err any
---@return "moved"|"ask"|"wait"|nil what
---@return string|nil address  with moved and ask
function client:judge(node, err)
	if not errors.is(err) then
		return nil
	end
	if err.outcome == "rejected" then
		local code = err.code
		if code == "MOVED" or code == "ASK" then
			local where, text = err.message:match "^%u+ (%d+) (%S*)"
			local host, port = map.split(text or "")
			local slot = math.tointeger(tonumber(where))
			if not map.is_port(port) or not slot or slot >= SLOTS then
				return nil
			elseif host == "" or host == "?" then
				host = node.host
			end
			local address = self.topology:moved(code == "MOVED" and slot or nil, host, port)
			return address and code:lower() or "wait", address
		elseif passing[code] then
			if not stays[code] then
				self.topology:refresh()
			end
			return "wait"
		end
	elseif unreachable[err.code] or err.code == "timeout" then
		self.topology:refresh()
		node.shunned = now() + SHUNNED
		return err.outcome == "not sent" and unreachable[err.code] and "wait" or nil
	end
	return nil
end

---The db with a time-out for what is left.
function client.within(db, left, rule)
	return rule and rule.blocks and db or db:with { timeout = math.max(left, 0.001) }
end

-- The same command, behind an ASKING in the same packet.
local function ask(db, spec, ...)
	local list = spec.list_of(...)
	local ops, results = { { "ASKING" }, table.move(list, 1, list.n, 2, { spec.command, n = list.n + 1 }) }, {}
	if spec.ordinary then
		core.pipeline(db, ops, results)
	elseif spec.waits then
		commands.blocking(spec.command, function(mine)
			core.pipeline(mine, ops, results)
		end)(db, ...)
	else
		db:pipeline(ops, results)
	end
	local reply = results[2]
	if not reply.ok then
		-- Nested errors stay what they are.
		error(type(reply.out) == "table" and reply.out
			or errors.new { code = reply.out:match "^%S+", outcome = "rejected", message = reply.out }, 0)
	end
	return spec.answer(reply.out)
end

local function too_many(self, err)
	self:refuse("redirections", "Too many Cluster redirections? (last: " .. err.message .. ")")
end

-- The pause before another attempt; raises when there is no time for it.
local function pause(self, until_then, pauses, err)
	local left = until_then - now()
	if left <= 0 then
		self:raise(err)
	end
	self.topology:wait(math.max(math.min(backoff(pauses + 1, FIRST_PAUSE, LONGEST_PAUSE), left), 0.01))
end

---The node has done something in a slot that may be a write: tells who wants to know, before the caller goes on.
---@param node redis.cluster.node
---@param slot integer|false|nil
function client:acknowledge(node, slot)
	if slot then
		for _, f in pairs(self.acknowledged) do
			f(slot, node.address)
		end
	end
end

-- A node that is asked since a slot is under way does not have it yet.
local function done(self, spec, slot, node, asking)
	if next(self.acknowledged) and not spec.rule.reads and not spec.parts and not asking then
		self:acknowledge(node, slot)
	end
end

-- Another attempt, and another, until it is done or the time is over. `node`, `err`: of the attempt before.
local function again(self, view, spec, slot, since, node, err, ...)
	local until_then = since + self:seconds_of(view)
	if spec.rule.blocks then
		until_then = now() + self:seconds_of(view)
	end
	-- Whoever reads where he can may do so twice.
	local harmless = spec.rule.reads and self.conf.read ~= "master"
	local redirections, pauses = 0, 0
	while true do
		local what, address, asking, db
		if node then
			what, address = self:judge(node, err)
			if not what and not (harmless and errors.is(err) and err.outcome ~= "rejected") then
				self:raise(err)
			end
		else
			self.topology:refresh()
			err, what = self:unknown(slot), "wait"
		end
		self.retries = self.retries + 1
		-- ASKING is for one command: what is watched has to be there for the whole of a transaction.
		what = what == "ask" and spec.command == "WATCH" and "wait" or what
		if what == "moved" or what == "ask" then
			self.redirections, redirections = self.redirections + 1, redirections + 1
			if redirections > MOST_REDIRECTIONS then
				too_many(self, err)
			elseif redirections > PATIENT_REDIRECTIONS then
				pause(self, until_then, pauses, err)
				pauses = pauses + 1
			end
			node, asking = self:node(address), what == "ask"
			db = node.db
		else
			pause(self, until_then, pauses, err)
			pauses = pauses + 1
			node, db = self:choose(spec.rule, slot)
		end
		if node then
			local left = until_then - now()
			if left <= 0 then
				self:raise(err)
			end
			db = client.within(db, left, spec.rule)
			if self.lane and slot then
				self.lane(db, slot)
			end
			local ok, reply
			if asking then
				ok, reply = pcall(ask, db, spec, ...)
			else
				ok, reply = pcall(spec.method, db, ...)
			end
			if ok then
				done(self, spec, slot, node, asking)
				return reply, node
			end
			err = reply
		end
	end
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
		return again(self, view, spec, slot, since, nil, nil, ...)
	end
	if not self.guarded then
		self.guarded = true
		skynet.fork(guard, setmetatable({ client = self }, { __mode = "v" }))
	end
	if view[3] then
		db = node.views[db] and node.views[db][view[3]] or client.view_within(node, db, view[3])
	end
	if self.lane and slot then
		self.lane(db, slot)
	end
	local ok, reply = pcall(spec.method, db, ...)
	if ok then
		done(self, spec, slot, node)
		return reply, node
	end
	return again(self, view, spec, slot, since, node, reply, ...)
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
		close_node(self, node)
	end
end

return client
