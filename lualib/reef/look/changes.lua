-- What may be changed from outside, by who has the token of the configuration: `metrics_token`.
local clean = require "reef.text".clean
local fault = require "reef.look.fault"
local log = require "reef.log"
local sample = require "reef.look.sample"
local service = require "reef.look.service"
local skynet = require "skynet"

local changes = {}

---@class reef.look.change
---@field parameters table<string, boolean>
---@field run fun(parameters: table<string, string>, peer: string): table

---@type table<string, reef.look.change>
changes.routes = {}

changes.routes["/api/kill"] = { parameters = { address = true }, run = function(parameters, peer)
	local address = service.address(parameters.address)
	local now = sample.both(address)
	local description = clean(now.description[now.row[address]] or "?")
	if address == skynet.self() then
		fault.raise(400, "%s answers this request", parameters.address)
	elseif not description:find "^snlua " or description:find "^snlua launcher%f[%W]" then
		fault.raise(400, "%s is a part of the engine: %s", parameters.address, description)
	end
	skynet.error(("warning: %s (%s) is killed as %s has asked for"):format(skynet.address(address), description, peer))
	skynet.call(".launcher", "lua", "KILL", address)
	return { killed = skynet.address(address), description = description }
end }

changes.routes["/api/collect"] = { parameters = { address = true }, run = function(parameters, peer)
	local addresses = {}
	if parameters.address then
		addresses[1] = service.address(parameters.address)
	else
		local now = sample.both()
		for i, description in ipairs(now.description) do
			addresses[#addresses + 1] = description:find "^snlua " and now.address[i] or nil
		end
	end
	skynet.error(("garbage of %s is collected as %s has asked for"):format(
		parameters.address and skynet.address(addresses[1]) or #addresses .. " services", peer))
	for _, address in ipairs(addresses) do
		if address == skynet.self() then
			collectgarbage()
		else
			skynet.send(address, "debug", "GC")
		end
	end
	return { services = #addresses }
end }

changes.routes["/api/level"] = { parameters = { level = true, service = true }, run = function(parameters, peer)
	local ok, reason = pcall(log.set, parameters.level or "", parameters.service or "*")
	if not ok then
		fault.raise(400, "%s", clean(tostring(reason)))
	end
	skynet.error(("lines of %s are logged from %s on as %s has asked for"):format(parameters.service or "*",
		parameters.level, peer))
	return { level = parameters.level, service = parameters.service or "*" }
end }

return changes
