-- What the operations of a file in the unified test format work on: clients with the events they saw, databases,
-- collections, sessions, threads.
local bson = require "bson"
local login = require "test.peer.login"
local match = require "test.unified.match"
local mongo = require "skynet.db.mongo"
local operations = require "test.unified.operations"
local pool = require("reef.pool").mongo
local skip = require "test.unified.skip"
local skynet = require "skynet"

local entities = {}

-- The format's names of events, and the kind of expectation that they belong to.
local events = {
	CommandStarted = { "commandStartedEvent", "command" }, CommandSucceeded = { "commandSucceededEvent", "command" },
	CommandFailed = { "commandFailedEvent", "command" },
	ConnectionPoolCreated = { "poolCreatedEvent", "cmap" }, ConnectionPoolReady = { "poolReadyEvent", "cmap" },
	ConnectionPoolCleared = { "poolClearedEvent", "cmap" }, ConnectionPoolClosed = { "poolClosedEvent", "cmap" },
	ConnectionCreated = { "connectionCreatedEvent", "cmap" }, ConnectionReady = { "connectionReadyEvent", "cmap" },
	ConnectionClosed = { "connectionClosedEvent", "cmap" },
	ConnectionCheckOutStarted = { "connectionCheckOutStartedEvent", "cmap" },
	ConnectionCheckOutFailed = { "connectionCheckOutFailedEvent", "cmap" },
	ConnectionCheckedOut = { "connectionCheckedOutEvent", "cmap" },
	ConnectionCheckedIn = { "connectionCheckedInEvent", "cmap" },
	ServerHeartbeatStarted = { "serverHeartbeatStartedEvent", "sdam" },
	ServerHeartbeatSucceeded = { "serverHeartbeatSucceededEvent", "sdam" },
	ServerHeartbeatFailed = { "serverHeartbeatFailedEvent", "sdam" },
	ServerOpening = { "serverOpeningEvent", "sdam" }, ServerClosed = { "serverClosedEvent", "sdam" },
	ServerDescriptionChanged = { "serverDescriptionChangedEvent", "sdam" },
	TopologyOpening = { "topologyOpeningEvent", "sdam" }, TopologyClosed = { "topologyClosedEvent", "sdam" },
	TopologyDescriptionChanged = { "topologyDescriptionChangedEvent", "sdam" },
}

-- Options of connection strings, by their lower-case names: those that the driver has.
local options = {}
for name in ([[appName compressors connectTimeoutMS heartbeatFrequencyMS journal localThresholdMS maxConnecting
	maxIdleTimeMS maxPoolSize maxStalenessSeconds minPoolSize readConcernLevel readPreference readPreferenceTags retryReads
	retryWrites serverMonitoringMode serverSelectionTimeoutMS timeoutMS w waitQueueTimeoutMS wTimeoutMS authMechanism
	directConnection replicaSet loadBalanced maxAdaptiveRetries enableOverloadRetargeting socketTimeoutMS
	authMechanismProperties authSource serverSelectionTryOnce srvMaxHosts srvServiceName
	zlibCompressionLevel]]):gmatch "%w+" do
	options[name:lower()] = name
end

-- Never reported: they would tell a secret, or are the runner's own.
local sensitive = {
	configureFailPoint = true, authenticate = true, saslStart = true, saslContinue = true, getnonce = true,
	createUser = true, updateUser = true,
}

-- A handshake that logs in, too: then it tells nothing.
local function is_sensitive(event)
	local handshake = ({ hello = true, ismaster = true })[(event.commandName or ""):lower()]
	return sensitive[event.commandName] or handshake and next(event.command or event.reply or { true }) == nil
end

local severity = { emergency = 0, alert = 1, critical = 2, error = 3, warning = 4, warn = 4, notice = 5, info = 6,
	debug = 7, trace = 8 }

local make = {}

local function set_of(list)
	local set = {}
	for _, name in ipairs(list or {}) do
		set[name] = true
	end
	return set
end

local function check_client(spec)
	if spec.autoEncryptOpts then
		skip "client-side encryption"
	end
end

-- What a client whose connections a pool's service has cannot have.
local function check_pooled(spec)
	local given = spec.uriOptions or {}
	if given.authMechanism == "MONGODB-OIDC" then
		skip "logging in by a function, which needs connections of one's own"
	elseif given.loadBalanced ~= nil then
		skip "load balancers, which need connections of one's own"
	elseif (spec.observeLogMessages or {}).connection then
		skip "messages about connections, which the pool's service has"
	end
end

local names = 0

