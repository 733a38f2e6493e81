-- The master of a harbor network: knows the slaves and the global names, and tells each slave what it needs of
-- others. No message between services passes here.

local frame = require "reef.harbor.frame"
local process = require "reef.process"
local skynet = require "skynet"
local socket = require "reef.socket"

local HANDSHAKE <const> = 1000 -- cs until a connection has said who it is

local master = {}

---@class reef.harbor.master.slave
---@field fd integer
---@field id integer
---@field address string
---@field has_lost table<integer, true> ids that it never connects to again

local slaves = {} ---@type table<integer, reef.harbor.master.slave>
local names = {}  ---@type table<string, integer>

local function tell(slave, ...)
	socket.write(slave.fd, frame.tuple(...))
end

local function tell_all(...)
	for _, slave in pairs(slaves) do
		tell(slave, ...)
	end
end

---Why a slave cannot join; nil: it can.
local function problem_of(id, address)
	if not frame.is_id(id) or type(address) ~= "string" or address == "" or #address > 200 then
		return "its hello is none"
	elseif slaves[id] then
		return ("there is a node with the number %d already, %s"):format(id, slaves[id].address)
	end
	for _, slave in pairs(slaves) do
		if slave.has_lost[id] then
			return ("a node with the number %d was lost, and node %d takes no other for it: use another number"):format(
				id, slave.id)
		end
	end
end

local command = {}

function command.R(slave, name, handle)
	if type(name) ~= "string" or #name == 0 or #name > 15 or math.type(handle) ~= "integer" then
		return "it has registered what is no name"
	elseif names[name] and names[name] ~= handle then
		skynet.error(("master: node %d cannot give the global name %s to %s: it is taken by %s"):format(slave.id, name,
			skynet.address(handle), skynet.address(names[name])))
		tell(slave, "N", name, names[name])
	elseif not names[name] then
		names[name] = handle
		tell_all("N", name, handle)
	end
end

function command.Q(slave, name)
	if type(name) ~= "string" then
		return "it has asked for what is no name"
	elseif names[name] then
		tell(slave, "N", name, names[name])
	end
end

local function serve(slave)
	while true do
		local tuple, problem = frame.read_tuple(slave.fd)
		if not tuple then
			return problem
		end
		local f = command[tuple[1]]
		problem = not f and ("it has sent the unknown word %q"):format(tuple[1]) or f(slave, tuple[2], tuple[3])
		if problem then
			return problem
		end
	end
end

local function join(fd, peer)
	local in_time = false
	skynet.timeout(HANDSHAKE, function()
		if not in_time then
			socket.shutdown(fd)
		end
	end)
	local hello = frame.read_tuple(fd)
	in_time = true
	if not hello or hello[1] ~= "H" then
		return skynet.error(("master: the connection from %s has not said hello, it is ended"):format(peer))
	end
	local id, address = hello[2], hello[3]
	local problem = problem_of(id, address)
	if problem then
		return skynet.error(("master: %s cannot join: %s"):format(peer, problem))
	end
	local slave = { fd = fd, id = id, address = address, has_lost = {} }
	local count = 0
	for _ in pairs(slaves) do
		count = count + 1
	end
	tell_all("C", id, address)
	slaves[id] = slave
	tell(slave, "W", count)
	skynet.error(("master: node %d has joined, it is at %s"):format(id, address))
	problem = serve(slave)
	slaves[id] = nil
	for _, other in pairs(slaves) do
		other.has_lost[id] = true
	end
	tell_all("D", id)
	skynet.error(("master: node %d is lost: %s"):format(id, problem))
end

---Runs the service `cmaster`.
---@param address string where it listens
function master.run(address)
	skynet.start(function()
		process.daemon()
		local id = socket.listen(address)
		assert(socket.start(id, function(fd, peer)
			if socket.start(fd) then
				join(fd, peer)
				socket.close(fd)
			end
		end))
		skynet.info_func(function()
			local nodes = {}
			for number, slave in pairs(slaves) do
				nodes[number] = slave.address
			end
			return { nodes = nodes, names = names }
		end)
	end)
end

return master
