-- What a process knows of its cluster: where nodes are, who is registered, where it listens, and which services carry
-- all that. The service `clusterd` runs this.

local once = require "reef.once"
local process = require "reef.process"
local skynet = require "skynet"
local socket = require "reef.socket"
local trust = require "reef.cluster.trust"

local MAXCLIENT <const> = 1024

local nodes = {}

local addresses = {}   ---@type table<string, string|false>
local nowaiting = false
local found = {}       ---@type table<string, string> those that have been found, and not been told
local finder           ---@type integer|nil the service that looks for nodes
local senders = {}     ---@type table<string, integer>
local launching = {}   ---@type table<string, reef.once.work>
local proxies = {}     ---@type table<string, integer>
local names = {}       ---@type table<string, integer>
local agents = {}      ---@type table<integer, true>
local lingering = {}   ---@type table<integer, true> those who get no more requests, and still have some to answer

local command = {}

-- ---- the configuration ----

local function read_file(path)
	local file, err = io.open(path, "rb")
	if not file then
		error(("cluster: cannot read %s"):format(err), 0)
	end
	local text = file:read "a"
	file:close()
	local env = {}
	local chunk, problem = load(text, "@" .. path, "t", env)
	if not chunk then
		error(("cluster: %s"):format(problem), 0)
	end
	chunk()
	return env
end

local function check(config)
	if type(config) ~= "table" then
		error(("cluster.reload: nodes are a table, not a %s"):format(type(config)), 0)
	end
	for name, address in pairs(config) do
		if type(name) ~= "string" then
			error(("cluster: the name of a node is a string, not a %s"):format(type(name)), 0)
		elseif name:sub(1, 2) == "__" then
			if name ~= "__nowaiting" then
				error(("cluster: unknown option %s"):format(name), 0)
			elseif type(address) ~= "boolean" then
				error("cluster: __nowaiting is true or false", 0)
			end
		elseif address ~= false and (type(address) ~= "string" or address == "") then
			error(("cluster: node %s is an address, such as \"10.0.0.1:2528\", or false, not %s"):format(
				name, type(address) == "string" and "an empty string" or tostring(address)), 0)
		end
	end
	return config
end

-- A connection to a node that is not there any more may still work: it is used until it ends.
local function leave(name)
	addresses[name] = false
	if senders[name] then
		skynet.send(senders[name], "lua", "left")
	end
end

local function move(name, address)
	addresses[name] = address
	if senders[name] then
		skynet.send(senders[name], "lua", "address", address)
	end
end

---Merges what a table says, or the file that the configuration's `cluster` names.
---@param config table|nil
function command.reload(config)
	if config == nil then
		local path = skynet.getenv "cluster"
		config = path and read_file(path) or {}
	end
	check(config)
	if config.__nowaiting ~= nil then
		nowaiting = config.__nowaiting
	end
	for name, address in pairs(config) do
		if name:sub(1, 2) ~= "__" and addresses[name] ~= address then
			move(name, address)
		end
	end
	if nowaiting then
		for name, address in pairs(senders) do
			if addresses[name] == nil then
				skynet.send(address, "lua", "address", "absent")
			end
		end
	end
end

-- ---- nodes that are found ----

---From the service that looks for nodes: these are there, others are gone. With `whole`, these are all.
---@param list table<string, string|false>
---@param whole boolean
function command.found(list, whole)
	for name, address in pairs(list) do
		found[name] = address or nil
		if address and addresses[name] ~= address then
			move(name, address)
		elseif not address and addresses[name] then
			leave(name)
		end
	end
	for name in pairs(whole and found or {}) do
		if not list[name] then
			found[name] = nil
			leave(name)
		end
	end
end

---Where nodes are, as far as that is known.
---@return table<string, string|false>
function command.nodes()
	return addresses
end

-- ---- services that work for a node ----

local function service_for(list, key, launch)
	return list[key] or once(launching, key, function()
		list[key] = launch()
		return list[key]
	end)
end

local function quoted(text)
	return (text:gsub("[^%w]", function(c)
		return ("%%%02x"):format(c:byte())
	end))
end

---The service that has the connection to a node.
---@param node string
---@return integer address
function command.sender(node)
	if type(node) ~= "string" then
		error(("cluster: the name of a node is a string, not a %s"):format(type(node)), 0)
	elseif addresses[node] == nil and nowaiting then
		skynet.error(("cluster node [%s] is absent."):format(node))
		error(("cluster node %s: it is absent (not sent)"):format(node), 0)
	end
	return service_for(senders, node, function()
		local address = skynet.newservice("clustersender", quoted(node))
		skynet.send(address, "lua", "address", addresses[node])
		return address
	end)
end

