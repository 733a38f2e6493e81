-- The deployments that a process watches, each once however many clients it has. Runs in a service of its own.
--
-- Clients join (reef.mongo.view) and then wait for news with one request after the other: the answer comes when
-- what is known of the deployment differs from what they have seen. So a client that is gone is found by its request,
-- which cannot be answered any more. A deployment that nobody asks after is forgotten after a while.
local now = require "reef.base.now"
local errors = require "reef.mongo.errors"
local handshake = require "reef.mongo.handshake"
local limits = require "reef.mongo.limits"
local monitor = require "reef.mongo.monitor"
local process = require "reef.process"
local sdam = require "reef.mongo.sdam"
local srv = require "reef.mongo.srv"
local skynet = require "skynet"
require "reef.manager"
local topology = require "reef.mongo.topology"

local hub = {}

-- Seconds for which a deployment is watched without a client, and for which a client may be away between two requests.
local LINGER, AWAY = 10, 60
-- Seconds after which a deployment without servers begins anew, and heartbeats, one with an election that nobody knows.
local EMPTY, HEARTBEATS = 1, 3
-- Seconds between two questions for the hosts of a name, at least.
local LEAST_POLL = tonumber(skynet.getenv "mongo_srv_poll") or 60
-- Seconds between looks after clients that have left something to be done, and that doing it may take at a server.
local WILL_INTERVAL, WILL_TIMEOUT = 0.5, 5
-- Changes of a server's round trip (ms, and as a part of it) and of its lag (ms) that clients need not hear of at once.
local RTT_CHANGE, RTT_RATIO, LAG_CHANGE = 2, 0.25, 5000

---@class mongo.hub.client
---@field response function|nil answers its request
---@field seen integer version that it has
---@field away number since when it has no request
---@field waits_until number|nil waits for a server until then
---@field eager boolean|nil wants to hear of the next check, whatever comes of it
---@field suspects table<string, integer> number of its last report of a server that is being looked after
---@field heard table<string, integer> the same, of those that were
---@field wills table<integer, table> what servers are to be told when it has ended: address, credentials, body
---@field listens boolean|nil wants events
---@field events table[]
---@field steps string[] descriptions that it has not seen, before the current one; of those who listen

---@class mongo.hub.deployment
---@field key string
---@field topology mongo.topology_state
---@field monitors table<string, table>
---@field clients table<integer, mongo.hub.client>
---@field version integer
---@field healing table|nil a timer runs that begins it anew
---@field attending boolean|nil clients that have left wills are looked after
local deployment = {}
deployment.__index = deployment

local deployments = {} ---@type table<string, mongo.hub.deployment>
local last_id = 0

-- ---- what is known ----

---@param key string
---@param spec table hosts and options, as of a connection string
function deployment.new(key, spec)
	local self = setmetatable({
		key = key, options = spec.options, tls = spec.tls, api = spec.api, monitors = {}, clients = {}, version = 1,
		told_generations = {},
		interrupts = {},
	}, deployment)
	self.topology = topology.new(spec, function(event)
		if event.name == "ServerOpening" then
			self:watch(event.address)
		elseif event.name == "ServerClosed" then
			if self.monitors[event.address] then
				self.monitors[event.address]:close()
				self.monitors[event.address] = nil
			end
		end
	end)
	deployments[key] = self
	self.topology:open()
	self:note()
	if spec.srv then
		skynet.fork(self.poll, self, spec.srv)
	end
	return self
end

