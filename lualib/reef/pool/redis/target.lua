-- What the user says of a Redis pool, checked: what the pool's service needs to connect, and what tells one pool from
-- another. For the first caller of a service's target; others are told by the directory (reef.pool.redis).
local config = require "reef.redis.config"
local known = require "reef.redis.known"
local label_of = require "reef.pool.label"
local options = require "reef.pool.options"

local M = {}

---The options of the connection, out of all.
---@param target redis.conf|string
---@param given table
---@return table
function M.conf(target, given)
	local more = {}
	options.check(given, config.known, config.aliases)
	for name, value in pairs(given) do
		if not options.is(name) or name == "connect_timeout" then
			more[name] = value
		end
	end
	return config.new(target, more)
end

-- What the service needs to connect, and what tells one pool from another.
local function identity(conf, name)
	local target = {
		host = conf.host, port = conf.port, where = conf.where, username = conf.username, auth = conf.auth, db = conf.db,
		resp = conf.resp, name = conf.name, limits = conf.limits, tls = conf.tls, setup = conf.setup,
		at_once = conf.at_once, credentials = conf.credentials, info = conf.info,
	}
	if type(conf.credentials) == "function" then
		error("redis: credentials is a function, which services cannot share; give the name of a module that returns it", 0)
	end
	local key = { conf.tls and require "reef.tls".key(conf.tls) }
	if conf.kind == "sentinel" then
		local fields, who = require("reef.redis.cluster.remote").identity(conf)
		for field, value in pairs(fields) do
			target[field] = value
		end
		target.read = conf.read
		if not config.reads_elsewhere(conf) then
			target.role = "master"
		else
			name = (name or "") .. " " .. conf.read
		end
		key[#key + 1] = who
		if conf.read == "zone" then
			target.zone, target.zones = conf.zone, conf.zones
			key[#key + 1], name = require("reef.redis.zones").key(conf), name .. " " .. conf.zone
		end
	end
	for _, field in ipairs { "host", "port", "username", "auth", "db", "resp", "name", "credentials", "info" } do
		key[#key + 1] = conf[field] ~= nil and ("%s=%q"):format(field, tostring(conf[field])) or nil
	end
	if conf.setup and conf.setup.READONLY then
		key[#key + 1], name = "readonly", (name or "") .. " readonly"
	end
	local label = label_of("redis", ("%s/%d"):format(conf.where, conf.db or 0), name)
	if name then
		key[#key + 1] = ("pool=%q"):format(tostring(name))
	end
	return table.concat(key, " "), label, target
end

---A client of reef.pool.redis, as far as it is made of words.
---@param conf table
---@param given table
---@return table
function M.describe(conf, given)
	local service = options.service(given)
	local key, label, target = identity(conf, given.pool)
	return {
		key = key, label = label, target = target, options = service, conf = conf,
		where = "redis " .. conf.where, seconds = conf.timeout, objects = conf.errors == "object", limits = conf.limits,
		by_key = given.routing == "key",
	}
end

---What others who say the same of their target can be told of such a client, if that is all right: not where it depends
---on files, or where something was said about it in the log.
---@param client table
---@param target redis.conf|string
---@return table|nil
function M.common(client, target)
	if client.conf.kind or client.conf.tls then
		return nil
	end
	for name in pairs(type(target) == "table" and target or {}) do
		if known.kinds[name] == nil then
			return nil
		end
	end
	return {
		key = client.key, where = client.where, seconds = client.seconds, objects = client.objects, limits = client.limits,
		by_key = client.by_key,
	}
end

return M
