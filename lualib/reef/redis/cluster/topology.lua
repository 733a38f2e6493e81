-- Who has which slots, kept up to date: looks at the cluster every `refresh` seconds and when something says that it
-- has changed. One look at a time; while looks fail, the pauses between them grow.
--
-- A map comes from any node that answers: those that are known and the seeds are asked in turn. So it comes back even
-- when all nodes have new addresses, and nobody says no at the old ones, as long as one seed leads to one of them. What
-- a node says that is behind does not count (reef.redis.cluster.claims), unless for a while nobody knows better: a
-- cluster may have been made anew.
local now = require "reef.base.now"
local backoff = require "reef.backoff"
local claims = require "reef.redis.cluster.claims"
local ask_first = require "reef.redis.ask_first"
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local map = require "reef.redis.cluster.map"
local shuffle = require "reef.shuffle"
local skynet = require "skynet"

local LOOK = 3             -- seconds that a look may take
local MOST_KNOWN = 32      -- nodes that a look asks besides the seeds
local MOST_STRANGERS = 128 -- nodes that no map has, and that others name
local STRANGE = 10         -- within so many seconds
local APART = 0.05         -- between two looks, at least
local LONGEST_PAUSE = 1    -- while no node answers
local LONGEST_WAIT = 0.4   -- while they have nothing new to tell
local TOLD_AFTER = 2       -- looks in a row that failed
local DOUBTED = 5          -- seconds without anybody who confirms our map, until another is believed
local FORGOTTEN = 2        -- seconds without a look after which pauses are short again

---@class redis.cluster.topology
---@field map redis.cluster.map|nil
---@field why string|nil      why there is no map
---@field version integer     of the map
---@field looks integer       that were made
local topology = {}
topology.__index = topology

-- In one packet: were the epochs those of a later moment, an old claim would pass for a new one.
local WORDS = { { "CLUSTER", "NODES" }, { "CLUSTER", "SLOTS" } }
local shards_command = core.command "CLUSTER"

local function look_at(conf)
	return function(db, node)
		local replies = {}
		core.pipeline(db, WORDS, replies)
		local nodes, slots = replies[1], replies[2]
		local epochs = claims.epochs(nodes.ok and nodes.out)
		if slots.ok then
			return map.read(conf, "SLOTS", slots.out, node.host, epochs)
		end
		local ok, reply = pcall(shards_command, db, "SHARDS")
		if ok then
			return map.read(conf, "SHARDS", reply, node.host, epochs)
		end
		return nil, tostring(slots.out)
	end
end

