-- What a command becomes for the server that it goes to: session, times, read preference, version of the interface.
local bson = require "bson"
local extend = require("reef.mongo.core").extend
local now = require "reef.base.now"
local session = require "reef.mongo.session"

local requests = {}

-- The wire version of MongoDB 8.2, which knows the option `rawData`; earlier ones refuse it, and do what it says.
local RAW_DATA = 27

local function drop(body, key)
	for i = 1, #body, 2 do
		if body[i] == key then
			table.remove(body, i)
			table.remove(body, i)
			return
		end
	end
end

local function append(list, k, v)
	list[#list + 1] = k
	list[#list + 1] = v
end

local function add_preference(body, t, server, op)
	local preference = op.preference
	if t.type == "Single" and server.type ~= "Standalone" and server.type ~= "Mongos" and not op.write then
		if not preference or preference.mode == "primary" then
			preference = { mode = "primaryPreferred" }
		end
	elseif server.type == "Standalone" or op.write or not preference or preference.mode == "primary" then
		return
	end
	append(body, "$readPreference", {
		mode = preference.mode,
		tags = preference.tags and bson.array(preference.tags) or nil,
		maxStalenessSeconds = preference.maxStalenessSeconds,
	})
end

-- What a timed operation asks of the server in place of older options.
local function limit_time(body, op, server)
	if not op.own_time then
		if not op.given then
			drop(body, "maxTimeMS")
		end
		if op.deadline < math.huge then
			local left = math.floor((op.deadline - now()) * 1000 - (server.minRoundTripTime or 0))
			append(body, "maxTimeMS", math.max(1, left))
		end
	end
	for i = 1, #body, 2 do
		local concern = body[i] == "writeConcern" and body[i + 1]
		if type(concern) == "table" and concern.wtimeout and not op.given then
			local own = {}
			for k, v in pairs(concern) do
				own[k] = v
			end
			own.wtimeout = nil
			body[i + 1] = own
			if next(own) == nil then
				drop(body, "writeConcern")
			end
			break
		end
	end
end

---The body of a command as this server is to get it.
---@param client mongo.core_client
---@param op mongo.command
---@param server mongo.server
---@param number integer|nil of a write that may come again
---@return table keys and values in turn
function requests.complete(client, op, server, number)
	local body = extend(op.body, "$db", op.db)
	local cluster_time = client.cluster_time
	if op.session then
		op.session:decorate(body, op, server, number)
		cluster_time = session.newest(op.session.clusterTime, cluster_time)
	end
	if cluster_time and server.type ~= "Standalone" then
		append(body, "$clusterTime", cluster_time)
	end
	add_preference(body, client.topology.description, server, op)
	if not op.plain and (server.maxWireVersion or 0) < RAW_DATA then
		drop(body, "rawData")
	end
	if op.timed then
		limit_time(body, op, server)
	end
	if client.api then
		table.move(client.api, 1, #client.api, #body + 1, body)
	end
	return body
end

return requests
