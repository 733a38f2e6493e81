-- A service as a TCP front door: clients send packets with a length of two bytes, big-endian, in front. What is done
-- with them is the handler's business; `snax.msgserver` and the service `gate` are made of this. What clients may do is
-- in `reef.gate`, how messages may be larger than a packet in `reef.blocks`.

local driver = require "skynet.socketdriver"
local gate = require "reef.gate"
local netpack = require "skynet.netpack"
local options = require "reef.options"
local skynet = require "skynet"

local gateserver = {}

---@class gateserver.handler
---@field message fun(fd: integer, msg: lightuserdata, sz: integer) a whole packet, which belongs to the handler
---@field connect fun(fd: integer, address: string) nothing is read before gateserver.openclient
---@field disconnect? fun(fd: integer) the client has closed; closeclient is still due
---@field error? fun(fd: integer, reason: string)
---@field warning? fun(fd: integer, kb: integer) so much waits to be sent
---@field open? fun(source: integer, conf: table): any
---@field command? fun(cmd: any, source: integer, ...): any
---@field defaults? table<string, any> what `open` is given of itself
---@field pieces? fun(fd: integer): boolean may this client send a message that is larger than a packet?
---@field embed? boolean the service calls skynet.start itself

local KNOWN = { address = true, port = true, maxclient = true, nodelay = true, backlog = true, blocks = true,
	watchdog = true, peraddress = true, rate = true, silence = true, packet_time = true, unsent = true }
local DEFAULT_CLIENTS = 1024
local DEFAULT_BACKLOG = 32

local queue = gate.packets
local connected = {} ---@type table<integer, "reading"|"closed"|"new">
local count = 0
local guard ---@type reef.gate.guard
local inbox ---@type userdata? of reef.blocks, if messages may come in pieces

local function forget(fd)
	if connected[fd] then
		connected[fd] = nil
		count = count - 1
		gate.route(fd)
		guard:left(fd)
		if inbox then
			inbox:forget(fd)
		end
	end
end

---Reads from a client from now on.
---@param fd integer
function gateserver.openclient(fd)
	if connected[fd] == "new" then
		connected[fd] = "reading"
		driver.start(fd)
		guard:opened(fd)
	end
end

---Closes a client's connection; what was written to it is still sent.
---@param fd integer
function gateserver.closeclient(fd)
	if connected[fd] then
		forget(fd)
		driver.close(fd)
	end
end

