-- One connection of another node to this one: its requests go to services of this process, and their answers back.
--
-- Frames are taken in their order, and what a name means is asked before the next frame is looked at: so what one
-- service sends to another arrives in that order. What cannot be a frame ends the connection.

local frame = require "reef.cluster.frame"
local incoming_requests = require "reef.cluster.incoming"
local losses = require "reef.losses"
local options = require "reef.cluster.options"
local core = require "skynet.core"
local driver = require "skynet.socketdriver"
local skynet = require "skynet"
local socket = require "reef.socket"
local trust = require "reef.cluster.trust"

local agent = {}

local id, peer                 ---@type integer, string
local clusterd                 ---@type integer
local names = {}               ---@type table<string, integer> of `@name`, as clusterd has said
local at_work = 0
local visitor = trust.visitor()
local progress = true          -- has anything come that unfinished messages wait for?
local in_frame = false
local watching = false
local over                     ---@type table|nil no request comes any more: what to wake when nothing is left to answer

-- ---- what cannot be answered ----

local no_receiver, tell_dropped = losses.new(function(count, why)
	return ("cluster: %d sends from %s had no receiver: %s"):format(count, peer, why)
end)

-- ---- names ----

local function registered(name)
	local address = names[name]
	if not address then
		address = skynet.call(clusterd, "lua", "registered", name)
		names[name] = address
	end
	return address
end

---@param name string `@registered`, `.local`, `:hex`, or a global name that somebody has
---@return integer|nil address
---@return string|nil why
local function resolve(name)
	if name:byte() == 64 then
		local address = registered(name:sub(2))
		return address, not address and ("nobody is registered as %s"):format(name) or nil
	end
	local ok, address = pcall(core.addresscommand, "QUERY", name)
	if ok and address then
		return address
	end
	return nil, ("there is no service %s"):format(name)
end

-- ---- requests ----

local function forget(message, size)
	if size then
		skynet.trash(message, size)
	end
end

local function large_text(message, size)
	local text = skynet.tostring(message, size)
	skynet.trash(message, size)
	return text
end

local function answer(session, message, size)
	local first, parts_of = frame.response(session, message, size)
	if not parts_of then
		return socket.write(id, first)
	end
	local taken = socket.lwrite(id, first)
	for block, bytes in parts_of do
		taken = socket.lwrite(id, block, bytes)
	end
	return taken
end

local function refuse(session, text)
	return socket.write(id, frame.failure(session, text))
end

local function finish(session, ok, message, size)
	at_work = at_work - 1
	local taken
	if ok and size > frame.PART then
		taken = answer(session, message, size)
	elseif ok then
		taken = answer(session, size == 0 and "" or skynet.tostring(message, size))
	else
		taken = refuse(session, (tostring(message):gsub("^call failed: ", "")))
	end
	if over and (at_work == 0 or not taken) then
		skynet.wakeup(over)
	end
end

local function serve(session, address, message, its_tag, size)
	if its_tag then
		return finish(session, pcall(skynet.tracecall, its_tag, address, "lua", message, size))
	end
	return finish(session, pcall(skynet.rawcall, address, "lua", message, size))
end

local function query(session, message)
	local ok, name = pcall(skynet.unpack, message)
	if not ok or type(name) ~= "string" then
		return refuse(session, "a query is for a name")
	end
	local address
	if name:find "^[.:]" then
		address = resolve(name)
	else
		address = registered((name:gsub("^@", "")))
	end
	if address then
		return answer(session, skynet.packstring(address))
	end
	refuse(session, ("nobody is registered as %s"):format(name))
end

local function push(address, message, its_tag, size)
	if its_tag then
		core.send(address, skynet.PTYPE_TRACE, 0, its_tag)
	end
	local ok, sent = pcall(skynet.rawsend, address, "lua", message, size)
	if not ok or sent == nil then
		no_receiver(ok and ("nobody has the address :%08x"):format(address) or tostring(sent))
	end
end

