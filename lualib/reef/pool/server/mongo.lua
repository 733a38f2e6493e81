-- How a pool's service talks to a MongoDB server by itself: the login and the health check.
local core = require "reef.pool.mongo.core"
local errors = require "reef.mongo.errors"
local handshake = require "reef.mongo.handshake"
local view = require "reef.mongo.view"

-- The pool puts questions of its own one at a time, and they all have this number.
local ID = 1

local server = {
	ping = core.encode(ID, "ping", 1, "$db", "admin"),
	-- Connections carry one request at a time; they are made when somebody waits for one.
	on_demand = true,
	tombstones = 0,
	limit = 48000000,
	defaults = {
		size = 100, min = 0, connecting = 2, pinned = 0, window = 1, queue_timeout = 10, stall = 0, routing = "any",
	},
}

---@param ask fun(bytes: string): string|nil, string|nil
---@param target table  address, credentials, appName
---@return "auth"|"connect"|nil code, string|nil why  nothing when all went well
function server.login(ask, target)
	local raw = {}
	function raw:request(_, _, command, _, _, ...)
		local reply, why = ask(core.encode(ID, ...))
		local ok
		if reply then
			ok, reply = pcall(core.decode, reply, ID)
			why = not ok and reply
		end
		if why then
			self.why = why
			return nil, errors.network(target.address, "network", "not sent", command, 0, why)
		end
		return reply
	end
	-- `ask` has a deadline of its own.
	local hello, err = handshake.greet(raw, target.address, target, math.huge)
	if not hello then
		return err.code == "auth" and "auth" or "connect", err.text or raw.why or tostring(err)
	end
end

---Follows what is known of the deployment.
---@param target table  address, watched
---@param hooks { clear: fun(), gone: fun() }  connections are not to be used any more; the server is no member any more
function server.watch(target, hooks)
	local generation, known
	view.new(target.watched, { news = function(state)
		local now = state.generations[target.address] or 0
		if generation and now > generation then
			hooks.clear()
		end
		generation = now
		if state.description.servers[target.address] then
			known = true
		elseif known then
			hooks.gone()
		end
	end })
end

return server
