-- Deployments whose members name servers know: mongodb+srv://. By the specifications "Initial DNS Seedlist Discovery"
-- and "Polling SRV Records for mongos Discovery".
local dns = require "reef.dns"
local uri = require "reef.mongo.uri"
local shuffle = require "reef.shuffle"

local srv = {}

---@class mongo.srv
---@field name string of the connection string
---@field service string
---@field most integer|nil hosts at most; nil: all

-- Options that a TXT record may have.
local allowed = { authSource = true, replicaSet = true, loadBalanced = true }

local function fail(name, format, ...)
	error(("mongo: mongodb+srv://%s: %s"):format(name, format:format(...)), 0)
end

-- The rest of a name that all of its hosts have to have; and whether they have to have more than that.
local function domain_of(name)
	local _, dots = name:gsub("%.", "")
	if dots < 2 then
		return name:lower()
	end
	return name:match "^[^.]*%.(.*)$":lower()
end

---Does a name server's word about a host count?
---@return boolean
function srv.belongs(name, host)
	local ending = "." .. domain_of(name)
	host = host:lower()
	return #host > #ending and host:sub(-#ending) == ending
end

---The hosts that have the service now.
---@param target mongo.srv
---@return mongo.host[]|nil hosts those that belong to the name
---@return integer|string ttl or why not
---@return string[] strangers hosts that do not
function srv.hosts(target)
	local records, ttl = dns.srv(("_%s._tcp.%s"):format(target.service, target.name))
	if not records then
		return nil, ttl, {}
	end
	local hosts, strangers = {}, {}
	for _, record in ipairs(records) do
		local host = record.target:gsub("%.$", "")
		if record.port < 1 or not srv.belongs(target.name, host) then
			strangers[#strangers + 1] = host
		else
			hosts[#hosts + 1] = { host = host, port = record.port, type = "hostname" }
		end
	end
	return hosts, ttl, strangers
end

---Puts a list into an order by chance and keeps `most` of it.
function srv.choose(list, most)
	if not most or most == 0 or most >= #list then
		return list
	end
	return table.move(shuffle(list), 1, most, 1, {})
end

local function read_texts(parsed, name)
	local texts, why = dns.txt(name)
	if not texts then
		fail(name, "its options cannot be found: %s", why)
	elseif #texts > 1 then
		fail(name, "more than one TXT record")
	elseif not texts[1] then
		return
	end
	local found = uri.options(texts[1])
	for _, option in ipairs(found.names) do
		if not allowed[option] then
			fail(name, "a TXT record has the option '%s', which only the connection string may have", option)
		end
	end
	for option, value in pairs(found.options) do
		if parsed.options[option] == nil then
			parsed.options[option] = value
		end
	end
	table.move(found.warnings, 1, #found.warnings, #parsed.warnings + 1, parsed.warnings)
end

---Asks name servers for what a connection string leaves open: hosts, and options that it does not give. Raises what is
---wrong with the answers, or that there is none.
---@param parsed mongo.uri of mongodb+srv
---@param given table|nil options in code, which count before all others
---@return mongo.uri parsed
function srv.resolve(parsed, given)
	local name = parsed.hosts[1].host
	given = given or {}
	local function option(key)
		if given[key] ~= nil then
			return given[key]
		end
		return parsed.options[key]
	end
	parsed.name = name
	local target = { name = name, service = option "srvServiceName" or "mongodb", most = option "srvMaxHosts" }
	local hosts, why, strangers = srv.hosts(target)
	if not hosts then
		fail(name, "its hosts cannot be found: %s", why)
	elseif strangers[1] then
		fail(name, "the host '%s' does not belong to the domain", strangers[1])
	elseif not hosts[1] then
		fail(name, "there are no SRV records")
	end
	read_texts(parsed, name)
	if parsed.options.tls == nil and given.tls == nil then
		parsed.options.tls = true
	end
	local chosen = srv.choose(hosts, target.most)
	parsed.hosts = chosen
	uri.check(parsed)
	parsed.target = not option "loadBalanced" and target or nil
	return parsed
end

return srv
