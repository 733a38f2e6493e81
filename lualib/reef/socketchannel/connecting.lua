-- Connecting a socket channel: its host and the backups one after the other, and the user's login. That has a coroutine
-- of its own, so that whoever needs the connection waits no longer than he wants to.
local driver = require "skynet.socketdriver"
local errors = require "reef.channel.error"
local failures = require "reef.socketchannel.failure"
local now = require "reef.base.now"
local skynet = require "skynet"
local socket = require "reef.socket"

local address, failure = failures.address, failures.new

local connecting = {}

local WARNING = "WARNING: %d K bytes need to send out (fd = %d)"

-- `__host` and `__port` are read by users' code.
---@param self socketchannel
---@param host string
---@param port integer|nil
function connecting.set_address(self, host, port)
	self.host, self.port = host, port
	self.__host, self.__port = host, port
end

local function watch_output(self, id)
	local overloaded = false
	if self.overload and self.overloaded then
		self.overload(false)
	end
	self.overloaded = false
	socket.warning(id, function(_, kb)
		if kb == 0 then
			overloaded = false
		elseif overloaded or not self.overload then
			skynet.error(WARNING:format(kb, id))
			return
		else
			overloaded = true
		end
		if self.overload and self.overloaded ~= overloaded then
			self.overloaded = overloaded
			self.overload(overloaded)
		end
	end)
end

-- Begins to use a connected socket; not yet for everybody.
local function adopt(self, id)
	local sock = setmetatable({ id }, self.reader)
	self.sock = sock
	if self.nodelay then
		driver.nodelay(id)
	end
	watch_output(self, id)
	self.mode.begin(self, sock)
	return sock
end

local try_address

-- Runs the user's login. nil, or why it failed.
local function authenticate(self, sock)
	if not self.auth then
		return
	end
	local host, port = self.host, self.port
	self.auth_coroutine = coroutine.running()
	if self.timeout > 0 then
		skynet.timeout(math.ceil(self.timeout * 100), function()
			if self.sock == sock and not self.ready then
				self:drop(failure(self, "timeout", "not sent", "the login took too long"))
			end
		end)
	end
	local ok, err = xpcall(self.auth, function(e)
		return type(e) == "string" and debug.traceback(e) or e
	end, self)
	self.auth_coroutine = nil
	if self.host ~= host or self.port ~= port then
		return try_address(self, self.host, self.port)
	end
	if ok and self.sock == sock then
		return
	end
	local text = ok and "the connection was lost" or tostring(err)
	skynet.error("socket: auth failed " .. text)
	if self.sock then
		self:drop(errors.socket)
	end
	return text, true
end

-- nil, or why it failed, and whether it was the login.
function try_address(self, host, port)
	local before_host, before_port = self.host, self.port
	local timeout = self.connect_timeout and self.connect_timeout * 100
	local id, err = socket.open(host, port, self.tls and { timeout = timeout, tls = self.tls } or timeout)
	if not id then
		skynet.error(string.format("Connect to %s failed (%s)", address(self, host, port), err))
	end
	if self.closed then
		if id then
			socket.close(id)
		end
		return "the channel was closed"
	elseif self.host ~= before_host or self.port ~= before_port then
		-- Somebody has said meanwhile where to go.
		if id then
			socket.close(id)
		end
		return try_address(self, self.host, self.port)
	elseif not id then
		return err
	end
	return authenticate(self, adopt(self, id))
end

-- The host, then the backups. nil, or an error object.
local function try_all(self)
	local since = now()
	local why, auth = try_address(self, self.host, self.port)
	if not why then
		return
	end
	for _, backup in ipairs(self.backup) do
		local host, port = backup, self.port
		if type(backup) == "table" then
			host, port = backup.host, backup.port or self.port
		end
		local before_host, before_port = self.host, self.port
		local failed, by_auth = try_address(self, host, port)
		if not failed then
			if self.host == before_host and self.port == before_port then
				connecting.set_address(self, host, port)
			end
			return
		end
		why, auth = failed, by_auth
	end
	if auth then
		return failure(self, "auth", "not sent", "no more backup host: " .. why, since)
	end
	return failure(self, "connect", "not sent", why, since)
end

-- The coroutine that connects may be ended on the way: then those who wait have to see to another.
local busy = {
	__close = function(self)
		local waiting = self.channel.connecting
		self.channel.connecting = false
		self.channel.auth_coroutine = nil
		for _, token in ipairs(waiting) do
			if not token.gone then
				skynet.wakeup(token)
			end
		end
		if not self.done and self.channel.sock then
			self.channel:drop(errors.socket)
		end
	end,
}

local function connect_round(self)
	local guard <close> = setmetatable({ channel = self }, busy)
	local err = try_all(self)
	if not err and not self.sock then
		err = failure(self, "closed", "not sent", "the connection was lost")
	end
	guard.done = true
	self.last_error = err
	self.ready = not err
end

-- Lets somebody connect, unless it is being done, and waits until he has finished; not longer than until `deadline`.
local function await_round(self, deadline)
	local token = {}
	if not self.connecting then
		self.connecting, self.last_error = {}, nil
		skynet.fork(connect_round, self)
	end
	table.insert(self.connecting, token)
	if not deadline then
		skynet.wait(token)
	else
		skynet.sleep(math.max(0, math.ceil((deadline - now()) * 100)), token)
		token.gone = true
	end
end

---Makes the channel ready; another coroutine's attempt counts. Returns an error object after a single round, or tries
---for ever.
---@param self socketchannel
---@param once boolean|nil
---@param seconds number|nil
---@return reef.channel.error|nil
function connecting.connect(self, once, seconds)
	local pause, since = 0, now()
	local deadline = seconds and seconds > 0 and since + seconds or nil
	while not self.ready do
		if self.closed then
			return failure(self, "closed", "not sent", "the channel was closed")
		end
		await_round(self, deadline)
		if self.ready then
			return
		end
		local err = self.last_error or failure(self, "connect", "not sent", "not connected")
		if deadline and self.connecting and now() >= deadline then
			return failure(self, "timeout", "not sent", "not connected in time", since)
		end
		if once or self.closed then
			return err
		end
		skynet.error("socket: connect " .. tostring(err))
		skynet.sleep(pause * 100)
		pause = pause < 11 and pause + 1 or 1
	end
end

---Sees to it that this coroutine can use the connection; raises if it cannot be had.
---@param self socketchannel
---@param once boolean
---@param seconds number|nil
function connecting.make_usable(self, once, seconds)
	if self.ready then
		return
	end
	local err
	if self.auth_coroutine == coroutine.running() then
		-- Nobody but us could connect again, and we are in the middle of it.
		err = not self.sock and failure(self, "closed", "not sent", "the connection was lost during the login")
	else
		err = connecting.connect(self, once, seconds)
	end
	if err then
		error(err, 0)
	end
end

return connecting
