-- Requests and responses over one connection that coroutines share; it comes back after a loss. Times are in seconds.
--
-- Order mode: replies come in the order of the requests, and each request brings the function that reads its reply.
-- Session mode: one function reads any reply and says which request it belongs to.
--
-- A request whose time is over leaves a tombstone: its reply is read when it comes, and dropped, so that nobody gets
-- another's. After too many of those, after a few times in a row that nobody got a reply, and whenever a reader
-- raises, the connection is closed. Nobody owes a reply to `response`: when that ends without one, it leaves nothing
-- behind, and what comes later is for who waits then. What failed is said by an error object (reef.channel.error) that
-- equals `error` and prints as `[Error: socket] ...`.
local by_session = require "reef.socketchannel.by_session"
local checks = require "reef.options"
local connecting = require "reef.socketchannel.connecting"
local errors = require "reef.channel.error"
local failure = require("reef.socketchannel.failure").new
local now = require "reef.base.now"
local ordered = require "reef.socketchannel.ordered"
local reader_of = require("reef.socketchannel.reader").of
local skynet = require "skynet"
local socket = require "skynet.socket"
local waits = require "reef.socketchannel.waits"

local make_usable, wait_for = connecting.make_usable, waits.wait

local socketchannel = { error = errors.socket }

local TIMEOUT = 60     -- seconds for a reply, unless the channel or the request says otherwise
local TOMBSTONES = 128 -- late replies on a connection before it is given up

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

local KNOWN <const> = {
	host = true, port = true, backup = true, response = true, auth = true, nodelay = true, overload = true, timeout = true,
	connect_timeout = true, tls = true, tombstones = true, socket_read = true, socket_readline = true,
}

---@param desc socketchannel.desc
---@return socketchannel
function socketchannel.channel(desc)
	checks.needs("socketchannel.channel: its argument", desc, "table")
	checks.needs("socketchannel.channel: host", desc.host, "string")
	checks.warn("socketchannel.channel", desc, KNOWN)
	local self = {
		backup = desc.backup or {},
		mode = desc.response and by_session or ordered,
		parse = desc.response,
		auth = desc.auth,
		nodelay = desc.nodelay,
		overload = desc.overload,
		timeout = desc.timeout or TIMEOUT,
		connect_timeout = desc.connect_timeout,
		tls = desc.tls,
		most_tombstones = desc.tombstones or TOMBSTONES,
		reader = reader_of(desc),
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
	connecting.set_address(self, desc.host, desc.port)
	return setmetatable(self, channel)
end

-- Closes the connection in use; everybody who waits gets `err`.
function channel:drop(err)
	local sock, pending = self.sock, self.pending
	self.sock, self.ready = false, false
	self.pending, self.tombstones = {}, 0
	self.missed, self.missed_at = 0, 0
	self.mode.clear(self)
	waits.fail_all(self, pending, err)
	if sock then
		socket.onclose(sock[1], nil)
		socket.shutdown(sock[1])
		skynet.fork(socket.close, sock[1])
	end
end

---Connects. Raises an error object when `once` is set and one round over all hosts fails; else tries for ever.
---@param once boolean|nil
function channel:connect(once)
	self.closed = false
	local err = connecting.connect(self, once)
	if err then
		error(err, 0)
	end
	return true
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
		return wait_for(self, self.mode.add(self, { key = response }), timeout)
	end
end

-- Who waits in `response` may be ended meanwhile.
local waiting = {
	__close = function(item)
		local self = item.channel
		if not item.done then
			item.done = true
			waits.withdraw(self, item)
		elseif item.ok and not item.taken then
			self.mode.keep(self, item.value)
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
	local value = wait_for(self, self.mode.add(self, item), timeout or 0)
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
	connecting.set_address(self, host, port or self.port)
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
