-- A service's second mailbox, handled one message at a time. Deprecated by the API: use skynet.queue.

local skynet = require "skynet"
local queue = require "skynet.queue"

local mqueue = {}

local waiting = 0
local handler ---@type function?

skynet.register_protocol {
	name = "queue",
	id = skynet.PTYPE_QUEUE,
	pack = skynet.pack,
	unpack = skynet.unpack,
}

---Handles the messages of type `queue` with f, in order and one at a time. What f returns is the reply.
---@param f fun(...): ...
function mqueue.register(f)
	assert(not handler, "mqueue.register: there is a handler already")
	handler = f
	local lock = queue()
	skynet.dispatch("queue", function(session, _, ...)
		waiting = waiting + 1
		if session == 0 then
			lock(function(...)
				waiting = waiting - 1
				f(...)
			end, ...)
		else
			skynet.retpack(lock(function(...)
				waiting = waiting - 1
				return f(...)
			end, ...))
		end
	end)
end

---Sends a request to the second mailbox of a service and waits for its answer. Raises as skynet.call does.
---@param address skynet.address
---@param ... any
---@return any ...
function mqueue.call(address, ...)
	return skynet.call(address, "queue", ...)
end

---Sends a message to the second mailbox of a service.
---@param address skynet.address
---@param ... any
---@return integer? zero nil: there is no such service
function mqueue.send(address, ...)
	return skynet.send(address, "queue", ...)
end

---Messages that wait for their turn.
---@return integer
function mqueue.size()
	return waiting
end

return mqueue
