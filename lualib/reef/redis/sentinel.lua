-- Where the master is, as Redis Sentinels know it: asked at every connect, and heard when it changes.
--
-- Any Sentinel may be dead, frozen or cut off: the others are asked then. What one says is not believed blindly: who
-- has connected asks the server for its ROLE, and comes back when that is no master.
-- https://redis.io/docs/latest/develop/reference/sentinel-clients
local ask_first = require "reef.redis.ask_first"
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local fields_of = require "reef.redis.fields"
local map = require "reef.redis.cluster.map"
local pubsub = require "reef.redis.pubsub"
local skynet = require "skynet"

local HEARTBEAT = 5 -- seconds
local LOOK = 3      -- seconds that asking after a gap may take

---@class redis.sentinel
---@field asked integer       times that Sentinels were asked
---@field changes integer     times that they told of another master
---@field current string|nil   "host:port" of the last master that they told of
---@field epoch integer        of the newest configuration that was seen
local sentinel = {}
sentinel.__index = sentinel

local command = core.command "SENTINEL"

-- The conf of one Sentinel: nothing of who we are at the servers is for it.
local function conf_of(conf, place, more)
	local one = {
		resp = 2, tls = conf.sentinel_tls or false, username = conf.sentinel_username or false,
		auth = conf.sentinel_auth or false, db = false, read = "master", credentials = false,
		resolve = false, role = false, kind = false, gap = false,
	}
	for name, value in pairs(more or {}) do
		one[name] = value
	end
	return config.node(conf, place.host, place.port, one)
end

-- In an order by chance, so that one that is out of date is not asked again and again.
local function in_turn(self)
	local list = table.move(self.places, 1, #self.places, 1, {})
	for i = #list, 2, -1 do
		local j = math.random(i)
		list[i], list[j] = list[j], list[i]
	end
	return list
end

-- Sentinels that those we know have heard of.
local function learn(self, db)
	local ok, reply = pcall(command, db, "SENTINELS", self.conf.master)
	for _, item in ipairs(ok and type(reply) == "table" and reply or {}) do
		local fields = fields_of(item)
		local port = math.tointeger(tonumber(fields.port))
		if fields.ip and port then
			local host
			host, port = map.reach(self.conf, fields.ip, port)
			local where = config.where(host, port)
			if not self.known[where] then
				self.known[where] = true
				table.insert(self.places, { host = host, port = port })
			end
		end
	end
end

local function ask_master(self)
	return function(db, conf)
		local reply = command(db, "GET-MASTER-ADDR-BY-NAME", self.conf.master)
		if type(reply) ~= "table" or not tonumber(reply[2]) then
			return nil, ("the Sentinel %s knows no master %s"):format(conf.where, self.conf.master)
		end
		learn(self, db)
		return { host = reply[1], port = math.tointeger(tonumber(reply[2])) }
	end
end

local function is_well(fields)
	return not (fields.flags or ""):find "down" and not (fields.flags or ""):find "disconnected"
		and fields["master-link-status"] ~= "err"
end

local function ask_replica(self)
	local master = ask_master(self)
	return function(db, conf)
		local list = {}
		for _, item in ipairs(command(db, "REPLICAS", self.conf.master)) do
			local fields = fields_of(item)
			if is_well(fields) then
				list[#list + 1] = { host = fields.ip, port = math.tointeger(tonumber(fields.port)) }
			end
		end
		return list[math.random(math.max(#list, 1))] or master(db, conf)
	end
end

-- The master and the epoch of what the Sentinel knows: one that has been cut off is behind.
local function ask_epoch(self)
	return function(db)
		local fields = fields_of(command(db, "MASTER", self.conf.master))
		local epoch = math.tointeger(tonumber(fields["config-epoch"]))
		if not epoch or epoch < self.epoch then
			return nil, "it is out of date"
		end
		local reply = command(db, "GET-MASTER-ADDR-BY-NAME", self.conf.master)
		return { host = reply[1], port = math.tointeger(tonumber(reply[2])), epoch = epoch }
	end
end

local function confs_of(self)
	local confs = {}
	for i, place in ipairs(in_turn(self)) do
		confs[i] = conf_of(self.conf, place)
	end
	return confs
end

-- There is another master.
local function switched(self, host, port)
	self.current = config.where(host, port)
	self.changes = self.changes + 1
	self.changed(host, port)
end

-- What was said while nobody listened is asked for.
local function look(self)
	local found = ask_first(confs_of(self), LOOK, ask_epoch(self))
	if found and found.port and found.epoch >= self.epoch and not self.closed then
		self.epoch = found.epoch
		local host, port = map.reach(self.conf, found.host, found.port)
		if config.where(host, port) ~= self.current then
			switched(self, host, port)
		end
	end
end

---Where to connect.
---@param seconds number  that asking may take
---@return string|nil host, integer|string port  or why nobody knows
function sentinel:resolve(seconds)
	self.asked = self.asked + 1
	local where, why = ask_first(confs_of(self), seconds > 0 and seconds or 5,
		self.conf.read == "replica" and ask_replica(self) or ask_master(self))
	if not where then
		return nil, ("no Sentinel %s: %s"):format(tostring(why):find("knows no master", 1, true) and "names a master"
			or "answers", tostring(why))
	end
	local host, port = map.reach(self.conf, where.host, where.port)
	self.current = self.current or config.where(host, port)
	return host, port
end

-- Hears of changes as long as somebody wants to know.
local function listen(weak, conf)
	local w
	local at = 0
	local listening = conf_of(conf, conf.sentinels[1], {
		heartbeat = HEARTBEAT,
		gap = function()
			if weak.sentinel then
				look(weak.sentinel)
			end
		end,
		resolve = function()
			local self = weak.sentinel
			if not self then
				return nil, "nobody uses it any more"
			end
			at = at % #self.places + 1
			return self.places[at].host, self.places[at].port
		end,
	})
	while weak.sentinel and not weak.sentinel.closed do
		local ok
		ok, w = pcall(pubsub.new, listening, nil, true)
		if ok then
			break
		end
		skynet.sleep(100)
	end
	if not weak.sentinel or weak.sentinel.closed then
		return
	end
	weak.sentinel.watch = w
	pcall(w.subscribe, w, "+switch-master")
	while weak.sentinel and not weak.sentinel.closed do
		local ok, data = pcall(w.message, w)
		local self = weak.sentinel
		if ok and self and not self.closed then
			local name, host, port = data:match "^(%S+) %S+ %S+ (%S+) (%d+)"
			if name == self.conf.master then
				switched(self, map.reach(self.conf, host, math.tointeger(tonumber(port))))
				skynet.fork(look, self)
			end
		elseif not ok then
			skynet.sleep(50)
		end
	end
	w:disconnect()
end

function sentinel:close()
	self.closed = true
	if self.watch then
		self.watch:disconnect()
	end
end

---@param conf table                                of the deployment: sentinels, master
---@param changed fun(host: string, port: integer)  told when there is another master
---@return redis.sentinel
function sentinel.new(conf, changed)
	local self = setmetatable({ conf = conf, changed = changed, asked = 0, changes = 0, epoch = 0, places = {},
		known = {} }, {
		__index = sentinel,
		-- Its subscriber may be gone already when the whole VM ends.
		__gc = function(dead)
			pcall(sentinel.close, dead)
		end,
	})
	for i, place in ipairs(conf.sentinels) do
		self.places[i], self.known[config.where(place.host, place.port)] = place, true
	end
	if conf.read ~= "replica" then
		skynet.fork(listen, setmetatable({ sentinel = self }, { __mode = "v" }), conf)
	end
	return self
end

return sentinel
