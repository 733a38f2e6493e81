-- timeout: 300
-- What a subscriber learns about what it missed is true, whatever happens in whatever order: each message that did not
-- come was published within a gap that was told of before the next message came, and none that came was.
local pool = require "reef.pool"
local proxy = require "test.proxy"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"

local function now()
	return skynet.hpc() / 1e9
end

-- Numbered messages, and when each was published, at the earliest and at the latest.
local function publisher(s)
	local db = redis.connect { host = "127.0.0.1", port = s.port }
	local self = { from = {}, to = {}, held = {}, n = 0, over = false }
	skynet.fork(function()
		while not self.stop do
			local n = self.n + 1
			self.from[n] = now()
			db:publish("news", n)
			self.to[n] = now()
			self.n = n
			skynet.sleep(1)
		end
		db:disconnect()
		self.over = true
	end)
	return self
end

local function reader(w, stream, state)
	skynet.fork(function()
		while not state.stop do
			local ok, data, channel = pcall(w.message, w)
			if not ok then
				break
			end
			if channel == "news" then
				stream[#stream + 1] = tonumber(data)
			end
			if state.busy then
				skynet.sleep(state.busy)
				state.busy = nil
			end
		end
		state.over = true
	end)
end

local events = {
	function(world) world.kill() end,
	function(world) world.through:cut() end,
	function(world)
		local from = now()
		world.through:hold()
		skynet.sleep(math.random(60))
		world.through:heal()
		skynet.sleep(10)
		table.insert(world.published.held, { from = from, to = now() })
	end,
	function(world) world.through:refuse() world.through:cut() skynet.sleep(math.random(30)) world.through:accept() end,
	function(world) world.state.busy = math.random(30) end,
	function(world) world.state.busy = math.random(40) skynet.sleep(5) world.kill() end,
	function(world)
		world.kill()
		skynet.fork(function() pcall(world.w.subscribe, world.w, "other" .. math.random(5)) end)
	end,
	function(world) world.state.busy = 30 skynet.sleep(2) world.through:cut() pcall(world.w.subscribe, world.w, "x") end,
	function(world) world.kill() skynet.sleep(1) world.kill() end,
	function(world) pcall(world.w.unsubscribe, world.w, "other" .. math.random(5)) end,
}

-- Seconds that a message may have been on its way: nobody can know that, so its gap may begin by so much later. As a
-- rule that is short; on a busy machine some are long.
local SHORT, LONG = 0.1, 3

local function transit(published, n, most)
	for _, hold in ipairs(published.held) do
		if published.to[n] >= hold.from and published.from[n] <= hold.to then
			return hold.to - hold.from + most
		end
	end
	return most
end

local function covered(told, published, n, most)
	for _, gap in ipairs(told) do
		if gap.since <= published.to[n] + transit(published, n, most) and gap.at >= published.from[n] then
			return true
		end
	end
end

local function verify(stream, published)
	local told, last, missed, late = {}, nil, 0, 0
	for _, item in ipairs(stream) do
		if type(item) == "table" then
			-- Nothing that came before lies in it.
			test.truthy(item.seconds >= 0 and #item.why > 0)
			if last then
				test.truthy(item.since >= published.from[last] - 0.001, ("gap from %.3f, but %d came, of %.3f (%s)")
					:format(item.since, last, published.from[last], item.why))
			end
			told[#told + 1] = item
		else
			for n = (last or item) + 1, item - 1 do
				missed = missed + 1
				late = late + (covered(told, published, n, SHORT) and 0 or 1)
				local last_told = told[#told] or { since = 0, at = 0 }
				test.truthy(covered(told, published, n, LONG), ("%d of %.3f to %.3f is missing; told was %.3f to %.3f")
					:format(n, published.from[n], published.to[n], last_told.since, last_told.at))
			end
			test.truthy(not last or item > last, "in order")
			last = item
		end
	end
	test.truthy(late <= missed // 10 + 10, ("%d of %d that are missing were long on their way"):format(late, missed))
	return missed
end

local function run(make, rounds)
	local s = server.start()
	local through = proxy.start(s.port)
	local stream, state = {}, {}
	local function gap(info)
		info.at = now()
		info.since = info.at - info.seconds
		stream[#stream + 1] = info
	end
	local w = make(through.port, gap)
	local world = { w = w, through = through, state = state, kill = function()
		s:cli("CLIENT", "KILL", "TYPE", "pubsub")
	end }
	w:subscribe "news"
	reader(w, stream, state)
	local published = publisher(s)
	world.published = published
	local function counted()
		local gaps, missed, last = 0, 0, nil
		for _, item in ipairs(stream) do
			if type(item) == "table" then
				gaps = gaps + 1
			else
				missed = missed + item - (last or item - 1) - 1
				last = item
			end
		end
		return gaps, missed
	end
	math.randomseed(test.seed)
	-- Not every event makes a gap, and several may make one.
	for round = 1, rounds * 10 do
		skynet.sleep(math.random(20))
		events[math.random(#events)](world)
		local gaps, missed = counted()
		if round >= rounds and gaps > 3 and missed > 0 then
			break
		end
	end
	through:heal()
	through:accept()
	local n = #stream
	test.eventually("messages at the end", 20, function()
		return #stream > n + 20
	end)
	published.stop = true
	test.eventually("the publisher's end", 10, function()
		return published.over
	end)
	local gaps, missed = counted()
	test.equal(w.gaps, gaps)
	test.equal(verify(stream, published), missed)
	test.truthy(gaps > 3 and missed > 0, gaps)
	state.stop = true
	w:disconnect()
end

test.case("gaps of a connection of one's own", { timeout = 120 }, function()
	run(function(port, gap)
		return redis.watch {
			host = "127.0.0.1", port = port, gap = gap, heartbeat = 0.1, timeout = 0.2, connect_timeout = 1,
		}
	end, test.count(60))
end)

test.case("gaps through a pool", { timeout = 120 }, function()
	run(function(port, gap)
		local db = pool.redis({ host = "127.0.0.1", port = port, timeout = 0.2 }, { connect_timeout = 1, size = 1 })
		test.defer(pcall, pool.close, db)
		return pool.watch(db, { gap = gap, heartbeat = 0.1 })
	end, test.count(60))
end)

test.case("a loss while the reader is busy is told before the next message, with its span", { timeout = 60 }, function()
	local s = server.start()
	local told = {}
	local w = redis.watch { host = "127.0.0.1", port = s.port, gap = function(info)
		told[#told + 1] = info
	end }
	w:subscribe("a", "b")
	local db = redis.connect { host = "127.0.0.1", port = s.port }
	db:publish("a", 1)
	test.equal(w:message(), "1")
	skynet.sleep(50)
	s:cli("CLIENT", "KILL", "TYPE", "pubsub")
	local since = now()
	skynet.sleep(60)
	-- Not the reader makes the new connection.
	w:subscribe "c"
	test.eventually("the subscription", 10, function()
		return db:pubsub("numsub", "c")[2] == 1
	end)
	db:publish("c", 2)
	test.equal(#told, 0)
	test.equal({ w:message() }, { "2", "c" })
	test.equal({ #told, w.gaps }, { 1, 1 })
	test.between(told[1].seconds, 0.55, now() - since + 0.05)
	test.equal(told[1].why, "the server closed the connection")
	-- Nothing is missed by who wants nothing.
	w:unsubscribe()
	test.eventually("the end of all", 10, function()
		return #db:pubsub "channels" == 0
	end)
	s:cli("CLIENT", "KILL", "TYPE", "pubsub")
	skynet.sleep(5)
	w:subscribe "d"
	test.eventually("the subscription", 10, function()
		return db:publish("d", 3) == 1
	end)
	test.equal(w:message(), "3")
	test.equal(w.gaps, 1)
	w:disconnect()
end)

test.run()