---Streams with a packet or block that began before that many hundredths of a second.
local function unfinished(cs)
	local late = gate.unfinished(cs)
	return inbox and table.move(inbox:unfinished(cs), 1, 1024, #late + 1, late) or late
end

---Turns the service into a gate. It answers the commands `open` (a table: address, port, maxclient, nodelay, backlog,
---the limits of reef.gate, and `blocks`: true or the limits of reef.blocks) and `close`; others are the handler's.
---@param handler gateserver.handler
function gateserver.start(handler)
	assert(type(handler.message) == "function", "a gate's handler needs a function `message`")
	assert(type(handler.connect) == "function", "a gate's handler needs a function `connect`")

	local listener ---@type integer?
	local opening ---@type {id: integer, address?: string, port?: integer}?
	local limit, nodelay = DEFAULT_CLIENTS, false

	-- The client is gone, or has to be.
	local function drop(fd, reason)
		if connected[fd] then
			driver.shutdown(fd)
			if handler.error then
				handler.error(fd, reason)
			end
			forget(fd)
		end
	end

	guard = gate.guard {
		unfinished = unfinished,
		drop = function(fd, reason)
			skynet.error(("gate: closed fd (%d): %s"):format(fd, reason))
			drop(fd, reason)
		end,
		pause = function()
			driver.pause(listener)
		end,
		resume = function()
			if listener then
				driver.start(listener)
			end
		end,
	}

	local function handle(fd, msg, sz)
		if connected[fd] ~= "reading" then
			skynet.error(("Drop message from fd (%d), %d bytes"):format(fd, sz))
			skynet.trash(msg, sz)
			return
		end
		if inbox then
			msg, sz = inbox:add(fd, msg, sz)
		end
		if not msg and not sz and handler.pieces and not handler.pieces(fd) then
			sz = "it may send no large block yet"
		end
		if msg then
			handler.message(fd, msg, sz)
		elseif sz then
			skynet.error(("gate: closed fd (%d): %s"):format(fd, sz))
			drop(fd, sz)
		end
	end

	-- A handler may wait. While it does, another coroutine, which is there before it is needed, goes on with the queue.
	local standing_by = false
	local function drain()
		standing_by = false
		for fd, msg, sz in netpack.pop, queue do
			if not standing_by then
				standing_by = true
				skynet.fork(drain)
			end
			handle(fd, msg, sz)
		end
	end

	local event = {}
	event.data = handle
	event.more = drain

	function event.init(id, address, port)
		if opening and id == opening.id then
			opening.address, opening.port = address, port
			skynet.wakeup(opening)
		end
	end

	function event.open(fd, address)
		-- The one that would make it full is turned away, as it always was.
		if count + 1 >= limit or not guard:admit(fd, address) then
			driver.shutdown(fd)
			return
		end
		if nodelay then
			driver.nodelay(fd)
		end
		connected[fd] = "new"
		count = count + 1
		handler.connect(fd, address)
	end

	function event.close(fd)
		if fd == listener then
			listener = nil
		elseif connected[fd] then
			connected[fd] = "closed"
			gate.route(fd)
			if handler.disconnect then
				handler.disconnect(fd)
			end
		end
	end

	event["error"] = function(fd, reason)
		if fd == listener then
			skynet.error("gate: cannot accept: " .. reason)
		else
			drop(fd, reason)
		end
	end

	function event.warning(fd, kb)
		guard:warned(fd, kb)
		if connected[fd] and handler.warning then
			handler.warning(fd, kb)
		end
	end

	local command = {}

	function command.open(source, conf)
		assert(not listener, "the gate listens already")
		options.hint("gate", conf, KNOWN)
		for name, value in pairs(handler.defaults or {}) do
			if conf[name] == nil then
				conf[name] = value
			end
		end
		inbox = conf.blocks and require("reef.blocks").inbox(conf.blocks) or nil
		guard:allow(conf)
		limit = math.tointeger(tonumber(conf.maxclient or DEFAULT_CLIENTS)) or 0
		if limit < 1 then
			error(("gate: maxclient is a positive integer, not %s"):format(tostring(conf.maxclient)), 0)
		end
		nodelay = conf.nodelay
		if conf.port == nil and not (conf.address and conf.address:find "[:/]") then
			error("gate: a port is required", 0)
		end
		listener = driver.listen(conf.address or "0.0.0.0", conf.port, conf.backlog or DEFAULT_BACKLOG)
		opening = { id = listener }
		while not opening.port do
			skynet.wait(opening)
		end
		conf.address, conf.port = opening.address, opening.port
		opening = nil
		driver.start(listener)
		if handler.open then
			return handler.open(source, conf)
		end
	end

	function command.close()
		assert(listener, "the gate does not listen")
		driver.close(listener)
		listener = nil
	end

	skynet.register_protocol {
		name = "socket",
		id = skynet.PTYPE_SOCKET,
		unpack = function(msg, sz)
			return netpack.filter(queue, msg, sz)
		end,
		dispatch = function(_, _, _, kind, ...)
			if kind then
				event[kind](...)
			end
		end,
	}

	local function init()
		skynet.dispatch("lua", function(session, source, cmd, ...)
			local own = command[cmd]
			local answer = session == 0 and function() end or skynet.retpack
			if own then
				answer(own(source, ...))
			elseif handler.command then
				answer(handler.command(cmd, source, ...))
			else
				error(("the gate has no command %s"):format(tostring(cmd)), 0)
			end
		end)
	end

	if handler.embed then
		init()
	else
		skynet.start(init)
	end
end

return gateserver
