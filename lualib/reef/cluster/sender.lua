-- The connection to one node: requests of all services of the process go through it, in the order in which they come.
-- It is opened by the first request, and anew by the first one after a loss. What waits for it, because the node has no
-- address yet or the connection is being opened, waits in a queue.
--
-- A request has no coroutine: what it waits with is a response closure, which the reply's bytes pass through as they
-- are.

local now = require "reef.base.now"
local outage = require "reef.outage"
local frame = require "reef.cluster.frame"
local losses = require "reef.losses"
local options = require "reef.cluster.options"
local pending = require "reef.cluster.pending"
local replies = require "reef.cluster.replies"
local core = require "skynet.core"
local driver = require "skynet.socketdriver"
local skynet = require "skynet"
local socket = require "reef.socket"
local trust = require "reef.cluster.trust"

local LATE <const> = 65536 -- replies that a connection may owe to callers who have given up

local PART <const> = frame.PART
local MUCH <const> = 65536 -- bytes that wait to be sent: more than a few small requests
local ITEM <const> = 400   -- bytes of memory that what waits takes beside its message

local sender = {}

local node = "?"
local away ---@type reef.outage
local address                    ---@type string|false|nil nil: not known yet
local connection                 ---@type integer|nil
local connecting = false
local leaving = false            -- the node is not where it was, as far as anybody knows
local queue, queued_bytes = {}, 0
local calls = pending.new()
local answers                    ---@type reef.cluster.replies of the connection
local asked = false
local ours <const> = trust.any() -- the other side is like this one, and may be asked for a sign of life at any time
local pushed = false             -- something was sent, and nobody waits for an answer to it
local taken                      ---@type integer|nil bytes, by the network, when much was waiting for it
local unsent = 0                 -- bytes that wait for the network, as far as the socket has said
local watching, armed = false, nil

local function raw(message, size)
	return message, size
end

local function failure(why, outcome)
	local where = address and (" (%s)"):format(address) or ""
	return ("cluster node %s%s: %s (%s)"):format(node, where, why, outcome)
end

-- Sends without a connection.
local add_lost = losses.new(function(count, why)
	return ("cluster node %s: %d sends are lost: %s"):format(node, count, why)
end)

local function refuse(response, why)
	if response then
		return response(false, failure(why, "not sent"))
	end
	add_lost(why)
end

local function refuse_queue(why)
	local items = queue
	queue, queued_bytes = {}, 0
	for _, item in ipairs(items) do
		refuse(item.response, why)
	end
end

-- Responses to what nobody has asked: other nodes answer a send whose receiver they do not have.
local ignored = losses.new(function(count, session)
	return ("cluster node %s: %d responses are ignored, nobody has asked for the session %d"):format(node, count, session)
end)

-- ---- the end of a connection ----

local function drop(why)
	local id, before = connection, calls
	local count = calls.count - (asked and 1 or 0)
	if not id then
		return
	end
	connection = nil
	if leaving then
		address, leaving = false, false
	end
	calls = pending.new()
	asked, taken, pushed, unsent = false, nil, false, 0
	socket.shutdown(id)
	skynet.fork(socket.close, id)
	skynet.error(("cluster node %s (%s): %s; %d calls were in flight"):format(node, tostring(address), why, count))
	away:begins()
	before:fail_all(failure(why, "maybe applied"))
end

-- ---- deadlines, and signs of life ----