-- Follows the hosts that name servers know, while the deployment is one of mongoses or unknown.
function deployment:poll(target)
	local heartbeat = (self.options.heartbeatFrequencyMS or 10000) / 1000
	local pause = LEAST_POLL
	while deployments[self.key] == self do
		skynet.sleep(math.ceil(pause * 100))
		local kind = self.topology.description.type
		if deployments[self.key] ~= self or kind ~= "Unknown" and kind ~= "Sharded" then
			return
		end
		local hosts, ttl, strangers = srv.hosts(target)
		for _, host in ipairs(strangers) do
			skynet.error(("mongo: mongodb+srv://%s: the host '%s' does not belong to the domain"):format(target.name, host))
		end
		pause = heartbeat
		if hosts and hosts[1] then
			self.topology:replace(sdam.with_hosts(self.topology.description, hosts, target.most))
			self:publish()
			pause = math.max(LEAST_POLL, ttl)
		end
	end
end

function deployment:watch(address)
	local o = self.options
	if o.loadBalanced then
		return
	end
	self.monitors[address] = monitor.new(address, {
		heartbeat = (o.heartbeatFrequencyMS or 10000) / 1000, timeout = limits.seconds(o.connectTimeoutMS, 10000),
		appName = o.appName, tls = self.tls, api = self.api, stream = o.serverMonitoringMode ~= "poll",
	}, {
		heard = function(hello, rtt, min_rtt)
			local server = sdam.describe(address, hello)
			server.roundTripTime, server.minRoundTripTime = rtt, min_rtt
			server.lastUpdateTime = now() * 1000
			self.topology:heard(server)
			if hello.ok ~= 1 and self.topology.description.servers[address] then
				self.topology:clear(address)
			end
		end,
		measured = function(rtt, min_rtt)
			local known = self.topology.description.servers[address]
			if known and known.type ~= "Unknown" then
				local server = {}
				for key, value in pairs(known) do
					server[key] = value
				end
				server.roundTripTime, server.minRoundTripTime = rtt, min_rtt
				self.topology:heard(server)
				self:publish()
			end
		end,
		lost = function(err)
			self.topology:lost(address, tostring(err))
			-- Who does not even say hello will not answer those who wait either.
			self.interrupts[address] = errors.is(err) and err.code == "timeout" and self.topology.generations[address] or nil
		end,
		checked = function()
			self:publish(address)
		end,
		on_event = function(event)
			self:tell(event)
		end,
	})
end

-- Remembers what clients are told.
function deployment:note()
	self.told = self.topology.description
	local checks, generations = {}, {}
	for address, watcher in pairs(self.monitors) do
		checks[address] = watcher.checks
	end
	for address, generation in pairs(self.topology.generations) do
		generations[address] = generation
	end
	self.told_generations = generations
	self.packed = skynet.packstring {
		description = self.told, generations = generations, checks = checks, interrupts = self.interrupts,
	}
end

local function lag(server)
	return server.lastWriteDate and server.lastUpdateTime - server.lastWriteDate
end

-- Has the way to the server changed so far that it matters for deadlines, or for a choice?
local function is_elsewhere(before, after)
	for _, key in ipairs { "roundTripTime", "minRoundTripTime" } do
		local a, b = before[key], after[key]
		if a and b and math.abs(a - b) > math.max(RTT_CHANGE, a * RTT_RATIO) then
			return true
		end
	end
	return false
end

-- Has its lag, for a choice?
local function is_behind(before, after)
	local a, b = lag(before), lag(after)
	return (a == nil) ~= (b == nil) or (a ~= nil and math.abs(a - b) > LAG_CHANGE)
end

function deployment:has_news()
	local told, current = self.told, self.topology.description
	for address, generation in pairs(self.topology.generations) do
		if generation ~= self.told_generations[address] then
			return true
		end
	end
	if told == current then
		return false
	elseif not self.topology:same(told, current) then
		return true
	end
	local first = next(current.servers)
	local choice = next(current.servers, first) ~= nil
	for address, server in pairs(current.servers) do
		local before = told.servers[address]
		if is_elsewhere(before, server) or choice and is_behind(before, server) then
			return true
		end
	end
	return false
end

-- ---- clients ----

