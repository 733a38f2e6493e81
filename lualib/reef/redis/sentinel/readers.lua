-- Which server of a deployment with Sentinels is connected to for reading: any replica, any server, or one in our zone.
--
-- Sentinels take their time to notice that a server is gone. So whoever is chosen is asked first, and the next one when
-- it does not answer; without a replica that does, the master reads.
local now = require "reef.base.now"
local ask_first = require "reef.redis.ask_first"
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local fields_of = require "reef.redis.fields"
local place = require "reef.redis.place"
local shuffle = require "reef.shuffle"
local together = require "reef.redis.together"
local zones = require "reef.redis.zones"

local ASKED_AGAIN = 60 -- seconds after which a server is asked for its zone again
local ASKING = 1       -- seconds that servers have to tell their zones

local readers = {}

local info_command = core.command "INFO"

local function is_well(fields)
	local flags = tostring(fields.flags)
	return not flags:find "down" and not flags:find "disconnected" and fields["master-link-status"] ~= "err"
end

---What a Sentinel is asked: the master, and the replicas that are well.
---@param self redis.sentinel
---@param ask_master fun(self: redis.sentinel): fun(db: table, conf: table): table|nil, string|nil
---@return fun(db: table, conf: table): table|nil, string|nil
function readers.ask(self, ask_master)
	local master_of, command = ask_master(self), core.command "SENTINEL"
	return function(db, conf)
		local master, why = master_of(db, conf)
		if not master then
			return nil, why
		end
		local replicas = {}
		local reply = command(db, "REPLICAS", self.conf.master)
		for _, item in ipairs(type(reply) == "table" and reply or {}) do
			local fields = fields_of(item)
			local port = math.tointeger(tonumber(fields.port))
			if type(fields.ip) == "string" and fields.ip ~= "" and place.is_port(port) and is_well(fields) then
				local host
				host, port = place.reach(self.conf, fields.ip, port)
				replicas[#replicas + 1] = { host = host, port = port }
			end
		end
		return { master = master, replicas = replicas }
	end
end

-- A server as one that is only asked something.
local function conf_of(self, one)
	return config.node(self.conf, one.host, one.port, { resp = 2, resolve = false, role = false, gap = false })
end

-- What the user says of these servers; else what they have said themselves, who are asked at the same time.
local function find_zones(self, list)
	local said = self.said or {}
	self.said = said
	local unknown = {}
	for _, one in ipairs(list) do
		one.where = config.where(one.host, one.port)
		local known = said[one.where]
		one.zone = zones.of(self.conf, one.host, one.port) or known and known.zone
		if not one.zone and not (known and now() - known.since < ASKED_AGAIN) then
			unknown[#unknown + 1] = one
		end
	end
	together(#unknown, function(i)
		local one = unknown[i]
		local zone = ask_first({ conf_of(self, one) }, ASKING, function(db)
			return zones.announced(info_command(db, "server")) or ""
		end)
		one.zone = zone ~= "" and zone or nil
		-- Who was silent is asked the next time.
		said[one.where] = zone and { zone = one.zone, since = now() } or nil
	end)
end

-- All that may read, whom we like best first.
local function in_order(self, found)
	local read, list = self.conf.read, found.replicas
	if read == "any" then
		list[#list + 1] = found.master
		return shuffle(list)
	end
	shuffle(list)
	list[#list + 1] = found.master
	if read == "zone" then
		find_zones(self, list)
		local near, far = {}, {}
		for _, one in ipairs(list) do
			table.insert(one.zone == self.conf.zone and near or far, one)
		end
		list = table.move(far, 1, #far, #near + 1, shuffle(near))
	end
	return list
end

---Who is to be connected to.
---@param self redis.sentinel
---@param found { master: table, replicas: table[] }
---@param seconds number  that it may take
---@return { host: string, port: integer }
function readers.choose(self, found, seconds)
	local until_then = now() + seconds
	local list, confs = in_order(self, found), {}
	if not list[2] then
		return list[1]
	end
	for i, one in ipairs(list) do
		confs[i] = conf_of(self, one)
	end
	local _, _, who = ask_first(confs, math.max(until_then - now(), 0.01) / 2, function()
		return true
	end)
	return who or list[1]
end

return readers
