-- What a file of the unified test format asks of the deployment that it runs against.
local peers = require "test.mongo_peer"

local requirements = {}

local harmless = { enableTestCommands = true, requireApiVersion = true, acceptApiVersion2 = true }

-- Mechanisms of the peer.
local mechanisms = { ["MONGODB-OIDC"] = true, PLAIN = true, ["MONGODB-X509"] = true }

local function why_parameters(parameters)
	for name in pairs(parameters or {}) do
		if not harmless[name] then
			return "server parameter " .. name
		end
	end
	return nil
end

local function has(list, topology)
	for _, each in ipairs(list) do
		if each == topology or (each == "sharded-replicaset" and topology == "sharded") then
			return true
		end
	end
	return false
end

-- A version as far as it is given: 4.2 as the end of a range stands for every 4.2.x.
local function version_end(text)
	local _, dots = text:gsub("%.", "")
	return peers.version_number(text) + (dots < 2 and 999 or 0)
end

---Why one requirement is not met; nil if it is.
---@param target { topology: string, number: integer, auth: boolean }
---@param r table
---@return string|nil
local function why_not(target, r)
	if r.topologies and not has(r.topologies, target.topology) then
		return "topology " .. table.concat(r.topologies, " or ")
	elseif r.csfle then
		return "client-side encryption"
	elseif r.authMechanism and not (r.authMechanism:find "^SCRAM" or target.peer and mechanisms[r.authMechanism]) then
		return "authentication by " .. r.authMechanism
	elseif r.auth ~= nil and r.auth ~= target.auth then
		return r.auth and "a server with authentication" or "a server without authentication"
	elseif r.serverless == "require" then
		return "a serverless deployment"
	elseif r.minServerVersion and peers.version_number(r.minServerVersion) > target.number then
		return "server " .. r.minServerVersion .. " or later"
	elseif r.maxServerVersion and version_end(r.maxServerVersion) < target.number then
		return "server " .. r.maxServerVersion .. " or earlier"
	end
	return why_parameters(r.serverParameters)
end

---Why none of the requirements in a list is met; nil if one is.
---@return string|nil
function requirements.why_not(target, list)
	local why
	for _, r in ipairs(list or {}) do
		why = why_not(target, r)
		if not why then
			return nil
		end
	end
	return why
end

return requirements
