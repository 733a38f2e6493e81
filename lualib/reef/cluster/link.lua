-- The way from a service to the connections of its process. The service of each node's connection is asked for once;
-- what is sent and called meanwhile waits in its order.

local core = require "skynet.core"
local skynet = require "skynet"

local link = {}

local senders = {} ---@type table<string, integer>
local waiting = {} ---@type table<string, function[]>
local manager ---@type integer|nil

---The service `clusterd` of this process.
---@return integer address
function link.manager()
	manager = manager or skynet.uniqueservice "clusterd"
	return manager
end

---The service of a connection, if it is known: what is nil here is asked for by the functions below.
---@type table<string, integer>
link.senders = senders

local function ask(node)
	local ok, sender = pcall(function()
		return skynet.call(link.manager(), "lua", "sender", node)
	end)
	local list = waiting[node]
	waiting[node] = nil
	senders[node] = ok and sender or nil
	for _, go in ipairs(list) do
		go(ok, sender)
	end
end

local function forget(message, size)
	if size then
		skynet.trash(message, size)
	end
end

local function check_node(node, message, size)
	if type(node) ~= "string" then
		forget(message, size)
		error(("the name of a node is a string, not a %s"):format(type(node)))
	end
end

local function when_known(node, go)
	local list = waiting[node]
	if list then
		list[#list + 1] = go
	else
		waiting[node] = { go }
		skynet.fork(ask, node)
	end
end

local function raise(reason)
	reason = tostring(reason)
	error(reason:find "^call failed" and reason or "call failed: " .. reason, 0)
end

---@param node string
---@return integer sender
function link.sender(node)
	if senders[node] then
		return senders[node]
	end
	check_node(node)
	local token, known, sender = {}, nil, nil
	when_known(node, function(...)
		known, sender = ...
		skynet.wakeup(token)
	end)
	skynet.wait(token)
	if not known then
		raise(sender)
	end
	return sender
end

-- An address that cannot be packed raises; then the message is nobody's.
local function check_address(to, message, size)
	local kind = type(to)
	if kind ~= "string" and kind ~= "number" then
		local ok, err = pcall(skynet.packstring, to)
		if not ok then
			forget(message, size)
			error(err, 0)
		end
	end
end

-- What is sent later than it was said carries the trace tag of who said it.
local function tell_tag(address, tag)
	if tag then
		core.send(address, skynet.PTYPE_TRACE, 0, tag)
	end
end

---@param node string
---@param to integer|string
---@param message string|lightuserdata packed
---@param size integer|nil of a light userdata, which is passed on
---@param seconds number|nil
---@return any ... the reply's values
function link.call(node, to, message, size, seconds)
	check_node(node, message, size)
	local sender = senders[node]
	if sender then
		check_address(to, message, size)
		return skynet.call(sender, "lua", "req", to, message, size, seconds)
	end
	local token, result, tag = {}, nil, core.tracetag()
	local function arrived(...)
		result = table.pack(...)
		skynet.wakeup(token)
	end
	when_known(node, function(ok, address)
		if not ok then
			forget(message, size)
			return arrived(false, address)
		end
		tell_tag(address, tag)
		-- An address that cannot be packed raises, and here nobody would hear it.
		local packed, posted = pcall(core.post, arrived, address, "lua", "req", to, message, size, seconds)
		if not packed or not posted then
			forget(message, size)
			local why = packed and "its connection's service is gone" or posted
			arrived(false, ("cluster node %s: %s (not sent)"):format(node, why))
		end
	end)
	skynet.wait(token)
	if not result[1] then
		raise(result[2])
	end
	return table.unpack(result, 2, result.n)
end

---@param node string
---@param to integer|string
---@param message string|lightuserdata packed
---@param size integer|nil of a light userdata, which is passed on
function link.send(node, to, message, size)
	check_node(node, message, size)
	local sender = senders[node]
	if sender then
		check_address(to, message, size)
		return skynet.send(sender, "lua", "push", to, message, size)
	end
	local tag = core.tracetag()
	when_known(node, function(ok, address)
		local why = address
		if ok then
			tell_tag(address, tag)
			ok, why = pcall(skynet.send, address, "lua", "push", to, message, size)
		end
		if not ok then
			forget(message, size)
			skynet.error(("cluster: a send is lost: %s"):format(tostring(why)))
		end
	end)
end

return link
