-- A client's view of its deployment, which is watched once for all services of the process: see reef.mongo.hub.
--
-- A coroutine asks the hub for news as long as the view is open. What the client finds out itself it tells the hub.
local backoff = require "reef.backoff"
local sdam = require "reef.mongo.sdam"
local skynet = require "skynet"

---@class mongo.view
---@field generations table<string, integer> how often the hub has given up the connections of an address
---@field suspects table<string, { n: integer, server: mongo.server }> as servers are seen until the hub has looked
---@field wills table<integer, table> commands for servers when this service has ended
---@field checks table<string, integer> how often a server was asked since the view was opened
local view = {}
view.__index = view

local FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2

-- Options of connection strings that make a difference to what is watched, and how.
local OPTIONS = {
	"replicaSet", "directConnection", "loadBalanced", "heartbeatFrequencyMS", "connectTimeoutMS", "serverMonitoringMode",
	"appName",
}

---What the hub has to know, and what tells one deployment from another.
---@param uri mongo.uri
---@param options table
---@param tls reef.tls.options|nil
---@param api table|nil keys and values that go with each command
---@return { key: string, hosts: table, options: table, tls: table|nil, api: table|nil }
function view.target(uri, options, tls, api)
	local target, key = { hosts = uri.hosts, options = {}, tls = tls, api = api, srv = uri.target }, {}
	for i, host in ipairs(uri.hosts) do
		key[i] = ("%s:%s"):format(host.host, host.port)
	end
	for _, name in ipairs(OPTIONS) do
		target.options[name] = options[name]
		key[#key + 1] = ("%s=%s"):format(name, options[name])
	end
	if uri.target then
		-- Whatever of its hosts were chosen: all clients of a name watch the same.
		key = { ("srv=%s %s %s"):format(uri.target.name, uri.target.service, uri.target.most) }
		for _, name in ipairs(OPTIONS) do
			key[#key + 1] = ("%s=%s"):format(name, options[name])
		end
	end
	-- Clients that want to be alone with their servers name what they are.
	key[#key + 1] = options.watchedAs and "as=" .. tostring(options.watchedAs)
	for i = 1, api and #api or 0 do
		key[#key + 1] = tostring(api[i])
	end
	key[#key + 1] = tls and require "reef.tls".key(tls)
	target.key = table.concat(key, " ")
	return target
end

---@param target table what view.target answers
---@param hooks { news: fun(state: table), event: fun(event: table)|nil }
function view.new(target, hooks)
	local self = setmetatable({
		target = target, hooks = hooks, generations = {}, checks = {}, suspects = {}, reports = 0, wills = {}, last_will = 0,
	}, view)
	skynet.fork(self.run, self)
	return self
end

local function ask(self, ...)
	return skynet.call(self.hub, "lua", ...)
end

local function tell(self, name, ...)
	if self.id then
		skynet.send(self.hub, "lua", name, self.target.key, self.id, ...)
	end
end

-- News may have been on their way while we reported something.
function view:doubt(description, heard)
	for address, suspect in pairs(self.suspects) do
		if not description.servers[address] or (heard[address] or 0) >= suspect.n then
			self.suspects[address] = nil
		else
			description = sdam.update(description, suspect.server)
		end
	end
	return description
end

function view:take(version, packed, events, heard, steps)
	for _, event in ipairs(events) do
		self.hooks.event(event)
	end
	for _, step in ipairs(steps) do
		-- What was looked into came later.
		self:apply(step, {})
	end
	self.version = version
	self:apply(packed, heard)
end

-- One description of the deployment, and what goes with it.
function view:apply(packed, heard)
	local state = skynet.unpack(packed)
	state.description = self:doubt(state.description, heard)
	for address, checks in pairs(state.checks) do
		self.checks[address] = checks - (self.before[address] or 0)
	end
	self.hooks.news(state)
	self.generations = state.generations
end

function view:join()
	self.hub = skynet.uniqueservice "reef_mongo"
	local id, version, packed = ask(self, "JOIN", self.target.key, self.target, self.hooks.event ~= nil)
	self.id = id
	local state = skynet.unpack(packed)
	self.before = state.checks
	self.generations = state.generations
	self.suspects = {}
	for number, will in pairs(self.wills) do
		tell(self, "WILL", number, will)
	end
	self:take(version, packed, {}, {}, {})
end

function view:follow()
	while not self.closed do
		local version, packed, events, heard, steps = ask(self, "NEWS", self.target.key, self.id, self.version)
		if not version then
			return
		elseif not self.closed then
			self:take(version, packed, events, heard, steps)
		end
	end
end

function view:run()
	local failures = 0
	while not self.closed do
		local ok, err = pcall(self.join, self)
		if ok then
			failures = 0
			-- At the end of the process the hub goes before others do.
			ok = pcall(self.follow, self)
		else
			skynet.error("mongo: " .. tostring(err))
		end
		if not ok then
			tell(self, "LEAVE")
		end
		self.id = nil
		if not ok and not self.closed then
			failures = failures + 1
			skynet.sleep(math.ceil(backoff(failures, FIRST_PAUSE, LONGEST_PAUSE) * 100))
		end
	end
end

---Somebody waits for a server. `eager`: and wants to know when there is none.
function view:want(seconds, eager)
	tell(self, "WANT", seconds, eager)
end

---A server is suspected to be gone; or, with a reply, it said that it is not what it was.
---@param server mongo.server as it is to be seen until the hub has looked
---@param reply table|nil
function view:report(server, reply)
	local address = server.address
	self.reports = self.reports + 1
	self.suspects[address] = { n = self.reports, server = server }
	tell(self, "REPORT", self.reports, address, reply and {
		ok = reply.ok, code = reply.code, errmsg = reply.errmsg, topologyVersion = reply.topologyVersion,
		writeConcernError = reply.writeConcernError,
	}, self.generations[address])
end

---Leaves a command that the hub gives to a server when this service has ended.
---@param address string
---@param credentials mongo.credentials|nil
---@param body table keys and values in turn
---@return integer number for `revoke`
function view:leave(address, credentials, body)
	local number = self.last_will + 1
	local will = { address = address, credentials = credentials, body = skynet.packstring(body) }
	self.last_will, self.wills[number] = number, will
	tell(self, "WILL", number, will)
	return number
end

---The command is to be given now.
function view:carry_out(number)
	self.wills[number] = nil
	tell(self, "CARRY_OUT", number)
end

function view:revoke(number)
	self.wills[number] = nil
	tell(self, "REVOKE", number)
end

function view:close()
	self.closed = true
	tell(self, "LEAVE")
end

return view
