-- Global names, and the network of nodes behind them. Without a network (`harbor = 0`) names work inside the process.

local skynet = require "skynet"
local check = require "skynet.manager".check_global_name

local harbor = {}

---Gives a service a global name. Asynchronous; messages to the name wait until it is bound.
---@param name string 1 to 15 bytes, or `.local`
---@param handle? integer this service by default
function harbor.globalname(name, handle)
	handle = handle or skynet.self()
	if name:byte() == 46 then
		return skynet.name(name, handle)
	end
	skynet.send(".cslave", "lua", "REGISTER", check(name), handle)
end

---Waits until somebody has that name.
---@param name string
---@return integer? address nil only for a `.local` name that nobody has
function harbor.queryname(name)
	if name:byte() == 46 then
		return skynet.localname(name)
	end
	return skynet.call(".cslave", "lua", "QUERYNAME", check(name))
end

---Is there a network of nodes?
local function network()
	return skynet.getenv "harbor" ~= "0" and skynet.getenv "master" ~= nil
end

---Returns when that node is gone; at once if it is not connected.
---@param id integer
function harbor.link(id)
	if network() then
		skynet.call(".cslave", "lua", "LINK", id)
	end
end

---Returns when that node is connected. Raises if it was lost, since no other takes its number.
---@param id integer
function harbor.connect(id)
	if network() then
		return skynet.call(".cslave", "lua", "CONNECT", id)
	end
	skynet.error(("harbor.connect(%s): this process is a single node, it waits for ever"):format(tostring(id)))
	skynet.wait {}
end

---Returns when the master is gone.
function harbor.linkmaster()
	if not network() then
		error("harbor.linkmaster: this process is a single node (harbor = 0), and has no master")
	end
	skynet.call(".cslave", "lua", "LINKMASTER")
end

return harbor
