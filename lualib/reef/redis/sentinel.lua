-- Where the master is, as Redis Sentinels know it: asked at every connect, and heard when it changes.
--
-- Any Sentinel may be dead, frozen or cut off: the others are asked then. What one says is not believed blindly: who
-- has connected asks the server for its ROLE, and comes back when that is no master.
-- https://redis.io/docs/latest/develop/reference/sentinel-clients
local now = require "reef.base.now"
local ask_first = require "reef.redis.ask_first"
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local fields_of = require "reef.redis.fields"
local map = require "reef.redis.cluster.map"
local pubsub = require "reef.redis.pubsub"
local readers = require "reef.redis.sentinel.readers"
local shuffle = require "reef.shuffle"
local skynet = require "skynet"

local HEARTBEAT = 5 -- seconds
local LOOK = 3      -- seconds that asking after a gap may take
local DOUBTED = 5   -- seconds for which Sentinels may contradict what is known before they are believed
local MOST = 64     -- Sentinels that are known at the same time

---@class redis.sentinel
---@field asked integer       times that Sentinels were asked
---@field changes integer     times that they told of another master
---@field current string|nil   "host:port" of the last master that they told of
---@field epoch integer        of the newest configuration that was seen
---@field heard string|nil      the Sentinel that has answered last, and heard_at: when
---@field doubted number|nil    when a Sentinel first said what is older, and no other has confirmed ours since
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

-- In an order by chance, so that one that is out of date is not asked again and again; last of all who has just been
-- heard: to be asked again so soon means that what he said has led nowhere.
local function in_turn(self)
	local list = shuffle(table.move(self.places, 1, #self.places, 1, {}))
	for i, place in ipairs(list) do
		if self.heard and now() - self.heard_at < LOOK and config.where(place.host, place.port) == self.heard then
			table.insert(list, table.remove(list, i))
			break
		end
	end
	return list
end

-- What a Sentinel says of a place, as we reach it; nil: it makes no sense.
---@return string|nil host, integer|nil port
local function place_of(self, host, port)
	port = math.tointeger(tonumber(port))
	if type(host) == "string" and host ~= "" and map.is_port(port) then
		return map.reach(self.conf, host, port)
	end
end

-- Sentinels that those we know have heard of.
local function learn(self, db)
	local ok, reply = pcall(command, db, "SENTINELS", self.conf.master)
	for _, item in ipairs(ok and type(reply) == "table" and reply or {}) do
		local fields = type(item) == "table" and fields_of(item) or {}
		local host, port = place_of(self, fields.ip, fields.port)
		if host then
			local where = config.where(host, port)
			if not self.known[where] and #self.places < MOST then
				self.known[where] = true
				table.insert(self.places, { host = host, port = port })
			end
		end
	end
end

-- What a Sentinel knows that was frozen or cut off: others have told of a newer configuration. When for a while nobody
-- knows better, it is believed after all: Sentinels may have been made anew.
local function is_behind(self, epoch)
	return epoch and epoch < self.epoch and not (self.doubted and now() - self.doubted > DOUBTED)
end

local function ask_master(self)
	local words = { { "SENTINEL", "MASTER", self.conf.master },
		{ "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.conf.master } }
	return function(db, conf)
		local replies = {}
		core.pipeline(db, words, replies)
		local state, reply = replies[1], replies[2]
		if not reply.ok then
			return nil, tostring(reply.out)
		end
		local host, port = place_of(self, type(reply.out) == "table" and reply.out[1],
			type(reply.out) == "table" and reply.out[2])
		if not host then
			return nil, ("the Sentinel %s knows no master %s"):format(conf.where, self.conf.master)
		end
		local epoch = state.ok and math.tointeger(tonumber(fields_of(state.out)["config-epoch"])) or nil
		if is_behind(self, epoch) then
			self.doubted = self.doubted or now()
			return nil, ("what the Sentinel %s knows is out of date"):format(conf.where)
		end
		learn(self, db)
		return { host = host, port = port, epoch = epoch }
	end
end

-- What it has said is the newest that we know of.
local function believe(self, found)
	self.epoch, self.doubted = found.epoch or self.epoch, nil
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
	local found = ask_first(confs_of(self), LOOK, ask_master(self))
	if found and not is_behind(self, found.epoch) and not self.closed then
		believe(self, found)
		if config.where(found.host, found.port) ~= self.current then
			switched(self, found.host, found.port)
		end
	end
end

---Where to connect.
---@param seconds number  that asking may take
---@return string|nil host, integer|string port  or why nobody knows
function sentinel:resolve(seconds)
	self.asked = self.asked + 1
	seconds = seconds > 0 and seconds or 5
	local until_then = now() + seconds
	local elsewhere = config.reads_elsewhere(self.conf)
	local where, why, who = ask_first(confs_of(self), seconds,
		(elsewhere and readers.ask or ask_master)(self, ask_master))
	self.heard, self.heard_at = who and who.where, now()
	if not where then
		return nil, ("no Sentinel %s: %s"):format(tostring(why):find("knows no master", 1, true) and "names a master"
			or "answers", tostring(why))
	elseif elsewhere then
		where = readers.choose(self, where, until_then - now())
		return where.host, where.port
	end
	believe(self, where)
	self.current = self.current or config.where(where.host, where.port)
	return where.host, where.port
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
			local name, host, port = tostring(data):match "^(%S+) %S+ %S+ (%S+) (%d+)$"
			host, port = place_of(self, host, port)
			if host and name == self.conf.master then
				switched(self, host, port)
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
	if not config.reads_elsewhere(conf) then
		skynet.fork(listen, setmetatable({ sentinel = self }, { __mode = "v" }), conf)
	end
	return self
end

return sentinel