-- By chance, so that one that is out of date, or those that are silent, are not asked again and again. The seeds come
-- in the order in which they were given as long as somebody answers.
local function candidates(self)
	local known, seeds, list, seen = {}, table.move(self.conf.hosts, 1, #self.conf.hosts, 1, {}), {}, {}
	for _, node in pairs(self.map and self.map.nodes or {}) do
		known[#known + 1] = node
	end
	shuffle(known)
	if self.failures > 0 then
		shuffle(seeds)
	end
	local function add(node)
		local address = node and config.where(node.host, node.port)
		if address and not seen[address] then
			seen[address] = true
			list[#list + 1] = config.node(self.conf, node.host, node.port, { resp = 2 })
		end
	end
	for i = 1, math.max(math.min(#known, MOST_KNOWN), #seeds) do
		add(i <= MOST_KNOWN and known[i] or nil)
		add(seeds[i])
	end
	return list
end

local function wake(self)
	local waiting = self.waiting
	self.waiting = {}
	for _, token in ipairs(waiting) do
		skynet.wakeup(token)
	end
end

-- Another node is asked soon when this one is behind.
local function keep_newer(self, fresh)
	local believed = not self.map or self.doubted and now() - self.doubted > DOUBTED
	if not believed and claims.keep(fresh, self.map) then
		self.doubted, self.again = self.doubted or now(), true
	else
		self.doubted = nil
	end
end

local function look(self)
	self.looks = self.looks + 1
	if now() - self.looked_at > FORGOTTEN then
		self.same = 0
	end
	local fresh, why = ask_first(candidates(self), LOOK, look_at(self.conf))
	self.looked_at = now()
	if not fresh then
		self.failures, self.why = self.failures + 1, why
		-- Calls go on trying as long as they may: the log says before that what is wrong.
		if self.failures == TOLD_AFTER then
			skynet.error(("redis cluster %s: no node answers: %s"):format(self.conf.where, why))
		end
		return
	end
	if self.failures >= TOLD_AFTER then
		skynet.error(("redis cluster %s: nodes answer again"):format(self.conf.where))
	end
	self.failures, self.why = 0, nil
	self.same = self.same + 1
	keep_newer(self, fresh)
	if not fresh:equals(self.map) then
		self.same = 0
		self.map, self.version = fresh, self.version + 1
		self.changed(fresh)
	end
end

local function pause(self)
	if self.failures > 0 then
		return backoff(self.failures, APART, LONGEST_PAUSE)
	end
	return backoff(self.same + 1, APART, LONGEST_WAIT)
end

local function run(self)
	local _ <close> = setmetatable({}, { __close = function()
		self.looking = false
		wake(self)
	end })
	repeat
		local wait = self.looked_at + pause(self) - now()
		if wait > 0 then
			skynet.sleep(math.ceil(wait * 100))
		end
		self.again = false
		look(self)
		wake(self)
	until not self.again or self.closed
end

---Looks soon, unless somebody does already. Does not wait for it.
function topology:refresh()
	if self.closed then
		return
	elseif self.looking then
		-- What that look has seen may be from before.
		self.again = self.again or now() - self.began > APART
		return
	end
	self.looking, self.began = true, now()
	skynet.fork(run, self)
end

---Waits for the end of the next look, at most so long.
---@param seconds number
function topology:wait(seconds)
	local token = {}
	table.insert(self.waiting, token)
	skynet.sleep(math.max(1, math.ceil(seconds * 100)), token)
end

-- One more that no map has. Each costs connections, so nobody can name them without end.
local function are_many(self)
	local time = now()
	if time - (self.strangers_since or -math.huge) > STRANGE then
		self.strangers, self.strangers_since = 0, time
	end
	self.strangers = self.strangers + 1
	return self.strangers > MOST_STRANGERS
end

---A node has said where a slot is.
---@param slot integer
---@param host string
---@param port integer
---@return string|nil address  as we reach it; nil: nobody has heard of so many nodes
function topology:moved(slot, host, port)
	host, port = map.reach(self.conf, host, port)
	local address = config.where(host, port)
	if self.map then
		if not self.map.nodes[address] and are_many(self) then
			self:refresh()
			return nil
		end
		self.map.nodes[address] = self.map.nodes[address] or { host = host, port = port }
		if slot and self.map:master(slot) ~= address then
			self.map.moved[slot] = address
		end
	end
	if slot then
		self:refresh()
	end
	return address
end

function topology:close()
	self.closed = true
	wake(self)
end

-- Ends when nobody uses it any more.
local function regularly(weak, seconds)
	while true do
		skynet.sleep(math.ceil(seconds * 100 * (0.75 + math.random() / 2)))
		local self = weak.topology
		if not self or self.closed then
			return
		elseif now() - self.looked_at > seconds / 2 then
			self:refresh()
		end
	end
end

---@param conf table                    of the deployment
---@param changed fun(map: redis.cluster.map)  told of every new map
---@return redis.cluster.topology
function topology.new(conf, changed)
	local self = setmetatable({
		conf = conf, changed = changed, version = 0, looks = 0, failures = 0, same = 0, looked_at = -math.huge, waiting = {},
	}, topology)
	if conf.refresh > 0 then
		skynet.fork(regularly, setmetatable({ topology = self }, { __mode = "v" }), conf.refresh)
	end
	return self
end

return topology
