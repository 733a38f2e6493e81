-- A connection that comes back: connect, log in, and after a loss do so again when somebody needs it.
--
-- However many coroutines need the connection, one more connects, and they wait for its result as long as each of them
-- can: whichever of them is ended or gives up, the others are not concerned. The first attempt after a loss is made at
-- once; after failures the next one waits, twice as long each time up to two seconds, give or take a half, so that many
-- clients do not come back in step.
local backoff = require "reef.backoff"
local now = require "reef.base.now"
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local logging_in = require "reef.redis.login"
local outage = require "reef.outage"
local skynet = require "skynet"

local redacted = require("reef.text").redacted

local FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2

---@class redis.link
---@field connection userdata
---@field conf table
local link = {}
link.__index = link

---@param conf table        see redis.config
---@param hooks table|nil   failed(error): every error that this connection gives; ready(): after login;
---                         overload(boolean); useless(code): the server says that there is no use in this connection;
---                         quiet: failures are not written to the log
---@param limits table|nil
---@param pooled reef.pool.listener|nil  instead of a connection of its own
---@return redis.link
function link.new(conf, hooks, limits, pooled)
	local self = setmetatable({ conf = conf, hooks = hooks or {}, failures = 0, not_before = 0 }, link)
	if pooled then
		self.connection = pooled
		return self
	end
	self.away = outage.new("redis " .. conf.where)
	local where, failed, useless = "redis " .. conf.where, self.hooks.failed, self.hooks.useless
	local function failure(code, outcome, command, waited, why, in_flight, unsent)
		if outcome == "rejected" then
			code = why:match "^%S+"
			if useless then
				useless(code)
			end
			return errors.new { code = code, outcome = outcome, host = where, command = command, message = why }
		end
		local err = errors.new({
			code = code, outcome = outcome, host = where, command = command,
			waited = waited, in_flight = in_flight, unsent = unsent, why = why,
		}, why)
		if failed then
			failed(err)
		end
		return err
	end
	-- Neither function may hold the link: the connection holds them, and is to be closed when nobody uses the link.
	local told = self.hooks.overload
	local overload = told and function(on)
		skynet.fork(told, on)
	end
	self.connection = core.connection(failure, overload, limits or conf.limits)
	return self
end

function link:error(code, why, since)
	return errors.new({
		code = code, outcome = "not sent", host = "redis " .. self.conf.where, command = "connect",
		waited = since and now() - since,
	}, redacted(why))
end

---Why the connection ended last: a server that has no room says so and hangs up, without being asked.
function link:lost()
	local why = self.connection:info().lost
	return why ~= "" and why or "the connection was lost"
end

-- Whoever has been sent to a master by hearsay asks itself whether it is one.
local function is_no_master(db)
	local replies = {}
	local ok, err = pcall(core.pipeline, db, { { "ROLE" } }, replies)
	local reply = replies[1]
	if not ok then
		return "connect", "its role: " .. tostring(errors.is(err) and err.why or err)
	elseif reply.ok and (type(reply.out) ~= "table" or reply.out[1] ~= "master") then
		return "connect", "it is a master no more, or not yet"
	end
end

-- nil, or code and text of what went wrong.
local function login(self, seconds)
	local db = { core.handle(self.connection, seconds, true, false, nil, function()
		error(self:lost(), 0)
	end) }
	local function ask(list)
		local replies, answers = {}, {}
		local done, err = pcall(core.pipeline, db, list, replies)
		for i, reply in ipairs(replies) do
			answers[i] = not reply.ok and tostring(reply.out)
		end
		return answers, not done and "login: " .. tostring(errors.is(err) and err.why or err) or nil
	end
	local resp, code, why = logging_in.run(ask, self.conf)
	self.resp = resp
	if not code and self.conf.role == "master" then
		return is_no_master(db)
	end
	return code, why
end

function link:complain(format, ...)
	if not self.hooks.quiet then
		skynet.error(format:format(...))
		self.away:begins()
	end
end

---One attempt to connect and log in.
---@return reef.channel.error|nil
function link:attempt()
	local conf, connection = self.conf, self.connection
	if connection.borrow then
		return connection:borrow(self)
	end
	local since = now()
	local host, port = conf.host, conf.port
	local target, ok, why
	if conf.resolve then
		host, port = conf.resolve(conf.connect_timeout)
		self.at = host and config.where(host, port)
	end
	if host and conf.tls then
		target, why = require "reef.tls".target(conf.tls, host, port)
	elseif not host then
		why = port
	end
	if host and (target or not conf.tls) then
		ok, why = connection:connect(host, port, conf.connect_timeout, target)
	end
	if not ok then
		self:complain("Connect to %s failed (%s)", conf.where, why)
		return self:error("connect", why, since)
	end
	-- A server that accepts but never answers must not hold us either.
	local left = math.max(conf.connect_timeout - (now() - since), 0.001)
	local code
	code, why = login(self, conf.connect_timeout > 0 and left or 0)
	if code then
		connection:close("the login failed")
		self:complain(code == "auth" and "socket: auth failed %s" or "Connect to %s failed (%s)",
			code == "auth" and why or conf.where, why)
		return self:error(code, why, since)
	end
	if not connection:ready() then
		return self:error("connect", self:lost(), since)
	end
	self.away:ends()
end

---What core.send can be given.
function link:sender()
	if self.connection.sender then
		return self.connection:sender()
	end
	return { core.handle(self.connection, 0, false, false, nil, nil) }
end

local function finish(self, err)
	local waiting = self.waiting
	self.waiting = nil
	self.last_error = err
	if err then
		self.failures = self.failures + 1
		self.not_before = now() + backoff(self.failures, FIRST_PAUSE, LONGEST_PAUSE)
	else
		self.failures, self.not_before = 0, 0
	end
	for _, token in ipairs(waiting) do
		token.over, token.err = true, err
		skynet.wakeup(token)
	end
end

-- Whatever becomes of the coroutine that connects, nobody waits in vain.
local guard = {
	__close = function(self)
		if self.link.waiting == self.waiting then
			self.link.connection:close("the coroutine that connected was ended")
			finish(self.link, self.link:error("connect", "the coroutine that connected was ended"))
		end
	end,
}

local function try(self)
	local busy <close> = setmetatable({ link = self, waiting = self.waiting }, guard)
	local wait = self.not_before - now()
	if wait > 0 then
		skynet.sleep(math.max(1, math.ceil(wait * 100)))
	end
	local ok, err = pcall(self.attempt, self)
	if not ok then
		err = self:error("connect", tostring(err))
	elseif not err and self.hooks.ready then
		self.hooks.ready()
	end
	finish(busy.link, err)
end

---Makes the connection ready, by at most one attempt. Raises an error object when it cannot.
---@param seconds number  how long the caller can wait for that, pauses included; 0: as long as it takes
function link:open(seconds)
	if self.connection:state() == "open" then
		return
	end
	if self.closed then
		error(self:error("closed", "it was disconnected"), 0)
	end
	if not self.waiting then
		self.waiting = {}
		skynet.fork(try, self)
	end
	local token, since = {}, now()
	table.insert(self.waiting, token)
	if seconds > 0 then
		skynet.sleep(math.ceil(seconds * 100), token)
	else
		skynet.wait(token)
	end
	if not token.over then
		error(self.last_error or self:error("timeout", "not connected in time", since), 0)
	elseif token.err then
		error(token.err, 0)
	elseif self.connection:state() ~= "open" then
		error(self:error("connect", self:lost(), since), 0)
	end
end

---Closes it for good.
function link:close(why)
	self.closed = true
	self.connection:close(why or "it was disconnected")
end

return link