function deployment:answer(id, c)
	local response, events, heard, steps = c.response, c.events, c.heard, c.steps
	c.response, c.events, c.heard, c.steps, c.eager, c.waits_until = nil, {}, {}, {}, nil, nil
	c.seen, c.away = self.version, now()
	if not response(true, self.version, self.packed, events, heard, steps) then
		self:drop(id)
	end
end

-- By the specification nothing leads out of some states but a new client: what one wrong answer of a server has done
-- would last. So such a deployment is begun anew after a while. With an election that nobody knows that is long enough
-- for a primary that was cut off to have stepped down.
function deployment:heal()
	local stuck = sdam.is_stuck(self.topology.description, self.topology.first.servers)
	if not stuck or self.healing then
		self.healing = stuck and self.healing
		return
	end
	local token = {}
	self.healing = token
	local heartbeat = (self.options.heartbeatFrequencyMS or 10000) / 1000
	local seconds = stuck == "empty" and math.min(heartbeat, EMPTY) or HEARTBEATS * heartbeat
	skynet.timeout(math.ceil(seconds * 100), function()
		if self.healing == token and deployments[self.key] == self then
			self.healing = nil
			self.topology:restart()
			for _, watcher in pairs(self.monitors) do
				watcher:recheck()
			end
			self:publish()
		end
	end)
end