function make.client(run, spec)
	check_client(spec)
	if entities.through_pools then
		check_pooled(spec)
	end
	-- A name of its own for each: clients that could, would share what watches the servers, and its events.
	names = names + 1
	local conf = { uri = run.target:uri(spec.useMultipleMongoses), lazy = true, appName = "unified-" .. names,
		watchedAs = names }
	if spec.serverApi then
		conf.serverApi = match.fields(spec.serverApi)
	end
	if (spec.uriOptions or {}).authMechanism == "MONGODB-OIDC" then
		conf.uri = conf.uri:gsub("//[^/@]*@", "//")
		function conf.oidc_callback()
			return { accessToken = login.TOKEN }
		end
	end
	for k, v in pairs(spec.uriOptions or {}) do
		local name = options[k:lower()] or skip("the option " .. k)
		-- Properties are the runner's business.
		if name ~= "authMechanismProperties" then
			conf[name] = match.plain(v)
		end
	end
	local observed, ignored = set_of(spec.observeEvents), set_of(spec.ignoreCommandMonitoringEvents)
	local known = {}
	for _, event in pairs(events) do
		known[event[1]] = true
	end
	for name in pairs(observed) do
		if not known[name] then
			skip("events of the kind " .. name)
		end
	end
	for _, event in pairs(events) do
		if entities.through_pools and event[2] == "cmap" and observed[event[1]] then
			skip "events of connections, which the pool's service has"
		end
	end
	local logs, wanted = {}, match.fields(spec.observeLogMessages or {})
	if next(wanted) then
		function conf.on_log(message)
			local level = wanted[message.component]
			if level and severity[message.level] <= severity[level] and message.data.commandName ~= "configureFailPoint"
				and message.data.commandName ~= "endSessions" and message.data.operation ~= "endSessions"
			then
				logs[#logs + 1] = message
			end
		end
	end
	for _, stored in ipairs(spec.storeEventsAsEntities or {}) do
		run.entities[stored.id] = run.entities[stored.id] or bson.array {}
	end
	local traced = {}
	if spec.observeTracingMessages then
		conf.span_text = spec.observeTracingMessages.enableCommandPayload and 10000 or nil
		function conf.on_span(span)
			traced[#traced + 1] = span
		end
	end
	local seen = { logs = logs, spans = traced, command = {}, cmap = {}, sdam = {}, all = {}, out = 0 }
	conf.on_event = function(event)
		local kind = events[event.name]
		for _, stored in ipairs(kind and spec.storeEventsAsEntities or {}) do
			if set_of(stored.events)[kind[1]:gsub("^%l", string.upper)] then
				local kept = match.fields(event)
				kept.name, kept.observedAt = kind[1]:gsub("^%l", string.upper), skynet.time()
				table.insert(run.entities[stored.id], kept)
			end
		end
		if event.name == "ConnectionCheckedOut" then
			seen.out = seen.out + 1
		elseif event.name == "ConnectionCheckedIn" then
			seen.out = seen.out - 1
		end
		if kind and observed[kind[1]] and not ignored[event.commandName] and event.commandName ~= "endSessions"
			and (spec.observeSensitiveCommands or not is_sensitive(event))
		then
			event.event = kind[1]
			table.insert(seen[kind[2]], event)
			table.insert(seen.all, event)
		end
	end
	local client = (entities.through_pools and pool or mongo.client)(conf)
	run.clients[#run.clients + 1] = client
	run.events[spec.id] = seen
	return client
end

local function known_options(options_, what)
	local out = {}
	for k, v in pairs(options_ or {}) do
		if k ~= "readConcern" and k ~= "writeConcern" and k ~= "readPreference" and k ~= "timeoutMS" then
			skip(("the option %s of a %s"):format(k, what))
		end
		out[k] = match.plain(v)
	end
	out.readPreference = match.read_preference(out.readPreference)
	out.writeConcern = match.write_concern(out.writeConcern)
	return out
end

function make.database(run, spec)
	return run.entities[spec.client]:database(spec.databaseName, known_options(spec.databaseOptions, "database"))
end

function make.collection(run, spec)
	return run.entities[spec.database]:collection(spec.collectionName, known_options(spec.collectionOptions, "collection"))
end

function make.bucket(run, spec)
	local given = {}
	for k, v in pairs(spec.bucketOptions or {}) do
		given[k] = match.plain(v)
	end
	given.disableMD5 = nil
	given.readPreference = match.read_preference(given.readPreference)
	given.writeConcern = match.write_concern(given.writeConcern)
	return run.entities[spec.database]:bucket(given)
end

function make.session(run, spec)
	local given = {}
	for k, v in pairs(spec.sessionOptions or {}) do
		given[k] = k == "defaultTransactionOptions" and operations.transaction_options(v) or match.plain(v)
	end
	given.snapshotTime = given.snapshotTime and run.entities[given.snapshotTime]
	return run.entities[spec.client]:startSession(given)
end

function make.thread(run)
	local thread = { work = {}, busy = false }
	skynet.fork(function()
		while not run.over do
			local work = table.remove(thread.work, 1)
			if work then
				thread.busy = true
				local ok, err = pcall(work)
				thread.err = thread.err or (not ok and err or nil)
				thread.busy = false
			else
				skynet.sleep(1)
			end
		end
	end)
	return thread
end

---@param run table the case that runs: target, entities, clients, events
---@param list table
function entities.create(run, list)
	for _, entity in ipairs(list or {}) do
		local kind, spec = next(match.fields(entity))
		if not make[kind] then
			skip("entities of the kind " .. kind)
		end
		run.entities[spec.id] = make[kind](run, spec)
	end
end

return entities
