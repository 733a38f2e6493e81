-- Requests and responses over one connection that coroutines share; it comes back after a loss. Times are in seconds.
--
-- Order mode: replies come in the order of the requests, and each request brings the function that reads its reply.
-- Session mode: one function reads any reply and says which request it belongs to.
--
-- One coroutine reads for everybody. A request whose time is over leaves a tombstone: its reply is read when it comes,
-- and dropped, so that nobody gets another's. After too many of those, after a few times in a row that nobody got a
-- reply, and whenever a reader raises, the connection is closed. Nobody owes a reply to `response`: when that ends
-- without one, it leaves nothing behind, and what comes later is for who waits then. Connecting and login have a
-- coroutine of their own, so that whoever needs the connection waits no longer than he wants to. What failed is said by
-- an error object (reef.channel.error) that equals `error` and prints as `[Error: socket] ...`.
local now = require "reef.base.now"
local checks = require "reef.options"
local buffered = require "reef.socketcore".buffered
local driver = require "skynet.socketdriver"
local errors = require "reef.channel.error"
local redacted = require("reef.text").redacted
local skynet = require "skynet"
local socket = require "skynet.socket"

local socketchannel = { error = errors.socket }

local TIMEOUT = 60     -- seconds for a reply, unless the channel or the request says otherwise
local TOMBSTONES = 128 -- late replies on a connection before it is given up
local PATIENCE = 3     -- time-outs in a row; those of requests that were under way together count as one
local WARNING = "WARNING: %d K bytes need to send out (fd = %d)"

---@class socketchannel.desc
---@field host string
---@field port integer|nil       without it host is a full address
---@field response function|nil  session mode: response(sock) -> session, ok, data [, more]
---@field auth function|nil      auth(channel), after each connect
---@field backup table|nil       {host=, port=} or host strings
---@field nodelay boolean|nil
---@field overload function|nil  overload(boolean)
---@field socket_read function|nil
---@field socket_readline function|nil
---@field timeout number|nil     seconds that a request, or a login, may take; 0: as long as it takes
---@field connect_timeout number|nil seconds for each address; 30
---@field tls boolean|reef.tls.options|nil
---@field tombstones integer|nil     late replies that a connection may owe; 128

---@class socketchannel
---@field __host string         where it is connected, or will be
---@field __port integer|nil
local channel = {}
channel.__index = channel

-- ---- the object that parsers read from ----

local reader = {}
reader.__index = reader

function reader:read(n)
	local data = socket.read(self[1], n)
	return data or error(errors.socket)
end

function reader:readline(separator)
	local line = socket.readline(self[1], separator)
	return line or error(errors.socket)
end

local KNOWN <const> = {
	host = true, port = true, backup = true, response = true, auth = true, nodelay = true, overload = true, timeout = true,
	connect_timeout = true, tls = true, tombstones = true, socket_read = true, socket_readline = true,
}

local function reader_class(desc)
	if not (desc.socket_read or desc.socket_readline) then
		return reader
	end
	local class = { read = desc.socket_read or reader.read, readline = desc.socket_readline or reader.readline }
	class.__index = class
	return class
end

-- `__host` and `__port` are read by users' code.
local function set_address(self, host, port)
	self.host, self.port = host, port
	self.__host, self.__port = host, port
end

---@param desc socketchannel.desc
---@return socketchannel
function socketchannel.channel(desc)
	checks.needs("socketchannel.channel: its argument", desc, "table")
	checks.needs("socketchannel.channel: host", desc.host, "string")
	checks.warn("socketchannel.channel", desc, KNOWN)
	local self = {
		backup = desc.backup or {},
		parse = desc.response,
		auth = desc.auth,
		nodelay = desc.nodelay,
		overload = desc.overload,
		timeout = desc.timeout or TIMEOUT,
		connect_timeout = desc.connect_timeout,
		tls = desc.tls,
		most_tombstones = desc.tombstones or TOMBSTONES,
		reader = reader_class(desc),
		closed = false,
		sock = false,       -- {id}: the connection in use, or being made ready by `auth`
		ready = false,
		connecting = false, -- coroutines that wait for the connect of another
		pending = {},       -- order mode: first..last; session mode: by session, of which each has the `next`
		kept = {},          -- order mode: what came for a `response` that had ended by then
		first = 1,
		last = 0,
		tombstones = 0,
		missed = 0,         -- times in a row
		missed_at = 0,      -- the last of them
	}
	set_address(self, desc.host, desc.port)
	return setmetatable(self, channel)
