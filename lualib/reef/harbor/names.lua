-- Global names of this process, for the service `.cslave`: binds them, answers who asks for one, and says in the log
-- who waits. With a network, it is told what to do about names that are not known here.

local core = require "skynet.core"
local skynet = require "skynet"
local waits = require "reef.waits"

local names = {}

local waiting = {} ---@type table<string, function[]>

---Gives the name to a service, of this node or another.
---@param name string
---@param handle integer
---@return boolean fresh  false: it is taken, which the log says
function names.bind(name, handle)
	local address = skynet.address(handle)
	if not core.command("NAME", name .. " " .. address) then
		local owner = tostring(core.command("QUERY", name))
		if owner ~= address then
			skynet.error(("cannot give the global name %s to %s: it is taken by %s"):format(name, address, owner))
		end
		return false
	end
	for _, response in ipairs(waiting[name] or {}) do
		response(true, handle)
	end
	waiting[name] = nil
	return true
end

---Answers the request at hand with the name's owner, when there is one.
---@param name string
---@return boolean known
function names.answer(name)
	local handle = core.addresscommand("QUERY", name)
	if handle then
		skynet.retpack(handle)
		return true
	end
	if not waiting[name] then
		waiting[name] = {}
		waits.tell(function()
			return waiting[name] and ("harbor.queryname(%q): nobody has that global name"):format(name)
		end)
	end
	table.insert(waiting[name], skynet.response())
	return false
end

---From now on the engine's word that messages wait for a name is listened to.
---@param ask fun(name: string)|nil called with it
function names.listen(ask)
	skynet.register_protocol {
		name = "text",
		id = skynet.PTYPE_TEXT,
		unpack = skynet.tostring,
		dispatch = function(_, _, name)
			waits.tell(function()
				local count, source = (core.command("WAITING", name) or ""):match "^(%d+) (.*)$"
				return count and ("nobody has the global name %s: %d messages wait for it, the first is from %s%s"):format(
					name, count, source, ask and "" or "; names of one process begin with a dot")
			end)
			if ask then
				ask(name)
			end
		end,
	}
end

return names
