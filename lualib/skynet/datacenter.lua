-- skynet.datacenter: a tree of values that all services share, kept by the service `DATACENTER`. For few, small things
-- that change seldom: every access is a call.
--
--	datacenter.set("player", 7, "name", "Ada")
--	datacenter.get("player", 7)          --> { name = "Ada" }, a copy
--	datacenter.wait("port", "game")      --> when somebody has set it

local skynet = require "skynet"

local datacenter = {}

---Sets the value at a path of keys; nil removes it.
---@param ... any keys, and the value behind them
---@return any old
function datacenter.set(...)
	return skynet.call("DATACENTER", "lua", "SET", ...)
end

---@param ... any keys
---@return any value nil if there is none; a copy of the table if there are keys below
function datacenter.get(...)
	return skynet.call("DATACENTER", "lua", "GET", ...)
end

---Waits until there is a value. Raises when the path becomes a branch of the tree meanwhile, or ends at a value.
---@param ... any keys
---@return any value
function datacenter.wait(...)
	return skynet.call("DATACENTER", "lua", "WAIT", ...)
end

return datacenter
