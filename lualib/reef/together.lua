-- A function runs over several services, which hold back their other messages. Times are in seconds.
--
--     local together = require "reef.together"
--     together.dispatch("lua", handler)                       -- in each of the services, in place of skynet.dispatch
--     together.run({ alice, bob }, function()                 -- in whichever service
--         together.call(alice, "take", 10)
--         together.call(bob, "give", 10)
--     end)
--
-- Services are held in the order of their addresses, so two that want the same ones never wait for each other. A held
-- service looks whether its holder is alive, and lets go at the deadline by itself.
local checks = require "reef.options"
local services = require "reef.services"
local skynet = require "skynet"

local together = {}

local MARK <const> = "\0reef.together" -- what is ours among messages of the type "lua"
local SECONDS <const> = 10
local GRACE <const> = 1 -- s; a held service lets go that much later than its holder has to be done
local LOOK <const> = 10 -- cs between looks at the holder

---@class reef.together.ticket
---@field id string          unique in the network
---@field addresses table<integer, true>  all that it holds or is going to hold
---@field by number|nil      skynet.now() at which it is over
---@field source integer|nil the holder's service
---@field granted fun(ok: boolean)|nil  tells the holder, while the ticket waits

-- The tickets of coroutines that run in the name of one.
local carried = setmetatable({}, { __mode = "k" }) ---@type table<thread, reef.together.ticket>

-- ---- the side that is held ----

local holder                          ---@type reef.together.ticket|nil
local waiting, first, last = {}, 1, 0 -- messages (tokens) and tickets, as they came
local looking = false

local function let_go()
	holder = nil
	while first <= last do
		local item = waiting[first]
		waiting[first] = nil
		first = first + 1
		if not item.id then
			item.woken = true
			skynet.wakeup(item)
		elseif not item.dropped and item.granted(true) then
			holder = item
			return
		end
	end
	first, last = 1, 0
end

local function is_over(ticket)
	return skynet.now() >= ticket.by or not services.alive(ticket.source)
end

local function look()
	looking = holder ~= nil
	if holder and is_over(holder) then
		skynet.error(("together: :%08x has not let go of this service, which goes on"):format(holder.source))
		let_go()
		looking = holder ~= nil
	end
	if looking then
		skynet.timeout(LOOK, look)
	end
end

local function wait_behind(item)
	last = last + 1
	waiting[last] = item
end

local operations = {}

-- Carried by a coroutine while it serves a message of the holder's.
local carrying = {
	__close = function(self)
		carried[self.thread] = nil
	end,
}

---@param handler function
function operations.message(handler, session, source, id, ...)
	if not holder or holder.id ~= id then
		error("together: the time is over, others are served again", 0)
	end
	local guard <close> = setmetatable({ thread = coroutine.running() }, carrying)
	carried[guard.thread] = holder
	return handler(session, source, ...)
end

function operations.hold(_, _, source, id, addresses, seconds)
	if not services.alive(source) then
		error("only a service of the same process may hold others", 0)
	end
	local ticket = { id = id, addresses = addresses, source = source, by = skynet.now() + seconds * 100 }
	if holder then
		ticket.granted = skynet.response()
		wait_behind(ticket)
		return
	end
	holder = ticket
	if not looking then
		looking = true
		skynet.timeout(LOOK, look)
	end
	skynet.retpack()
end

function operations.release(_, _, _, id)
	if holder and holder.id == id then
		let_go()
		return
	end
	for i = first, last do
		if waiting[i].id == id then
			waiting[i].dropped = true
		end
	end
end

---As skynet.dispatch, in a service that may be held: the messages of this type wait, in order, while somebody holds it.
---What it has begun to handle goes on. Type "lua" is what `run` needs; others may be held back beside it.
---@param kind string
---@param handler fun(session: integer, source: integer, ...: any)
function together.dispatch(kind, handler)
	if type(handler) ~= "function" then
		error("together.dispatch: the handler has to be a function")
	end
	local ours = kind == "lua"
	return skynet.dispatch(kind, function(session, source, mark, operation, ...)
		if mark == MARK and ours then
			return operations[operation](handler, session, source, ...)
		end
		if holder then
			local token = {}
			wait_behind(token)
			repeat
				skynet.wait(token)
			until token.woken
		end
		return handler(session, source, mark, operation, ...)
	end)
end

-- ---- the side that holds ----

