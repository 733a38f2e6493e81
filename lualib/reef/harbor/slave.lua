-- A node of a harbor network: says hello to the master, connects to the nodes that the master names, lets in those that
-- the master has sent, and carries what goes to services of other nodes. The service `.cslave` runs this.
--
-- Its start ends when every node that was there before has connected to it.

local frame = require "reef.harbor.frame"
local names = require "reef.harbor.names"
local peer = require "reef.harbor.peer"
local process = require "reef.process"
local skynet = require "skynet"
local socket = require "reef.socket"
local waits = require "reef.waits"
require "reef.manager"

local GREETING <const> = 1000 -- cs until a connection has said who it is
local ATTEMPTS <const> = 5    -- to connect to a node that the master has named

local slave = {}

local own = skynet.self() >> 24
local master                   ---@type integer|nil its socket
local peers = {}               ---@type table<integer, reef.harbor.peer>
local missing                  ---@type integer|nil nodes that will connect, until the start is over
local named = {}               ---@type table<integer, true> nodes that the master has told to us
local starting                 ---@type thread|nil
local master_watchers = {}     ---@type function[]

local function peer_of(id)
	local p = peers[id]
	if not p then
		p = peer.new(id)
		peers[id] = p
	end
	return p
end

-- ---- the start ----

local function one_less()
	missing = missing and missing - 1
	if missing == 0 and starting then
		skynet.wakeup(starting)
	end
end

-- ---- connections ----

-- Each side sends its number; the answer: the other's.
local function greet(fd)
	local in_time = false
	skynet.timeout(GREETING, function()
		if not in_time then
			socket.shutdown(fd)
		end
	end)
	socket.write(fd, string.char(own))
	local byte = socket.read(fd, 1)
	in_time = true
	return byte and byte:byte()
end

local function open(p, address)
	local id, err
	for i = 1, ATTEMPTS do
		id, err = socket.open(address)
		if id then
			return id
		end
		skynet.sleep(20 * i)
	end
	p:lose(("cannot connect to %s: %s"):format(address, err))
end

local function connect(id, address)
	local p = peer_of(id)
	if p.state ~= "waiting" then
		return skynet.error(("harbor %d: the master wants it to be connected again, it is %s"):format(id, p.state))
	end
	p.state = "connecting"
	skynet.fork(function()
		local fd = open(p, address)
		if not fd then
			return
		end
		local its = greet(fd)
		if its ~= id then
			p:lose(("%s says that it is %s"):format(address, its and "node " .. its or "nobody"))
		elseif p.state == "connecting" then
			p:serve(fd)
		end
		socket.close(fd)
	end)
end

local function accept(fd, from)
	if not socket.start(fd) then
		return
	end
	local id = greet(fd)
	local p = frame.is_id(id) and id ~= own and peer_of(id)
	if not p or p.state ~= "waiting" then
		skynet.error(("harbor: the connection from %s is refused: %s"):format(from,
			p and ("node %d is %s"):format(id, p.state) or ("it says that it is %s"):format(id and "node " .. id or "nobody")))
	else
		one_less()
		p:serve(fd)
	end
	socket.close(fd)
end

-- ---- the master ----

local from_master = {}

function from_master.W(n)
	if math.type(n) ~= "integer" or n < 0 or missing then
		return "it has sent a wrong number of nodes"
	end
	for _, p in pairs(peers) do
		n = p.state ~= "waiting" and not named[p.id] and n - 1 or n
	end
	missing = n + 1
	one_less()
end

function from_master.C(id, address)
	if not frame.is_id(id) or id == own or type(address) ~= "string" then
		return "it has named what is no node"
	end
	named[id] = true
	connect(id, address)
end

function from_master.N(name, handle)
	if type(name) ~= "string" or math.type(handle) ~= "integer" or not pcall(skynet.check_global_name, name) then
		return "it has named what is no name"
	end
	names.bind(name, handle)
end

function from_master.D(id)
	if not frame.is_id(id) then
		return "it has lost what is no node"
	end
	local p = peer_of(id)
	if p.state == "waiting" and not named[id] and missing and missing > 0 then
		one_less()
	end
	-- A connection that still stands says itself when it ends: what has been sent before still arrives.
	if p.state ~= "up" then
		p:lose "the master has lost that node"
	end
