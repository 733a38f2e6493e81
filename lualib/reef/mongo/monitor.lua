-- Watches one server: asks hello every heartbeat, sooner when somebody wants to know, and says what it heard. A server
-- that can is asked once and then speaks up by itself when something changes (a stream of replies). Such a stream says
-- nothing of the way to the server, so its round trips are measured on a connection beside.
local bson = require "bson"
local now = require "reef.base.now"
local emit = require "reef.mongo.emit"
local handshake = require "reef.mongo.handshake"
local replies = require "reef.mongo.replies"
local selection = require "reef.mongo.selection"
local skynet = require "skynet"

local monitor = {}
monitor.__index = monitor
monitor.emit = emit

-- A server is not asked more often than this, in seconds.
local SMALLEST_INTERVAL = 0.5
-- So many answers in a row that came sooner than these seconds are too many.
local MOST_HASTY, HASTY = 20, 0.01
local NOTHING = {}
-- Round trips whose smallest is told.
local SAMPLES = 10

-- As it has to be sent back: the counter is an int64.
local function topology_version(reply)
	local version = reply.topologyVersion
	return version and { processId = version.processId, counter = bson.int64(version.counter) }
end

---@class mongo.monitor_hooks
---@field heard fun(hello: table, rtt: number, min_rtt: number) round trips in ms: average, smallest
---@field lost fun(err: any)
---@field measured fun(rtt: number, min_rtt: number) round trips while the server speaks up by itself
---@field checked fun() behind each of these
---@field on_event fun(event: table)|nil

---@param address string
---@param options { heartbeat: number, timeout: number, stream: boolean, appName: string|nil, tls: table|nil } seconds
---@param hooks mongo.monitor_hooks
function monitor.new(address, options, hooks)
	local self = setmetatable({ address = address, options = options, hooks = hooks, checks = 0, samples = {},
		samples_token = {} }, monitor)
	skynet.fork(self.run, self)
	if options.stream then
		skynet.fork(self.measure, self)
	end
	return self
end

-- hello's reply, or nil and an error.
function monitor:ask()
	local timeout = self.options.timeout
	if not self.connection then
		local connection, err = handshake.connect(self.address,
			{ appName = self.options.appName, tls = self.options.tls, api = self.options.api }, timeout)
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
			"topologyVersion", self.version, "maxAwaitTimeMS", math.floor(self.options.heartbeat * 1000), "$db", "admin",
			table.unpack(self.options.api or NOTHING))
	else
		reply, err = raw:request(timeout, "", "hello", nil, nil, "hello", 1, "helloOk", true, "$db", "admin",
			table.unpack(self.options.api or NOTHING))
	end
	local why = reply and replies.check_hello(reply)
	if why then
		reply, err = nil, replies.malformed(self.address, "hello", why)
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
	if not self.connection then
		self.number = (self.number or 0) + 1
	end
	local number = self.number
	local known = self.connection and self.connection.hello.connectionId
	self:emit("ServerHeartbeatStarted", { awaited = awaited, connectionId = number, serverConnectionId = known })
	local started = now()
	local reply, err = self:ask()
	local duration = now() - started
	if self.over or (not reply and self.cancelled) then
		self.cancelled, self.version = nil, nil
		return true
	end
	self.checks = self.checks + 1
	if not reply then
		self.average, self.samples, self.version = nil, {}, nil
		self:emit("ServerHeartbeatFailed", {
			awaited = awaited, duration = duration, failure = err, connectionId = number, serverConnectionId = known,
		})
		self.hooks.lost(err)
		self.hooks.checked()
		return false
	end
	if self.cancelled then
		self.cancelled = nil
		self:disconnect()
	end
	if not awaited then
		self:sample(duration)
	end
	self.version = self.options.stream and reply.ok == 1 and topology_version(reply) or nil
	self:emit("ServerHeartbeatSucceeded", {
		awaited = awaited, duration = duration, reply = reply, connectionId = number,
		serverConnectionId = self.connection and self.connection.hello.connectionId,
	})
	self.hooks.heard(reply, self.average, self.smallest)
	self.hooks.checked()
	return true
end

function monitor:sample(seconds)
	self.average = selection.average(self.average, seconds * 1000)
	table.insert(self.samples, seconds * 1000)
	if #self.samples > SAMPLES then
		table.remove(self.samples, 1)
	end
	-- One alone says too little.
	self.smallest = self.samples[2] and math.min(table.unpack(self.samples)) or 0
end

-- Measures round trips while the server speaks up by itself.
function monitor:measure()
	local connection
	local function forget()
		if connection then
			connection.raw:close()
			connection = nil
		end
	end
	while not self.over do
		skynet.sleep(math.ceil(self.options.heartbeat * 100), self.samples_token)
		if self.over then
			break
		elseif not self.version then
			forget()
		elseif not connection then
			connection = handshake.connect(self.address,
				{ appName = self.options.appName, tls = self.options.tls, api = self.options.api }, self.options.timeout)
		end
		if connection then
			local started = now()
			local reply = connection.raw:request(self.options.timeout, "", "hello", nil, nil, "hello", 1, "helloOk", true,
				"$db", "admin", table.unpack(self.options.api or NOTHING))
			if not reply then
				forget()
			elseif self.version then
				self:sample(now() - started)
				self.hooks.measured(self.average, self.smallest)
			end
		end
	end
	forget()
end

function monitor:run()
	local known, hasty = false, 0
	while not self.over do
		local started = now()
		self.wanted = false
		local called, ok = pcall(self.check, self)
		if not called then
			-- Watching goes on whatever has gone wrong, and who waits for a server is told what.
			skynet.error("mongo: " .. tostring(ok))
			self:disconnect()
			self.version = nil
			pcall(self.hooks.lost, tostring(ok))
			pcall(self.hooks.checked)
			ok = false
		end
		if self.over then
			break
		end
		-- A server that was there a moment ago may have closed one connection only.
		local again = known and not ok
		known = ok
		-- One that speaks up without an end is not listened to all the time.
		hasty = now() - started < HASTY and hasty + 1 or 0
		if not again and not self:awaits() then
			self:pause(started)
		elseif hasty > MOST_HASTY then
			hasty = 0
			self.sleeping = true
			skynet.sleep(math.ceil(SMALLEST_INTERVAL * 100), self)
			self.sleeping = false
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

---The server is suspected to be gone: it is asked again, also when it would speak up by itself.
function monitor:recheck()
	if self:awaits() then
		self.cancelled = true
		self.connection.raw:close()
	end
	self:want()
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
	skynet.wakeup(self.samples_token)
	self:disconnect()
end

return monitor