local function address_of(address)
	local found = address
	if type(address) == "string" then
		found = skynet.localname(address)
	end
	if math.type(found) ~= "integer" then
		error(("together.run: there is no service %s"):format(tostring(address)))
	end
	return found
end

local function sorted(addresses)
	local list, set = {}, {}
	for _, address in ipairs(addresses) do
		address = address_of(address)
		if not set[address] then
			set[address] = true
			list[#list + 1] = address
		end
	end
	table.sort(list)
	return list, set
end

local serial = 0

local function new_ticket(set)
	serial = serial + 1
	return { id = ("%x.%x"):format(skynet.self(), serial), addresses = set }
end

-- Lets go of what was asked for, however the coroutine ends.
local releasing = {
	__close = function(self)
		carried[self.thread] = nil
		for i = self.asked, 1, -1 do
			skynet.send(self.list[i], "lua", MARK, "release", self.ticket.id)
		end
	end,
}

local function hold_all(list, ticket, by, f, ...)
	local held <close> = setmetatable({ list = list, ticket = ticket, asked = 0, thread = coroutine.running() }, releasing)
	for i, address in ipairs(list) do
		held.asked = i
		local left = math.max(0, by - skynet.now()) / 100 + GRACE
		local ok, reason = pcall(skynet.call, address, "lua", MARK, "hold", ticket.id, ticket.addresses, left)
		if not ok then
			error(("together: :%08x cannot be held: %s"):format(address, tostring(reason)), 0)
		end
	end
	carried[held.thread] = ticket
	return f(...)
end

local worker_type = {
	__close = function(work)
		if not work.result then
			skynet.killthread(work.thread)
		end
	end,
}

local known = { seconds = true }

---Runs f(...) while all these services hold back their other messages. They hear from f by together.call and
---together.send alone; an ordinary call to one of them waits as any other's. f runs in a coroutine of its own.
---@param addresses (integer|string)[]  in any order; names with their dot
---@param options { seconds: number? }|nil  by when f has to be done, waiting for the services included; 10
---@param f function
---@param ... any  for f
---@return any ... what f returns; raises its error, or that the time is over: f is ended then, where it waits
---@overload fun(addresses: (integer|string)[], f: function, ...: any): ...
function together.run(addresses, options, f, ...)
	if type(options) == "function" then
		return together.run(addresses, nil, options, f, ...)
	end
	checks.check("together.run", options, known)
	local seconds = options and options.seconds or SECONDS
	if type(seconds) ~= "number" or not (seconds > 0 and seconds < 1e6) then
		error("together.run: 'seconds' has to be a number above 0")
	elseif type(f) ~= "function" then
		error("together.run: what is to be run has to be a function")
	elseif type(addresses) ~= "table" then
		error("together.run: the addresses have to be a list")
	elseif carried[coroutine.running()] then
		error("together.run: this runs over held services already; hold all of them at once")
	end
	local list, set = sorted(addresses)
	local ticket, by = new_ticket(set), skynet.now() + math.ceil(seconds * 100)
	local work <close> = setmetatable({}, worker_type)
	work.thread = skynet.fork(function(...)
		work.result = table.pack(pcall(hold_all, list, ticket, by, f, ...))
		skynet.wakeup(work)
	end, ...)
	while not work.result and skynet.now() < by do
		skynet.sleep(by - skynet.now(), work)
	end
	local result = work.result
	if not result then
		error(("together: not done within %g s"):format(seconds))
	elseif not result[1] then
		error(result[2], 0)
	end
	return table.unpack(result, 2, result.n)
end

local function ticket_for(address)
	local ticket = carried[coroutine.running()]
	if type(address) == "string" then
		address = skynet.localname(address) or address
	end
	return ticket and ticket.addresses[address] and ticket.id
end

---As skynet.call with type "lua": the message passes if the address is held by the `run` that this coroutine belongs
---to, be it as the function itself or as a handler of a message that it sent so.
---@param address integer|string
---@param ... any
---@return any ...
function together.call(address, ...)
	local id = ticket_for(address)
	if id then
		return skynet.call(address, "lua", MARK, "message", id, ...)
	end
	return skynet.call(address, "lua", ...)
end

---As skynet.send with type "lua"; see call.
---@param address integer|string
---@param ... any
function together.send(address, ...)
	local id = ticket_for(address)
	if id then
		return skynet.send(address, "lua", MARK, "message", id, ...)
	end
	return skynet.send(address, "lua", ...)
end

return together