-- `size`: the message is large, and ours, as in lua_parts.h.
local function request(address, session, message, is_push, its_tag, size)
	if address == 0 then
		if size then
			message = large_text(message, size)
		end
		if not is_push then
			query(session, message)
		end
		return
	end
	local why
	if type(address) == "string" then
		address, why = resolve(address)
	end
	if is_push then
		if not address then
			forget(message, size)
			return no_receiver(why)
		end
		return push(address, message, its_tag, size)
	elseif not address then
		forget(message, size)
		return refuse(session, why)
	elseif at_work >= options.requests then
		forget(message, size)
		return refuse(session, ("%d requests of this connection are at work (cluster_requests)"):format(at_work))
	end
	at_work = at_work + 1
	skynet.fork(serve, session, address, message, its_tag, size)
end

-- ---- frames ----

local incoming = incoming_requests.new(options.limit, request)
local parts = incoming.parts

local function overdue()
	if not progress then
		skynet.error(("cluster: the connection from %s is ended: nothing more of an unfinished %s has come for %g s"):format(
			peer, in_frame and "frame" or "message", options.unfinished))
		return socket.shutdown(id)
	end
	progress = false
	watching = in_frame or parts.count > 0
	if watching then
		skynet.timeout(math.ceil(options.unfinished * 100), overdue)
	end
end

local function fed(unfinished)
	in_frame, progress = unfinished, true
	if not watching and (unfinished or parts.count > 0) then
		watching = true
		skynet.timeout(math.ceil(options.unfinished * 100), overdue)
	end
end

local function partly(buffer, first, last)
	return visitor.known and incoming:partly(buffer, first, last) or nil
end

local function on_frame(buffer, first, last)
	if visitor.known then
		return incoming:frame(buffer, first, last)
	end
	local kind, address, session, message = frame.parse_request(buffer, first, last)
	answer(session, trust.visit(visitor, kind == 0 and address, kind == 0 and message or ""))
end

-- ---- the connection ----

-- Answers that are not taken would fill the memory: a message may be as large as the limit, and twice that is too much.
local function on_unsent(_, kb)
	if kb * 1024 >= 2 * options.limit then
		skynet.error(("cluster: the connection from %s is ended: it does not take its answers, %d KB wait (cluster_limit)")
			:format(peer, kb))
		socket.shutdown(id)
	elseif kb > 0 then
		skynet.error(("cluster: %d KB of answers wait to be sent to %s"):format(kb, peer))
	end
end

local function still_unknown()
	if not visitor.known then
		skynet.error(("cluster: the connection from %s is ended: it has not shown that it knows cluster_secret"):format(peer))
		socket.shutdown(id)
	end
end

-- Who has ended his writing side, after what he had to ask, may still wait for answers.
local function answer_the_rest()
	if at_work > 0 then
		over = {}
		skynet.send(clusterd, "lua", "lingers", skynet.self())
		skynet.sleep(math.ceil(options.unfinished * 100), over)
	end
end

local command = {}

---Serves the connection; answers when it is over.
---@param fd integer accepted, and nobody's yet
---@param from string
function command.serve(fd, from)
	id, peer = fd, from
	if socket.start(id) then
		driver.nodelay(id)
		socket.warning(id, on_unsent)
		if not visitor.known then
			skynet.timeout(trust.TIMEOUT, still_unknown)
		end
		local ok, result = pcall(frame.read, id, on_frame, fed, partly)
		if not ok then
			skynet.error(("cluster: the connection from %s is ended: it has sent %s"):format(peer, tostring(result)))
			socket.shutdown(id)
		elseif result > 0 or parts.count > 0 then
			skynet.error(("cluster: the connection from %s was lost in the middle of a message"):format(peer))
		end
		if ok then
			answer_the_rest()
		end
		socket.close(id)
	end
	tell_dropped()
	skynet.retpack()
	skynet.exit()
end

---From clusterd: others need the place more than answers that are owed to who asks no more.
function command.leave()
	skynet.ignoreret()
	if over then
		skynet.wakeup(over)
	end
end

---From clusterd: what is registered has changed.
function command.names()
	skynet.ignoreret()
	names = {}
end

---@param manager integer clusterd
function agent.run(manager)
	clusterd = manager
	skynet.dispatch("lua", function(_, _, name, ...)
		command[name](...)
	end)
	skynet.info_func(function()
		return { peer = peer, at_work = at_work, unfinished = parts.count, unfinished_bytes = parts.bytes }
	end)
end

return agent