end

local function tell_master(...)
	if master then
		socket.write(master, frame.tuple(...))
	end
	return master ~= nil
end

local function serve_master()
	local tuple, problem
	repeat
		tuple, problem = frame.read_tuple(master)
		local f = tuple and from_master[tuple[1]]
		if tuple then
			problem = not f and ("it has sent the unknown word %q"):format(tuple[1]) or f(tuple[2], tuple[3])
		end
	until problem
	local id = master
	master = nil
	skynet.error(("harbor: the master is lost: %s"):format(problem))
	socket.close(id)
	for _, watcher in ipairs(master_watchers) do
		watcher()
	end
	if starting then
		skynet.wakeup(starting)
	end
end

-- ---- commands ----

local command = {}

function command.REGISTER(name, handle)
	if names.bind(name, handle) and not tell_master("R", name, handle) then
		skynet.error(("harbor: the master is lost, other nodes do not learn the global name %s"):format(name))
	end
	skynet.ret()
end

local function ask(name)
	tell_master("Q", name)
end

function command.QUERYNAME(name)
	if not names.answer(name) then
		ask(name)
	end
end

local function check(id)
	return frame.is_id(id) and id or error(("%s is no number of a node: 1 to 255"):format(tostring(id)), 0)
end

function command.LINK(id)
	local p = peer_of(check(id))
	if p.state ~= "up" then
		return skynet.ret()
	end
	local response = skynet.response()
	p:watch(function()
		response(true)
	end)
end

function command.CONNECT(id)
	local p = peer_of(check(id))
	if p.state == "up" or id == own then
		return skynet.ret()
	elseif p.state == "lost" then
		error(("harbor %d: that node is lost, it does not come back under its number"):format(id), 0)
	end
	local response = skynet.response()
	waits.tell(function()
		return p.state ~= "up" and response "TEST" and ("harbor.connect(%d): that node is not there"):format(id)
	end)
	p:watch(function(up)
		response(up, not up and ("harbor %d: that node is lost"):format(id) or nil)
	end)
end

function command.LINKMASTER()
	if not master then
		return skynet.ret()
	end
	local response = skynet.response()
	table.insert(master_watchers, function()
		response(true)
	end)
end

-- ---- the service ----

-- What the engine could not deliver here: the frame, and the number of its node.
local function carry(session, source, text)
	local from, destination, kind, its = frame.trailer(text:sub(-13, -2))
	local id = text:byte(-1)
	if session ~= 0 then
		skynet.ignoreret()
	end
	peer_of(id):send(from ~= 0 and from or source, id << 24 | destination, kind, its, text:sub(1, -2))
end

local function listen(address)
	local id = socket.listen(address)
	assert(socket.start(id, accept))
end

local function start()
	skynet.register ".cslave"
	process.daemon()
	listen(skynet.getenv "address")
	local where = skynet.getenv "master"
	local id, err = socket.open(where)
	if not id then
		error(("harbor %d: cannot connect to the master %s: %s"):format(own, where, err), 0)
	end
	master = id
	tell_master("H", own, skynet.getenv "address")
	skynet.fork(serve_master)
	starting = coroutine.running()
	waits.tell(function()
		return starting and (missing and ("harbor: %d nodes have not connected yet"):format(missing)
			or "harbor: the master has not answered")
	end)
	while master and missing ~= 0 do
		skynet.wait(starting)
	end
	starting = nil
	if missing ~= 0 then
		error(("harbor %d: cannot join: the master %s has ended the connection; its log says why (a number that is taken?)")
			:format(own, where), 0)
	end
end

function slave.run()
	skynet.register_protocol {
		name = "harbor",
		id = skynet.PTYPE_HARBOR,
		unpack = skynet.tostring,
		dispatch = carry,
	}
	names.listen(ask)
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = command[cmd]
		if not f then
			error(("harbor: unknown command %s"):format(tostring(cmd)), 0)
		end
		f(...)
	end)
	skynet.info_func(function()
		local nodes = {}
		for id, p in pairs(peers) do
			nodes[id] = p.state
		end
		return { nodes = nodes, master = master ~= nil }
	end)
	skynet.start(start)
end

return slave