end

-- ---- errors ----

local function address(self, host, port)
	host, port = host or self.host, host and port or self.port
	return port and string.format("%s:%s", host, port) or host
end

local function failure(self, code, outcome, why, since)
	return errors.new({
		code = code, outcome = outcome, host = redacted(address(self)), command = "request", waited = since and now() - since,
	}, why)
end

-- ---- waiting for replies ----

-- Ends a request's wait with a value, or with an error to raise.
local function finish(item, ok, value)
	item.done, item.ok, item.value = true, ok, value
	skynet.wakeup(item)
end

-- Session mode: the first that waits for a session goes.
local function take_first(self, session)
	local item = self.pending[session]
	local after = item.next
	if after and item.tail ~= after then
		after.tail = item.tail
	end
	self.pending[session] = after
end

-- Order mode: one that is not the first goes, or one whose reply has not begun.
local function take_out(self, item)
	local pending = self.pending
	for i = self.first, self.last do
		if pending[i] == item then
			table.move(pending, i + 1, self.last + 1, i)
			self.last = self.last - 1
			return
		end
	end
end

local function take_out_of_session(self, item)
	local before = self.pending[item.key]
	if before == item then
		return take_first(self, item.key)
	end
	local first = before
	while before and before.next ~= item do
		before = before.next
	end
	if before then
		before.next = item.next
		if first.tail == item then
			first.tail = before ~= first and before or nil
		end
	end
end

-- Nobody waits any more for what nobody was asked for. What has begun to come is read to its end.
local function withdraw(self, item)
	if item.begun or item.partial then
		self.tombstones = self.tombstones + 1
	elseif self.parse then
		take_out_of_session(self, item)
	else
		take_out(self, item)
	end
end

