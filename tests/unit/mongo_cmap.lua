-- Pools of connections where something comes between: they are cleared, closed or fail while others wait or connect.
local pool = require "reef.mongo.pool"
local skynet = require "skynet"
local test = require "test"

-- A pool whose connects take `seconds` and fail when `fails` says so; and the events that it tells.
local function start(options, seconds, fails)
	local events, closed = {}, {}
	local made = pool.new("a:27017", options or {}, {
		connect = function()
			if seconds then
				skynet.sleep(math.floor(seconds * 100))
			end
			if fails and fails() then
				return nil, { code = "network", why = "it failed" }
			end
			return {}
		end,
		usable = function() return true end,
		close = function(connection) closed[#closed + 1] = connection end,
		on_event = function(event) events[#events + 1] = event end,
	})
	return made, events, closed
end

local function names(events, skip)
	local out = {}
	for _, event in ipairs(events) do
		if event.name ~= skip then
			out[#out + 1] = event.name:gsub("^Connection", "") .. (event.reason and " " .. event.reason or "")
		end
	end
	return out
end

test.case("closing a pool lets go of those who wait, and says what it is", function()
	local p, events = start { maxPoolSize = 1 }
	p:ready()
	local entry = p:check_out(5)
	local refusal
	skynet.fork(function()
		local _, err = p:check_out(5)
		refusal = err
	end)
	skynet.sleep(1)
	p:close()
	test.eventually("who waited is refused", 5, function() return refusal ~= nil end)
	test.equal(refusal.why, "Attempted to check out a connection from closed connection pool")
	p:check_in(entry)
	local told = names(events)
	test.equal(told[#told], "Closed poolClosed")
	local _, err = p:check_out(1)
	test.equal(err.reason, "poolClosed")
end)

test.case("an interrupting clear ends connections in the making at once", function()
	local p, events, closed = start({}, 1)
	p:ready()
	local err
	skynet.fork(function()
		local _, found = p:check_out(30)
		err = found
	end)
	test.eventually("a connection is made", 5, function() return events[#events].name == "ConnectionCreated" end)
	local since = skynet.now()
	p:clear(true)
	test.eventually("it is given up", 0.8, function() return err ~= nil end)
	test.truthy(skynet.now() - since < 80)
	test.equal({ table.unpack(names(events), #events - 2) },
		{ "PoolCleared", "Closed error", "CheckOutFailed connectionError" })
	-- What it becomes after all is closed.
	test.eventually("what came late is closed", 5, function() return #closed == 1 end)
	test.equal(p.total, 0)
end)

test.case("one that does not interrupt leaves them, and what is stale by then is not kept", function()
	local p, events = start({ minPoolSize = 1, backgroundThreadIntervalMS = 50 }, 0.2)
	p:ready()
	test.eventually("a connection is made", 5, function() return events[#events].name == "ConnectionCreated" end)
	p:clear()
	test.eventually("it is closed", 5, function()
		local told = names(events)
		return told[#told] == "Closed stale"
	end)
	test.equal(p.total, 0)
end)

test.case("an error while it fills to its minimum clears it, before the connection is closed", function()
	local p, events = start({ minPoolSize = 3, backgroundThreadIntervalMS = 20 }, nil, function() return true end)
	p:ready()
	test.eventually("it is cleared", 5, function() return p.state == "paused" end)
	skynet.sleep(10)
	test.equal(names(events), { "PoolCreated", "PoolReady", "Created", "PoolCleared", "Closed error" })
end)

test.case("connections to one service behind a load balancer are given up alone", function()
	local p, events = start()
	p:ready()
	local n = 0
	p.hooks.connect = function()
		n = n + 1
		return { service = n % 2 == 0 and "even" or "odd" }
	end
	local entries = {}
	for i = 1, 4 do
		entries[i] = p:check_out(1)
	end
	for i = 1, 4 do
		p:check_in(entries[i])
	end
	p:clear_service "odd"
	skynet.sleep(1)
	test.equal({ p.state, p.total, events[#events - 2].serviceId }, { "ready", 2, "odd" })
	test.equal(p:check_out(1).service, "even")
end)

test.run()
