-- Watches one server: asks hello every heartbeat, sooner when somebody wants to know, and says what it heard. A server
-- that can is asked once and then speaks up by itself when something changes (a stream of replies).
local bson = require "bson"
local handshake = require "skynet.db.mongo.handshake"
local selection = require "skynet.db.mongo.selection"
local skynet = require "skynet"

local monitor = {}
monitor.__index = monitor

-- A server is not asked more often than this, in seconds.
local SMALLEST_INTERVAL = 0.5

local function now()
	return skynet.hpc() / 1e9
end

-- As it has to be sent back: the counter is an int64.
local function topology_version(reply)
	local version = reply.topologyVersion
	return version and { processId = version.processId, counter = bson.int64(version.counter) }
end

---@param address string
---@param options { heartbeat: number, timeout: number, stream: boolean, appName: string|nil, tls: table|nil } seconds
---@param hooks { heard: fun(hello: table, rtt: number), lost: fun(err: any), on_event: fun(event: table)|nil }
function monitor.new(address, options, hooks)
	local self = setmetatable({ address = address, options = options, hooks = hooks, checks = 0 }, monitor)
	skynet.fork(self.run, self)
	return self
end

function monitor:emit(name, fields)
	if self.hooks.on_event then
		fields = fields or {}
		fields.name, fields.address = name, self.address
		self.hooks.on_event(fields)
	end
end

-- hello's reply, or nil and an error.
function monitor:ask()
	local timeout = self.options.timeout
	if not self.connection then
		local connection, err = handshake.connect(self.address,
			{ appName = self.options.appName, tls = self.options.tls }, timeout)
		if not connection then
			return nil, err
		end
		self.connection = connection
		return connection.hello
	end
	local raw = self.connection.raw
	local reply, err
	if raw:streaming() then
		reply, err = raw:receive(self.options.heartbeat + timeout)
	elseif self.version then
		reply, err = raw:request(self.options.heartbeat + timeout, "e", "hello", nil, nil, "hello", 1, "helloOk", true,
			"topologyVersion", self.version, "maxAwaitTimeMS", math.floor(self.options.heartbeat * 1000), "$db", "admin")
	else
		reply, err = raw:request(timeout, "", "hello", nil, nil, "hello", 1, "helloOk", true, "$db", "admin")
	end
	if not reply then
		self:disconnect()
	end
	return reply, err
end

-- Does the next reply come when something happens, rather than at once?
function monitor:awaits()
	return self.connection ~= nil and (self.version ~= nil or self.connection.raw:streaming())
end

function monitor:disconnect()
	if self.connection then
		self.connection.raw:close()
		self.connection = nil
	end
end

function monitor:check()
	local awaited = self:awaits()
	self:emit("ServerHeartbeatStarted", { awaited = awaited })
	local started = now()
	local reply, err = self:ask()
	local duration = now() - started
	if self.over then
		return true
	end
	self.checks = self.checks + 1
	if not reply then
		self.average, self.version = nil, nil
		self:emit("ServerHeartbeatFailed", { duration = duration, failure = err })
		self.hooks.lost(err)
		return false
	end
	if not awaited then
		self.average = selection.average(self.average, duration * 1000)
	end
	self.version = self.options.stream and reply.ok == 1 and topology_version(reply) or nil
	self:emit("ServerHeartbeatSucceeded", { duration = duration, reply = reply })
	self.hooks.heard(reply, self.average)
	return true
end

function monitor:run()
	local known = false
	while not self.over do
		local started = now()
		self.wanted = false
		local called, ok = pcall(self.check, self)
		if not called then
			-- An event function of the user's, for one. Watching goes on whatever it does.
			skynet.error("mongo: " .. tostring(ok))
			ok = false
		end
		if self.over then
			break
		end
		-- A server that was there a moment ago may have closed one connection only.
		local again = known and not ok
		known = ok
		if not again and not self:awaits() then
			self:pause(started)
		end
	end
	self:disconnect()
end

function monitor:pause(started)
	local function rest(interval)
		return math.max(0, math.ceil((started + interval - now()) * 100))
	end
	if not self.wanted then
		self.sleeping = true
		skynet.sleep(rest(self.options.heartbeat), self)
		self.sleeping = false
	end
	local left = rest(SMALLEST_INTERVAL)
	if self.wanted and left > 0 and not self.over then
		skynet.sleep(left, self)
	end
end

---Somebody waits for news of this server.
function monitor:want()
	self.wanted = true
	if self.sleeping then
		skynet.wakeup(self)
	end
end

function monitor:close()
	self.over = true
	skynet.wakeup(self)
	self:disconnect()
end

return monitor
