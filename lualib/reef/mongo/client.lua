-- A deployment as one client sees it: its servers, pools of connections to them, and commands brought to the right one.
--
-- One deadline holds for all that a command needs: finding a server, a connection, every attempt (attempts.lua).
local now = require "reef.base.now"
local attempts = require "reef.mongo.attempts"
local bson = require "bson"
local choice = require "reef.mongo.choice"
local errors = require "reef.mongo.errors"
local limits = require "reef.mongo.limits"
local replies = require "reef.mongo.replies"
local requests = require "reef.mongo.requests"
local session = require "reef.mongo.session"
local skynet = require "skynet"
local tls = require "reef.mongo.tls"
local topology = require "reef.mongo.topology"
local transactions = require "reef.mongo.transactions"
local view = require "reef.mongo.view"

-- What few clients need comes in with the first who does.
local function balanced()
	return require "reef.mongo.balanced"
end

local function command_events()
	return require "reef.mongo.command_events"
end

---@class mongo.command
---@field db string
---@field name string
---@field body table keys and values in turn, without $db
---@field identifier string|nil
---@field documents table|nil sent beside the body under `identifier`
---@field batch userdata|nil the same, encoded already
---@field write boolean|nil goes to a server that can write
---@field retry boolean|nil may be repeated (a write: with a number)
---@field preference mongo.read_preference|nil
---@field session mongo.session|nil
---@field address string|nil goes there and nowhere else
---@field deadline number|nil seconds of skynet.hpc
---@field timed boolean|nil the deadline comes from timeoutMS: the server is told of it, too
---@field own_time boolean|nil a timed one whose server is not told by us
---@field given boolean|nil a command as the user has put it
---@field transaction mongo.transaction|nil that it is part of
---@field ending "commitTransaction"|"abortTransaction"|nil
---@field before_retry fun(err: mongo.error)|nil
---@field plain boolean|nil without options that only some servers know
---@field least_wire integer|nil servers of earlier wire versions are not even asked
---@field least_why string|nil what is said then
---@field exact boolean|nil values as bson.decode_exact gives them
---@field opens boolean|nil its reply may have a cursor
---@field held mongo.held|nil the connection for it; or, behind an operation that opens a cursor, for that
---@field id integer|nil number of the operation, for those who listen
---@field shape string|nil what its reply is to be like: a key of replies.shapes
---@field batches boolean|nil a cursor's batch comes as an object (drivers/mongo/batch.h)

---Internal.
---@class mongo.core_client
---@field options table
---@field topology mongo.topology_state
local client = {}
for name, method in pairs(choice) do
	client[name] = method
end
client.__index = client

-- Who hears of events: the user, what makes messages of them, and what makes spans.
local function listener_of(options, tracer)
	local on_event, on_log = options.on_event, options.on_log
	if not on_log and not tracer then
		return on_event
	end
	local write = on_log and require "reef.mongo.log_messages".of_events(on_log)
	return function(event, op)
		if tracer and op then
			tracer:event(event, op)
		end
		if write then
			write(event)
		end
		if on_event then
			on_event(event)
		end
	end
end

