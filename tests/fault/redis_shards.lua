-- timeout: 120
-- A subscriber of a cluster that listens to several shards at once: none of them waits for ever, whoever is slow or
-- ended.
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local skynet = require "skynet"
local test = require "test"

local resp = scripted.resp

-- Two nodes, each with a half of the slots. Who subscribes to a channel is sent `n` messages at once.
local function cluster(n)
	local nodes = {}
	for i = 1, 2 do
		nodes[i] = scripted.start(function(words, write)
			local word = words[1]
			if word == "CLUSTER" then
				return words[2] == "SLOTS" and resp({ { 0, 8191, { "127.0.0.1", nodes[1].port, "a" } },
					{ 8192, 16383, { "127.0.0.1", nodes[2].port, "b" } } }):sub(1, -3) or "-ERR unknown"
			elseif (word == "PING" or word == "HELLO") and nodes.slow then
				nodes.slow, nodes.asked = nil, true
				skynet.sleep(200)
			elseif word == "SSUBSCRIBE" then
				write(resp { "ssubscribe", words[2], 1 })
				for j = 1, n do
					write(resp { "smessage", words[2], tostring(j) })
				end
				return ""
			end
		end)
	end
	return nodes
end

local LOW, HIGH = scripted.name_in("c", 0, 8191), scripted.name_in("c", 8192, 16383)

local function watch(nodes, limits)
	local w = redis.watch { hosts = { "127.0.0.1:" .. nodes[1].port }, connect_timeout = 5, limits = limits }
	test.defer(w.disconnect, w)
	return w
end

test.case("the messages of all shards come through a queue that is full", { timeout = 60 }, function()
	local each = 200
	local w = watch(cluster(each), { queue = 4 })
	w:ssubscribe(LOW)
	w:ssubscribe(HIGH)
	-- Both wait for room.
	skynet.sleep(50)
	local got = { [LOW] = 0, [HIGH] = 0 }
	test.within(20, function()
		for _ = 1, 2 * each do
			local data, channel = w:message()
			got[channel] = got[channel] + 1
			test.equal(tonumber(data), got[channel])
		end
	end)
	test.equal(got, { [LOW] = each, [HIGH] = each })
end)

test.case("who waits for a shard's connection goes on when who opens it is ended", { timeout = 60 }, function()
	local nodes = cluster(1)
	local w = watch(nodes)
	nodes.slow = true
	local first = skynet.fork(w.ssubscribe, w, HIGH)
	test.eventually("its connection", 10, function()
		return nodes.asked
	end)
	local done
	skynet.fork(function()
		done = { pcall(w.ssubscribe, w, HIGH) }
	end)
	skynet.sleep(20)
	skynet.killthread(first)
	test.eventually("the other's", 20, function()
		return done
	end)
	test.equal(done[1], true)
	test.equal({ w:message() }, { "1", HIGH })
end)

test.run()
