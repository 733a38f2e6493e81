-- A client's way to a server by connections of its own; that by a pool's service is reef.pool.mongo.
local handshake = require "reef.mongo.handshake"
local pool = require "reef.mongo.pool"

local function close(connection)
	connection.raw:close()
end

local function usable(connection)
	return not connection.raw:doubtful()
end

---@param client mongo.core_client
---@param address string
return function(client, address)
	local generation_of = client.topology.generations
	local compressors = client.options.compressors
	return pool.new(address, client.options, {
		connect = function(seconds)
			local generation = generation_of[address]
			local connection, err = handshake.connect(address,
				{ credentials = client.credentials, appName = client.options.appName, tls = client.tls, api = client.api,
					loadBalanced = client.balanced, compressors = compressors,
					zlibCompressionLevel = client.options.zlibCompressionLevel },
				math.min(seconds, client.connect_timeout))
			if not connection and client.balanced then
				-- Before hello nobody knows which service it was.
				if err.service then
					client.pools[address]:clear_service(err.service)
				end
			elseif not connection then
				client:suspect(address, {
					type = err.labels.SystemOverloadedError and "network" or "refused", generation = generation,
					why = tostring(err),
				})
			end
			return connection, err
		end,
		-- The topology was told.
		failed = function() end,
		usable = usable,
		close = close,
		on_event = client.on_event,
	})
end