-- The version of the server's interface that is declared with each command, as its keys and values.
local function api_of(given)
	if not given then
		return nil
	end
	given = type(given) == "string" and { version = given } or given
	if given.version ~= "1" then
		error(("mongo: serverApi: there is no version %s"):format(tostring(given.version)), 0)
	end
	local list = { "apiVersion", given.version }
	if given.strict ~= nil then
		list[#list + 1], list[#list + 2] = "apiStrict", given.strict
	end
	if given.deprecationErrors ~= nil then
		list[#list + 1], list[#list + 2] = "apiDeprecationErrors", given.deprecationErrors
	end
	return list
end

-- Repetitions of what an overloaded server has refused.
local ADAPTIVE_RETRIES = 2

---@param uri mongo.uri
---@param options table|nil credentials, on_event, and options by their names in connection strings
function client.new(uri, options)
	options = options or {}
	local merged = setmetatable({}, { __index = function(_, k)
		local v = options[k]
		if v == nil then
			return uri.options[k]
		end
		return v
	end })
	local tracer = options.on_span and require "reef.mongo.spans".new(options.on_span, options.span_text)
	local self = setmetatable({
		options = merged,
		-- What is looked at for every operation is there, if only to say that it is not: see __index.
		on_event = listener_of(options, tracer) or false,
		tracer = tracer or false,
		on_log = options.on_log or false,
		current = false,
		credentials = options.credentials,
		tls = tls(merged),
		new_pool = options.new_pool or require "reef.mongo.direct",
		heartbeat = merged.heartbeatFrequencyMS or 10000,
		threshold = merged.localThresholdMS or 15,
		selection_timeout = (merged.serverSelectionTimeoutMS or 30000) / 1000,
		connect_timeout = limits.seconds(merged.connectTimeoutMS, 10000),
		timeout = merged.timeoutMS,
		socket_timeout = limits.seconds(merged.socketTimeoutMS, 0),
		circuit = options.circuit,
		retry_writes = merged.retryWrites ~= false,
		retry_reads = merged.retryReads ~= false,
		adaptive_retries = merged.maxAdaptiveRetries or ADAPTIVE_RETRIES,
		retarget = merged.enableOverloadRetargeting or nil,
		balanced = merged.loadBalanced or false,
		api = api_of(options.serverApi) or false,
		pools = {},
		waiting = {},
		last_request = 0,
		last_operation = 0,
		spare_loan = false,
		closed = false,
		kept_for = false,
		only = false,
	}, client)
	if tracer then
		function self.execute(_, op)
			return tracer:execute(self, op)
		end
	end
	self.sessions = session.new_pool(self)
	local function on_event(event)
		self:topology_event(event)
	end
	self.topology = topology.new(uri, on_event, function(address, interrupt)
		if self.pools[address] then
			self.pools[address]:clear(interrupt)
		end
	end)
	-- What it opens may want to watch, too.
	self.watched = view.target(uri, merged, self.tls, self.api or nil)
	self.topology:open()
	self.view = view.new(self.watched, {
		news = function(state)
			self:news(state)
		end,
		event = self.on_event or nil,
	})
	return self
end

-- ---- servers come and go ----

---@param op mongo.command|nil that it is about
function client:emit(name, fields, op)
	if self.on_event then
		fields.name = name
		self.on_event(fields, self.tracer and op or nil)
	end
end

function client:topology_event(event)
	if event.name == "ServerOpening" then
		self.pools[event.address] = self:new_pool(event.address)
	elseif event.name == "ServerClosed" then
		self:forget(event.address)
	elseif event.name == "ServerDescriptionChanged" and event.new.type == "LoadBalancer" then
		self.pools[event.address]:ready()
	end
	if self.on_event then
		self.on_event(event)
	end
end

function client:changed()
	local waiting = self.waiting
	self.waiting = {}
	for _, token in ipairs(waiting) do
		skynet.wakeup(token)
	end
end

local function is_down(t)
	for _, server in pairs(t.servers) do
		if server.type ~= "Unknown" or not server.error then
			return false
		end
	end
	return true
end

-- What is known of the deployment now.
function client:news(state)
	self.topology:replace(state.description)
	self.down_since = is_down(state.description) and (self.down_since or now()) or nil
	for address, connections in pairs(self.pools) do
		if (state.generations[address] or 0) > (self.view.generations[address] or 0) then
			self.topology:clear(address, state.interrupts[address] == state.generations[address])
		end
		if state.description.servers[address].type ~= "Unknown" then
			connections:ready()
		end
	end
	self:changed()
end

function client:forget(address)
	self.pools[address]:close()
	self.pools[address] = nil
end

-- Thinks the worst of a server until the hub has looked.
function client:suspect(address, err)
	if self.topology:application_error(address, err) then
		self.view:report(self.topology.description.servers[address], err.reply)
		self:changed()
	end
end

-- ---- one attempt ----

-- Codes of servers that refuse a $clusterTime: TimeProofMismatch, ClusterTimeFailsRateLimiter, KeyNotFound. Whoever has
-- told us of that time, it is not to be told again.
local bad_time = { [204] = true, [205] = true, [211] = true }

function client:learn(op, reply)
	local cluster_time = reply["$clusterTime"] and session.cluster_time(reply)
	if reply.ok ~= 1 and bad_time[reply.code] then
		self.cluster_time = nil
		if op.session then
			op.session.clusterTime = nil
		end
	elseif cluster_time then
		self.cluster_time = session.newest(cluster_time, self.cluster_time)
	end
	if op.session then
		op.session:learn(reply, cluster_time)
	end
end

local REAUTHENTICATE = 391

-- Logs in once more on a connection whose token is over. False: that went wrong.
function client:login_again(server, entry, deadline)
	require("reef.mongo.mechanisms").forget(self.credentials)
	local err = require("reef.mongo.handshake").login(entry.connection.raw, server.address, self.credentials, {}, nil,
		math.min(deadline, now() + self.connect_timeout), self.api)
	return err == nil
end

-- Errors that come from before the server.
local blameless = { overload = true, ended = true, closed = true, auth = true }

-- What an error says about its server goes to the topology.
function client:report(address, entry, err, reply)
	if err and blameless[err.code] then
		return
	end
	local problem = {
		type = reply and "command" or err.code == "timeout" and "timeout" or "network", reply = reply,
		why = err and tostring(err),
		generation = entry.generation, handshake_done = true,
	}
	if self.balanced then
		balanced().report(self, address, entry, problem)
	else
		self:suspect(address, problem)
	end
end

local function pool_error(server, op, err)
	if errors.is(err) then
		return err
	end
	return errors.new({
		code = err.code, outcome = "not sent", host = "mongo " .. server.address, command = op.name, reason = err.reason,
	}, err.why)
end

---Minutes after which the deployment forgets a session that is not used; nil: it knows of none.
---@return number|nil
function client:session_timeout()
	return self.balanced and math.huge or self.topology.description.logicalSessionTimeoutMinutes
end

---What the server is to be told if this service ends.
---@param address string
---@param ... any keys and values of a command
---@return integer|nil number for `revoke`; nil: the server is gone
function client:will(address, ...)
	local connections = self.pools[address]
	if not connections then
		return nil
	elseif connections.will then
		return connections:will(...)
	end
	if self.credentials and require("reef.mongo.mechanisms").is_live(self.credentials) then
		-- Who could do it cannot log in.
		return nil
	end
	local body = { ... }
	if self.api then
		table.move(self.api, 1, #self.api, #body + 1, body)
	end
	return self.view:leave(address, self.credentials, body)
end

function client:revoke(address, number)
	local connections = self.pools[address]
	if number and connections and connections.revoke then
		connections:revoke(number)
	elseif number and not (connections and connections.will) then
		self.view:revoke(number)
	end
end

---What a number of `will` stands for is due now. A pool does it when this service ends.
function client:left_behind(number)
	if number and self.view.wills[number] then
		self.view:carry_out(number)
	end
end

---@param loan mongo.loan
---@return table|nil reply
---@return mongo.error|nil
function client:attempt(server, op, loan)
	local connections = self.pools[server.address]
	local held = self.balanced and balanced().of(op)
	local entry, err
	if held then
		entry = held.entry
	else
		entry, err = connections:check_out(op.deadline - now())
		if not entry then
			return nil, pool_error(server, op, err)
		end
		loan.connections, loan.connection = connections, entry
	end
	if self.balanced then
		server = balanced().server(entry, server)
	end
	local body = requests.complete(self, op, server, attempts.prepare(self, server, op, loan))
	if op.session and connections.will and not op.session.server.will then
		op.session.server.will = connections:will("endSessions", bson.array { op.session.lsid }, "$db", "admin")
	end
	if op.transaction and not op.ending then
		transactions.bequeath(self, op, server.address)
	end
	local started = now()
	if op.timed and (op.deadline - started) * 1000 <= (server.minRoundTripTime or 0) then
		return nil, limits.expired(op)
	end
	local request_id = self.on_event and command_events().started(self, op, server, entry, body)
	local raw = entry.connection.raw
	local reply, short_of
	loan.used = op.session
	if op.unacknowledged then
		reply, err = raw:send(op.name, op.identifier, op.batch or op.documents, body)
		reply = reply and { ok = 1 }
	else
		local decoding = op.batches and (op.exact and "xb" or "b") or op.exact and "x" or ""
		local seconds = op.deadline - started
		local short = self.socket_timeout < seconds and not op.timed
		reply, err = raw:request(short and self.socket_timeout or seconds, decoding, op.name, op.identifier,
			op.batch or op.documents, body)
		short_of = not reply and short
	end
	local why = reply and not op.unacknowledged and replies.check(reply, replies.shapes[op.shape])
	if not reply then
		self:report(server.address, entry, err)
	elseif why then
		reply, err = nil, replies.malformed(server.address, op.name, why)
	else
		self:learn(op, reply)
		if reply.ok ~= 1 or reply.writeConcernError then
			self:report(server.address, entry, nil, reply)
		end
		err = errors.from_reply(reply, server.address, op.name)
		if reply.code == REAUTHENTICATE and self.credentials and not loan.renewed then
			loan.renewed = true
			err.renewed = self:login_again(server, entry, op.deadline)
		end
	end
	if short_of and err.code == "timeout" then
		-- There is time for another attempt.
		err.code, err.timeout = "network", true
	end
	if not reply then
		entry.err = err
		if op.session then
			op.session:mark_dirty()
		end
	end
	if self.on_event then
		command_events().ended(self, op, server, entry, request_id, started, reply,
			not (reply and reply.ok == 1) and err or nil)
	end
	loan.connection = nil
	if not self.balanced or not balanced().keep(op, reply, held, connections, entry) then
		connections:check_in(entry)
	end
	return reply, err
end

client.execute = attempts.execute

---Ends everything. Sessions are ended at the server as far as that is quickly done.
function client:close()
	if self.closed then
		return
	end
	local ids = self.sessions:drain(10000)
	self.ending = true
	if #ids > 0 then
		pcall(self.execute, self, {
			db = "admin", name = "endSessions", body = { "endSessions", bson.array(ids) }, deadline = now() + 1,
			preference = { mode = "primaryPreferred" },
		})
	end
	self.closed = true
	self.view:close()
	self.topology:close()
	self:changed()
end

return client
