-- Services of other processes: nodes that have names and addresses, and call each other over TCP.
--
--	cluster.reload { db = "10.0.0.2:2528" }
--	print(cluster.call("db", "@store", "get", "name"))
--
-- In that process: `cluster.register "store"` in a service, and `cluster.open(2528)` once.

local link = require "reef.cluster.link"
local skynet = require "skynet"

local pack, senders = require("reef.cluster.core").pack, link.senders

local cluster = {}

local function manage(...)
	return skynet.call(link.manager(), "lua", ...)
end

---Says where nodes are: { name = "host:port" }, or false for one that is down. Nodes that are not named stay as they
---are. Without a table the file is read that the configuration's `cluster` names.
---@param config? table
function cluster.reload(config)
	manage("reload", config)
end

---Lets other nodes in.
---@param where integer|string a port, or the name of a node whose address it is
---@param maxclient? integer connections at a time (1024)
---@return string ip
---@return integer port
function cluster.open(where, maxclient)
	return manage("open", where, maxclient)
end

---Calls a service of another node, and waits for its reply.
---@param node string
---@param address integer|string `"@name"` as registered there, `".name"`, `":hex"`, or a number
---@param ... any
---@return any ...
function cluster.call(node, address, ...)
	local sender = senders[node]
	local kind = type(address)
	if sender and (kind == "string" or kind == "number") then
		return skynet.call(sender, "lua", "req", address, pack(...))
	end
	return link.call(node, address, pack(...))
end

---Sends to a service of another node. What is lost on the way is lost: the log says how much.
---@param node string
---@param address integer|string
---@param ... any
function cluster.send(node, address, ...)
	link.send(node, address, pack(...))
end

---Gives a service the name by which other nodes know it, `@name`; the name that it had before is given back.
---@param name string
---@param address? integer this service by default
function cluster.register(name, address)
	manage("register", name, address or skynet.self())
end

---@param name string
function cluster.unregister(name)
	manage("unregister", name)
end

---The address of what another node has registered. Raises when there is nothing of that name.
---@param node string
---@param name string
---@return integer address
function cluster.query(node, name)
	return cluster.call(node, 0, name)
end

---A service of this process that stands for one of another node: what it is sent and called goes there.
---@param node string or `"node@name"`, `"node.name"` alone
---@param address? integer|string
---@return integer address of the proxy
function cluster.proxy(node, address)
	if address == nil then
		local before, name = node:match "^([^@]+)(@.+)$"
		if not before then
			before, name = node:match "^([^.]+)(%..+)$"
		end
		if not before then
			error(("cluster.proxy: %q is neither node@name nor node.name"):format(node))
		end
		node, address = before, name
	end
	return manage("proxy", node, address)
end

---The snax service of another node, as an object. It must have called snax.enablecluster.
---@param node string
---@param name string
---@param address? integer|string what snax.uniqueservice has made there, by default
---@return snax.object
function cluster.snax(node, name, address)
	if address == nil then
		address = cluster.call(node, ".service", "QUERY", "snaxd", name)
	end
	return require("skynet.snax").bind(cluster.proxy(node, address), name)
end

---The service that has the connection to a node.
---@param node string
---@return integer address
function cluster.get_sender(node)
	return link.sender(node)
end

return cluster