local function due()
	armed = nil
	local time = now()
	local nearest = calls:give_up(time, failure("no reply in time", "maybe applied"))
	local left = {}
	for _, item in ipairs(queue) do
		if item.deadline and item.deadline <= time then
			queued_bytes = queued_bytes - item.bytes
			refuse(item.response, address == nil and "nobody has said where it is in time" or "not connected in time")
		else
			left[#left + 1] = item
			nearest = math.min(nearest, item.deadline or math.huge)
		end
	end
	queue = left
	if calls.late_count > LATE then
		drop "too many calls without a reply in time"
	end
	if nearest < math.huge then
		sender.arm(nearest)
	end
end

function sender.arm(deadline)
	if armed and armed <= deadline then
		return
	end
	armed = deadline
	skynet.timeout(math.max(1, math.ceil((deadline - now()) * 100)), function()
		if armed == deadline then
			due()
		end
	end)
end

-- While much waits to be sent, only what the other side takes makes room for more: so more bytes that the network has
-- taken than when this was last asked are a sign of life, too.
local function takes_bytes()
	local before = taken
	taken = nil
	for _, info in ipairs(socket.netstat()) do
		if info.id == connection then
			taken = info.wbuffer >= MUCH and info.write or nil
			return before ~= nil and info.write > before
		end
	end
	return false
end

-- Any node answers to a question for a name, be it with an error: so silence in which a call waits can be told from a
-- handler that takes its time.
local function watch()
	if not connection or calls.count == 0 and not pushed then
		watching = false
		return
	end
	if answers.heard or takes_bytes() then
		answers.heard = false
	elseif asked then
		drop(("no sign of life for %g s"):format(2 * options.heartbeat))
		watching = false
		return
	else
		asked, pushed = true, false
		local session = calls:session()
		calls:add(session, function()
			asked = false
		end)
		socket.write(connection, (frame.request(0, session, skynet.packstring "reef.alive")))
	end
	skynet.timeout(math.ceil(options.heartbeat * 100), watch)
end

-- ---- writing ----

-- `size`: the message is a light userdata, which stays the caller's.
local function write(to, message, response, tag, deadline, size)
	local session = 0
	if response or (size or #message) >= PART then
		session = calls:session()
	end
	local first, parts_of = frame.request(to, session, message, not response, size)
	if tag then
		first = frame.trace(tag) .. first
	end
	local written
	if not parts_of then
		written = socket.write(connection, first)
	else
		socket.lwrite(connection, first)
		for block, bytes in parts_of do
			written = socket.lwrite(connection, block, bytes)
		end
	end
	if not written then
		return refuse(response, "the connection is closed")
	elseif response then
		calls:add(session, response, deadline)
	elseif not ours then
		return
	else
		pushed = true
	end
	if not watching and options.heartbeat > 0 then
		watching, answers.heard = true, true
		skynet.timeout(math.ceil(options.heartbeat * 100), watch)
	end
end

-- ---- reading ----

local function read(id)
	local ok, result = pcall(frame.read, id, answers.frame, nil, answers.partly)
	if connection ~= id then
		return
	elseif not ok then
		drop("the connection is ended, it has sent " .. tostring(result))
	else
		drop(result > 0 and "the connection was lost in the middle of a frame" or "the connection was lost")
	end
end

-- ---- connecting ----

local function flush()
	local items = queue
	queue, queued_bytes = {}, 0
	for _, item in ipairs(items) do
		write(item.to, item.message, item.response, item.tag, item.deadline)
	end
end

-- The socket tells when much waits, more, and when nothing does any more.
local function on_unsent(id, kb)
	if id ~= connection then
		return
	end
	unsent = kb * 1024
	if kb > 0 then
		skynet.error(("cluster node %s (%s): %d KB wait to be sent"):format(node, tostring(address), kb))
	end
end

local function connect()
	while address and not connection and queue[1] do
		local to = address
		local ok, id, err = pcall(socket.open, to, nil, { tls = trust.client })
		if not ok then
			id, err = nil, id
		end
		local problem = id and trust.connect(id)
		if problem then
			socket.shutdown(id)
			socket.close(id)
			id, err = nil, problem
		end
		if to ~= address then
			if id then
				socket.close(id)
			end
		elseif not id then
			refuse_queue(("cannot connect: %s"):format(err))
		else
			driver.nodelay(id)
			connection, asked = id, false
			away:ends()
			answers = replies.new(calls, options.limit, ignored)
			socket.warning(id, on_unsent)
			skynet.fork(read, id)
			flush()
		end
	end
	connecting = false
end

local function enqueue(to, message, response, tag, deadline)
	local bytes = #message + ITEM
	if queued_bytes + bytes > options.limit then
		return refuse(response, ("%d bytes wait for the connection (cluster_limit)"):format(queued_bytes))
	end
	queued_bytes = queued_bytes + bytes
	queue[#queue + 1] = {
		to = to, message = message, response = response, tag = tag, deadline = deadline, bytes = bytes,
	}
	if address == nil then
		if #queue == 1 then
			skynet.error(("Waiting for cluster node [%s]"):format(node))
		end
	elseif not connecting then
		connecting = true
		skynet.fork(connect)
	end
end

-- `size`: the message is a light userdata, and there is a connection.
local function accept(to, message, size, response, seconds)
	local problem = frame.problem(to) or not size and type(message) ~= "string" and "a message is a string"
	if problem then
		return refuse(response, problem)
	elseif address == false then
		return refuse(response, "it is down")
	end
	local deadline
	if response then
		seconds = seconds or options.timeout
		if seconds > 0 then
			deadline = now() + seconds
			sender.arm(deadline)
		end
	end
	local tag = core.tracewire()
	if unsent > options.limit then
		return refuse(response, ("more than %d bytes wait to be sent (cluster_limit)"):format(options.limit))
	elseif connection then
		return write(to, message, response, tag, deadline, size)
	end
	return enqueue(to, message, response, tag, deadline)
end

local function request(to, message, size, response, seconds)
	if type(message) ~= "userdata" then
		return accept(to, message, nil, response, seconds)
	end
	local text = (not connection or size < frame.PART) and skynet.tostring(message, size)
	local ok, err = pcall(accept, to, text or message, not text and size or nil, response, seconds)
	skynet.trash(message, size)
	if not ok then
		error(err, 0)
	end
end

-- ---- commands ----

local command = {}

---A call: the reply's bytes come back as they are.
---@param to integer|string
---@param message string|lightuserdata
---@param size integer|nil of a lightuserdata, which is freed
---@param seconds number|nil deadline; nil: as configured
function command.req(to, message, size, seconds)
	request(to, message, size, skynet.response(raw), seconds)
end

function command.push(to, message, size)
	skynet.ignoreret()
	request(to, message, size)
end

---From clusterd: nobody finds the node any more.
function command.left()
	skynet.ignoreret()
	if connection then
		leaving = true
	elseif address ~= false then
		address = false
		refuse_queue "it is gone"
	end
end

---From clusterd: where the node is from now on; false: down; "absent": nobody will say so.
function command.address(new)
	skynet.ignoreret()
	leaving = false
	if new == "absent" then
		return refuse_queue "it is absent"
	elseif new == address then
		return
	end
	local old = address
	drop(new and "it is at " .. new .. " now" or "it is down now")
	address = new
	if new == false then
		return refuse_queue "it is down"
	elseif old == nil and queue[1] then
		skynet.error(("cluster node [%s] is at %s"):format(node, new))
	end
	if queue[1] and not connecting then
		connecting = true
		skynet.fork(connect)
	end
end

---@param name string
---@param where string|false|nil
function sender.run(name, where)
	node, address = name, where
	away = outage.new(("cluster node %s: the connection"):format(node))
	skynet.dispatch("lua", function(_, _, name_of, ...)
		local f = command[name_of]
		if not f then
			error(("cluster node %s: unknown command %s"):format(node, tostring(name_of)), 0)
		end
		f(...)
	end)
	skynet.info_func(function()
		return { node = node, address = address, connected = connection ~= nil, in_flight = calls.count, queued = #queue }
	end)
end

return sender