---Tells those who have to know.
---@param checked string|nil address of a server that was asked just now
function deployment:publish(checked)
	if self:has_news() then
		self.version = self.version + 1
		local before = self.packed
		self:note()
		for _, c in pairs(self.clients) do
			-- Who listens wants to hear of each step, also of those that come together.
			if c.listens and c.seen ~= self.version - 1 then
				c.steps[#c.steps + 1] = before
			end
		end
	elseif checked then
		self:note()
	end
	for id, c in pairs(self.clients) do
		if checked and c.waits_until and c.waits_until > now() and self.monitors[checked] then
			self.monitors[checked]:want()
		end
		if checked and c.suspects[checked] then
			c.heard[checked], c.suspects[checked] = c.suspects[checked], nil
		end
		if not c.response then
			if now() - c.away > AWAY then
				self:drop(id)
			end
		elseif c.seen ~= self.version or (checked and c.eager) or c.events[1] or next(c.heard) then
			self:answer(id, c)
		elseif checked and not c.response "TEST" then
			self:drop(id)
		end
	end
	self:heal()
end

function deployment:tell(event)
	event.failure = event.failure and tostring(event.failure)
	for id, c in pairs(self.clients) do
		if c.listens then
			c.events[#c.events + 1] = event
			if c.response then
				self:answer(id, c)
			end
		end
	end
end

-- Gives the commands that a client has left to the servers that they are for. What cannot be given is the servers' to
-- find out.
local function carry_out(self, wills)
	local by_server = {}
	for _, will in pairs(wills) do
		local key = will.address .. skynet.packstring(will.credentials)
		by_server[key] = by_server[key] or {}
		table.insert(by_server[key], will)
	end
	for _, list in pairs(by_server) do
		local connection = handshake.connect(list[1].address,
			{ credentials = list[1].credentials, appName = self.options.appName, tls = self.tls, api = self.api,
				loadBalanced = self.options.loadBalanced }, WILL_TIMEOUT)
		local deadline = now() + WILL_TIMEOUT
		for i = 1, connection and #list or 0 do
			local body = skynet.unpack(list[i].body)
			connection.raw:request(math.max(0, deadline - now()), "", body[1], nil, nil, body)
		end
		if connection then
			connection.raw:close()
		end
	end
end

-- While there are wills, clients that are gone are found soon.
function deployment:attend()
	if self.attending then
		return
	end
	self.attending = true
	skynet.fork(function()
		local any = true
		while any do
			skynet.sleep(WILL_INTERVAL * 100)
			any = false
			for id, c in pairs(self.clients) do
				if next(c.wills) ~= nil then
					any = true
					if c.response and not c.response "TEST" then
						self:drop(id)
					end
				end
			end
		end
		self.attending = false
	end)
end

function deployment:drop(id)
	local c = self.clients[id]
	self.clients[id] = nil
	if c and next(c.wills) ~= nil then
		skynet.fork(carry_out, self, c.wills)
	end
	if next(self.clients) == nil then
		self.alone = now()
		skynet.timeout(LINGER * 100, function()
			if next(self.clients) == nil and now() - self.alone >= LINGER and deployments[self.key] == self then
				deployments[self.key] = nil
				self.topology:close()
			end
		end)
	end
end

-- ---- what clients ask for ----

local function find(key, id)
	local self = deployments[key]
	return self, self and self.clients[id]
end

local command = {}

function command.JOIN(key, spec, listens)
	local self = deployments[key] or deployment.new(key, spec)
	last_id = last_id + 1
	self.clients[last_id] = {
		seen = self.version, away = now(), events = {}, steps = {}, suspects = {}, heard = {}, wills = {}, listens = listens,
	}
	skynet.retpack(last_id, self.version, self.packed)
end

-- Answered when there is something to say; with nothing at all to those who have to join again.
function command.NEWS(key, id, seen)
	local self, c = find(key, id)
	if not c then
		skynet.retpack(nil)
		return
	end
	c.seen, c.response = seen, skynet.response()
	if seen ~= self.version or c.events[1] or next(c.heard) then
		self:answer(id, c)
	end
end

function command.LEAVE(key, id)
	local self, c = find(key, id)
	if c then
		if c.response then
			c.response(true, nil)
		end
		self:drop(id)
	end
end

-- What a server is to be told when this client has ended, by the client's number for it.
function command.WILL(key, id, number, will)
	local self, c = find(key, id)
	if c then
		c.wills[number] = will
		self:attend()
	end
end

function command.REVOKE(key, id, number)
	local _, c = find(key, id)
	if c then
		c.wills[number] = nil
	end
end

function command.CARRY_OUT(key, id, number)
	local self, c = find(key, id)
	if c and c.wills[number] then
		local will = c.wills[number]
		c.wills[number] = nil
		carry_out(self, { will })
	end
end

-- Somebody waits for a server, so many seconds or until there is news. `eager`: he wants to know also of one in vain.
function command.WANT(key, id, seconds, eager)
	local self, c = find(key, id)
	if c then
		c.eager = c.eager or eager
		c.waits_until = math.max(c.waits_until or 0, now() + seconds)
		for _, watcher in pairs(self.monitors) do
			watcher:want()
		end
	end
end

-- A client met an error, its report number `n`. What a server says of itself is believed; whether it is still there is
-- found out first, before others hear of it. The client thinks the worst until it is told that this was looked into.
function command.REPORT(key, id, n, address, reply, generation)
	local self, c = find(key, id)
	local watcher = c and self.monitors[address]
	if watcher and not reply then
		c.suspects[address] = n
		watcher:recheck()
	elseif c then
		if watcher and self.topology:application_error(address, {
			type = "command", reply = reply, generation = generation, handshake_done = true,
		}) then
			watcher:recheck()
		end
		c.heard[address] = n
		self:publish()
	end
end

-- What is watched, for those who look after a process.
function command.STAT()
	local list = {}
	for key, self in pairs(deployments) do
		local clients, servers = 0, {}
		for _ in pairs(self.clients) do
			clients = clients + 1
		end
		for address, server in pairs(self.topology.description.servers) do
			servers[address] = { type = server.type, rtt = server.roundTripTime, error = server.error }
		end
		list[key] = { type = self.topology.description.type, clients = clients, servers = servers }
	end
	skynet.retpack(list)
end

function hub.run()
	skynet.start(function()
		process.daemon()
		skynet.dispatch("lua", function(_, _, name, ...)
			command[name](...)
		end)
	end)
end

return hub
