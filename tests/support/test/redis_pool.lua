-- A pool of a Redis server that a test has started, and callers of it.
local pool = require "reef.pool"
local skynet = require "skynet"
local test = require "test"

local ends = {}

---The pool, until the case is over.
function ends.open(s, options)
	local db = pool.redis({ host = "127.0.0.1", port = s.port }, options)
	test.defer(pcall, pool.close, db)
	return db
end

---A service that calls the same one.
function ends.caller(s, options)
	local address = test.service "pool_caller"
	skynet.call(address, "lua", "open", { host = "127.0.0.1", port = s.port }, options)
	return address
end

---How many of its connections are open, and pinned or not.
function ends.connections(db, pinned)
	local n = 0
	for _, c in ipairs(pool.stat(db).connections) do
		n = n + (c.pinned == pinned and c.state == "open" and 1 or 0)
	end
	return n
end

return ends