-- What has arrived when the clock runs out counts as arrived, also after the process was stopped: what is due is given
-- up at the second look only, when the sockets have been read once more.
local function due(self)
	local time, nearest, newest = now(), math.huge, nil
	local looked = self.looked
	local limit = looked and time - looked < 0.1 and looked or -math.huge
	self.armed, self.looked = nil, nil
	local withdrawn = {}
	for _, item in pairs(self.pending) do
		repeat
			if item.deadline and not item.done then
				if item.deadline > limit then
					nearest = math.min(nearest, item.deadline)
				elseif item.unasked then
					withdrawn[#withdrawn + 1] = item
				else
					self.tombstones = self.tombstones + 1
					newest = math.max(newest or 0, item.since)
					finish(item, false, failure(self, "timeout", "maybe applied", "no reply in time", item.since))
				end
			end
			item = item.next
		until not item
	end
	for _, item in ipairs(withdrawn) do
		withdraw(self, item)
		finish(item, false, failure(self, "timeout", "not sent", "nothing came in time", item.since))
	end
	if newest and newest >= self.missed_at then
		self.missed, self.missed_at = self.missed + 1, time
	end
	if self.sock and (self.missed >= PATIENCE or self.tombstones > self.most_tombstones) then
		self:drop(failure(self, "timeout", "maybe applied", "too many requests without a reply in time"))
	elseif nearest <= time then
		self:arm(time + 0.01)
		self.looked = time
	elseif nearest < math.huge then
		self:arm(nearest)
	end
end

-- One timer a channel, for the nearest deadline; one that is set too early finds nothing and sets itself again.
function channel:arm(deadline)
	if self.armed and (self.armed <= deadline or self.looked) then
		return
	end
	self.armed = deadline
	skynet.timeout(math.max(1, math.ceil((deadline - now()) * 100)), function()
		if self.armed == deadline then
			due(self)
		end
	end)
end

-- Waits for the reply of an item that is pending.
local function wait_for(self, item, seconds)
	if seconds > 0 then
		item.since = now()
		item.deadline = item.since + seconds
		self:arm(item.deadline)
	end
	while not item.done do
		skynet.wait(item)
	end
	if item.ok then
		return item.value
	end
	-- A reader's own text, or an object, is passed on as it is; what a reply says is raised here.
	error(item.value, item.rejected and 1 or 0)
end

local function add_pending(self, item)
	if self.parse then
		local first = self.pending[item.key]
		if first then
			(first.tail or first).next = item
			first.tail = item
		else
			self.pending[item.key] = item
		end
	else
		self.last = self.last + 1
		self.pending[self.last] = item
		if self.idle then
			skynet.wakeup(self.idle)
		end
	end
	return item
end

local function answer(self, item, ok, data, more)
	if item.done then
		return -- a tombstone
	end
	self.missed = 0
	if not ok then
		item.rejected = true
		finish(item, false, data)
	elseif more then
		item.pieces = item.pieces or {}
		table.insert(item.pieces, data)
	elseif item.pieces then
		table.insert(item.pieces, data)
		finish(item, true, item.pieces)
	else
		finish(item, true, data)
	end
end

-- ---- the end of a connection ----

-- Closes the connection in use; everybody who waits gets `err`.
function channel:drop(err)
	local sock, pending = self.sock, self.pending
	self.sock, self.ready = false, false
	self.pending, self.first, self.last, self.tombstones = {}, 1, 0, 0
	self.missed, self.missed_at = 0, 0
	if self.idle then
		skynet.wakeup(self.idle)
	end
	for _, item in pairs(pending) do
		repeat
			if not item.done then
				local value = err
				if rawequal(err, errors.socket) then
					value = failure(self, "closed", "maybe applied", "the connection was lost", item.since)
				end
				finish(item, false, value)
			end
			item = item.next
		until not item
	end
	if sock then
		socket.onclose(sock[1], nil)
		socket.shutdown(sock[1])
		skynet.fork(socket.close, sock[1])
	end
end

-- ---- reading ----

local function read_failed(self, sock, err)
	if self.sock ~= sock then
		return
	end
	if not errors.is(err) then
		skynet.error("socket: " .. tostring(err))
	end
	self:drop(err)
end

-- What has come for a `response` that ended meanwhile is for the next one.
local function inherit(self, item, good, data)
	local heir = self.pending[self.first]
	if item.partial then
		return item
	elseif heir and heir.unasked and not heir.done then
		self.pending[self.first] = nil
		self.first = self.first + 1
		return heir
	end
	table.insert(self.kept, { good, data })
	return item
end

local function read_in_order(self, sock)
	local id, can_wait = sock[1], self.reader == reader
	while self.sock == sock do
		local item = self.pending[self.first]
		if not item then
			-- A token of its own: another coroutine may read for the next connection by then.
			self.idle = sock
			skynet.wait(sock)
			if self.idle == sock then
				self.idle = nil
			end
		elseif can_wait and item.unasked and not item.begun and buffered(id) == 0 and socket.disconnected(id) == false then
			-- Not by its reader: until something comes, another may take its place.
			socket.block(id)
		else
			item.begun = true
			local ok, good, data, more = pcall(item.key, sock)
			if not ok then
				return read_failed(self, sock, good)
			end
			if self.sock == sock then
				if good and more then
					item.partial = true
				else
					self.pending[self.first] = nil
					self.first = self.first + 1
					if item.done then
						self.tombstones = self.tombstones - 1
						if item.unasked then
							item = inherit(self, item, good, data)
						end
					end
				end
				answer(self, item, good, data, more)
			end
		end
	end
end

local function read_by_session(self, sock)
	while self.sock == sock do
		local ok, session, good, data, more = pcall(self.parse, sock)
		if not ok then
			return read_failed(self, sock, session)
		end
		local item = self.sock == sock and self.pending[session]
		if item then
			if good and more then
				item.partial = true
			else
				take_first(self, session)
				if item.done then
					self.tombstones = self.tombstones - 1
				end
			end
			answer(self, item, good, data, more)
		elseif self.sock == sock then
			skynet.error("socket: unknown session : " .. tostring(session))
		end
	end
end

-- ---- connecting ----

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
	if self.parse then
		skynet.fork(read_by_session, self, sock)
	else
		socket.onclose(id, function()
			-- With nobody reading nobody else would notice.
			if self.sock == sock and self.pending[self.first] == nil then
				skynet.error "socket closed by peer"
				self:drop(errors.socket)
			end
		end)
		skynet.fork(read_in_order, self, sock)
	end
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
				set_address(self, host, port)
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

-- Makes the channel ready; another coroutine's attempt counts. Returns an error object after a single round, or tries
-- for ever.
local function connect(self, once, seconds)
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

-- ---- for users ----

---Connects. Raises an error object when `once` is set and one round over all hosts fails; else tries for ever.
---@param once boolean|nil
function channel:connect(once)
	self.closed = false
	local err = connect(self, once)
	if err then
		error(err, 0)
	end
	return true
end

-- Sees to it that this coroutine can use the connection; raises if it cannot be had.
local function make_usable(self, once, seconds)
	if self.ready then
		return
	end
	local err
	if self.auth_coroutine == coroutine.running() then
		-- Nobody but us could connect again, and we are in the middle of it.
		err = not self.sock and failure(self, "closed", "not sent", "the connection was lost during the login")
	else
		err = connect(self, once, seconds)
	end
	if err then
		error(err, 0)
	end
end

local function send(self, data, parts)
	local id = self.sock[1]
	if not parts then
		return socket.write(id, data)
	end
	local ok = socket.lwrite(id, data)
	for _, part in ipairs(parts) do
		local taken, why = pcall(socket.lwrite, id, part)
		if not taken then
			-- Half of it is on its way: what followed would be taken for the rest.
			self:drop(errors.socket)
			error(why, 0)
		end
		ok = ok and why
	end
	return ok
end

---Sends `data`, and waits for the reply that `response` reads (order mode) or is the session of.
---@param data any             what socket.write takes
---@param response any         nil: no reply comes
---@param parts string[]|nil   more data; all leaves with low priority then
---@param timeout number|nil   seconds for this request; 0: for ever
function channel:request(data, response, parts, timeout)
	assert(not self.closed)
	timeout = timeout or self.timeout
	if not self.ready then
		local since = now()
		make_usable(self, true, timeout)
		-- One deadline for all of it.
		timeout = timeout > 0 and math.max(timeout - (now() - since), 0.01) or 0
	end
	if not send(self, data, parts) then
		local err = failure(self, "closed", "not sent", "the connection was lost")
		self:drop(errors.socket)
		error(err, 0)
	end
	if response ~= nil then
		return wait_for(self, add_pending(self, { key = response }), timeout)
	end
end

-- Who waits in `response` may be ended meanwhile.
local waiting = {
	__close = function(item)
		local self = item.channel
		if not item.done then
			item.done = true
			withdraw(self, item)
		elseif item.ok and not item.taken and not self.parse then
			table.insert(self.kept, { true, item.value })
		end
	end,
}

---Waits for one more reply, without sending anything. What comes after the time is over is for who waits then.
---@param response any
---@param timeout number|nil  seconds; default: for ever
function channel:response(response, timeout)
	assert(not self.closed)
	local kept = table.remove(self.kept, 1)
	if kept then
		if not kept[1] then
			error(kept[2])
		end
		return kept[2]
	end
	make_usable(self, false, timeout)
	local item <close> = setmetatable({ key = response, unasked = true, channel = self }, waiting)
	local value = wait_for(self, add_pending(self, item), timeout or 0)
	item.taken = true
	return value
end

---Closes the connection; requests that wait fail, later ones too until `connect` is called.
function channel:close()
	if not self.closed then
		self.closed, self.kept = true, {}
		self:drop(errors.socket)
	end
end

---Goes to another host with the next request.
---@param host string
---@param port? integer
function channel:changehost(host, port)
	set_address(self, host, port or self.port)
	self.kept = {}
	if not self.closed then
		self:drop(errors.socket)
	end
end

---@param list table|nil
function channel:changebackup(list)
	self.backup = list or {}
end

return socketchannel