---A service that stands for one of that node.
---@param node string
---@param name integer|string
---@return integer address
function command.proxy(node, name)
	local number = math.type(name) == "integer"
	local key = ("%s\0%s"):format(node, number and ":" .. name or name)
	local sender = command.sender(node)
	return service_for(proxies, key, function()
		return skynet.newservice("clusterproxy", sender, number and "number" or "name", quoted(tostring(name)))
	end)
end

-- ---- names ----

local function tell_agents()
	for agent in pairs(agents) do
		skynet.send(agent, "lua", "names")
	end
end

---@param name string
---@param address integer
function command.register(name, address)
	if type(name) ~= "string" or name == "" or #name > 254 then
		error("cluster.register: a name has 1 to 254 bytes", 0)
	elseif math.type(address) ~= "integer" then
		error(("cluster.register: %s is no address"):format(tostring(address)), 0)
	elseif names[name] == address then
		return
	elseif names[name] then
		error(("cluster.register: %s is %s already"):format(name, skynet.address(names[name])), 0)
	end
	for other, its in pairs(names) do
		if its == address then
			names[other] = nil
		end
	end
	names[name] = address
	tell_agents()
end

---@param name string
---@param address integer|nil only if this is the one
function command.unregister(name, address)
	if names[name] and (address == nil or names[name] == address) then
		names[name] = nil
		tell_agents()
	end
end

---@param name string
---@return integer|nil address
function command.registered(name)
	return names[name]
end

-- ---- listening ----

---From an agent.
function command.lingers(agent)
	lingering[agent] = true
end

local function make_room()
	local agent = next(lingering)
	if agent then
		lingering[agent] = nil
		skynet.send(agent, "lua", "leave")
	end
	return agent ~= nil
end

local function check_exposure(ip, port)
	if ip:find "^127%." or ip == "::1" or ip:find "^/" or ip:find "^@" or ip:find "^unix:" then
		return
	end
	local text = ("cluster: listening on %s:%d: whoever reaches that can call every service of this process"):format(
		ip, port)
	local allowed = skynet.getenv "cluster_listen"
	if allowed == "loopback" or allowed == "secure" and not trust.any() then
		error(("%s; cluster_listen = %q forbids it"):format(text, allowed), 0)
	elseif trust.any() then
		return
	end
	skynet.error(text)
end

local function listen_at(host, port)
	if trust.server then
		return require("reef.tls").listen(host, port, trust.server)
	end
	return socket.listen(host, port)
end

---@param where integer|string a port, or the name of a node
---@param maxclient integer|nil
---@return string ip
---@return integer port
function command.open(where, maxclient)
	local host, port = "0.0.0.0", math.tointeger(tonumber(where))
	if not port then
		host = addresses[where]
		if not host then
			error(("cluster.open: node %s has no address"):format(tostring(where)), 0)
		end
	end
	if port == nil and not host:find ":%d+$" and not host:find "^unix:" and not host:find "^/" then
		error(("cluster.open: node %s has the address %s, without a port"):format(where, host), 0)
	end
	local id, ip, real = listen_at(host, port)
	local ok, err = pcall(check_exposure, ip, real)
	if not ok then
		socket.close(id)
		error(err, 0)
	end
	local count, most, told = 0, maxclient or MAXCLIENT, false
	assert(socket.start(id, function(fd, peer)
		if count >= most and not make_room() then
			if not told then
				told = true
				skynet.error(("cluster: %d connections at %s:%d, more are refused, the first from %s"):format(
					count, ip, real, peer))
			end
			return socket.close_fd(fd)
		end
		count = count + 1
		local launched, agent = pcall(skynet.newservice, "clusteragent", skynet.self())
		if launched and agent then
			agents[agent] = true
			pcall(skynet.call, agent, "lua", "serve", fd, peer)
			agents[agent], lingering[agent] = nil, nil
		else
			skynet.error(("cluster: cannot serve %s: %s"):format(peer, tostring(agent)))
		end
		pcall(socket.close_fd, fd)
		count = count - 1
		told = told and count >= most
	end))
	if finder and not host:find "^unix:" and not host:find "^/" then
		skynet.send(finder, "lua", "announce", ip, real)
	end
	return ip, real
end

function nodes.run()
	require "reef.cluster.options"
	process.helper()
	local listen = skynet.getenv "cluster_listen"
	if listen and listen ~= "loopback" and listen ~= "secure" and listen ~= "any" then
		error(("cluster_listen = %s: \"any\", \"secure\" or \"loopback\" is needed"):format(listen), 0)
	end
	skynet.dispatch("lua", function(session, _, name, ...)
		local f = command[name]
		if not f then
			error(("clusterd: unknown command %s"):format(tostring(name)), 0)
		end
		if session == 0 then
			f(...)
		else
			skynet.retpack(f(...))
		end
	end)
	skynet.info_func(function()
		return { nodes = addresses, names = names }
	end)
	command.reload()
	if skynet.getenv "cluster_nodes" then
		finder = skynet.newservice("clusterfinder", skynet.self())
	end
end

return nodes
