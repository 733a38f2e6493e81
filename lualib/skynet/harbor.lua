-- Global names, and the network of nodes behind them. A process has no such network yet (`harbor = 0`): names work
-- inside it, what speaks of other nodes says so.

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

---Returns when that node is gone; without a network it never was there.
function harbor.link(_) end

function harbor.connect(id)
	error(("harbor.connect(%s): this process has harbor = 0 and never connects to a node"):format(tostring(id)), 2)
end

function harbor.linkmaster()
	error("harbor.linkmaster: this process has harbor = 0 and no master", 2)
end

return harbor
