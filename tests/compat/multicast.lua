-- timeout: 180
-- skynet.multicast: channels, their subscribers, and what becomes of those that go.
local multicast = require "skynet.multicast"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local LISTEN = [[
	local multicast, skynet = require "skynet.multicast", require "skynet"
	GOT = {}
	CHANNEL = multicast.new { channel = (...), dispatch = function(_, source, ...)
		GOT[#GOT + 1] = { source, ... }
	end }
	CHANNEL:subscribe()
]]

local function listener(number)
	local actor = test.service "actor"
	skynet.call(actor, "lua", LISTEN, number)
	return actor
end

local function got(actor)
	return skynet.call(actor, "lua", "return GOT")
end

local function subscribers()
	return skynet.call(skynet.uniqueservice "multicastd", "debug", "INFO").subscribers
end

test.case("what is published reaches all who have subscribed, in its order", function()
	local channel = multicast.new()
	test.equal(tostring(channel), ("[Multicast:%x]"):format(channel.channel))
	test.equal(channel.channel & 0xff, 0)
	channel:publish "to nobody"
	local actors = {}
	for i = 1, 5 do
		actors[i] = listener(channel.channel)
	end
	for i = 1, 100 do
		channel:publish(i, "text", { i })
	end
	for _, actor in ipairs(actors) do
		local all = got(actor)
		test.equal(#all, 100)
		for i = 1, 100 do
			test.equal(all[i], { skynet.self(), i, "text", { i } })
		end
	end
	channel:delete()
end)

test.case("who has unsubscribed gets nothing any more, also of what is on its way", function()
	local seen = 0
	local channel = multicast.new { dispatch = function() seen = seen + 1 end }
	channel:subscribe()
	channel:subscribe()
	channel:publish()
	test.eventually("the message", 10, function()
		return seen == 1
	end)
	skynet.fork(channel.publish, channel)
	skynet.fork(channel.unsubscribe, channel)
	skynet.sleep(5)
	channel:publish()
	skynet.sleep(5)
	test.equal(seen, 1)
	channel:subscribe()
	channel:publish()
	test.eventually("the message", 10, function()
		return seen == 2
	end)
	channel:delete()
	channel:publish()
	skynet.sleep(5)
	test.equal(seen, 2)
end)

test.case("several objects of one service, and a channel that is not there", function()
	local seen = {}
	local channel = multicast.new()
	local a = multicast.new { channel = channel.channel, dispatch = function(_, _, v)
		skynet.sleep(1)
		seen.a = v
	end }
	local b = multicast.new { channel = channel.channel, dispatch = function(_, _, v) seen.b = v end }
	a:subscribe()
	b:subscribe()
	channel:publish(("x"):rep(1000))
	test.eventually("both", 10, function()
		return seen.a and seen.b
	end)
	test.equal({ #seen.a, #seen.b }, { 1000, 1000 })
	a:unsubscribe()
	channel:publish "second"
	test.eventually("b", 10, function()
		return seen.b == "second"
	end)
	test.equal(#seen.a, 1000)
	b:unsubscribe()
	local none = multicast.new { channel = 0x7fff00 }
	none:subscribe()
	none:publish(1)
	none:delete()
	test.raises("belongs to node 5", multicast.new { channel = 0x105 }.subscribe, multicast.new { channel = 0x105 })
	test.raises("channel is a number", multicast.new, { channel = "x" })
end)

test.case("pack and unpack of one's own", function()
	local seen
	local channel = multicast.new {
		pack = function(a, b) return a .. "|" .. b end,
		unpack = function(message, size) return skynet.tostring(message, size) end,
		dispatch = function(_, _, text) seen = text end,
	}
	channel:subscribe()
	channel:publish("a", "b")
	test.eventually("the text", 10, function()
		return seen == "a|b"
	end)
	channel:delete()
end)

test.case("an object that nobody has any more is unsubscribed", function()
	local number = multicast.new().channel
	local before = subscribers()
	local function forgotten()
		multicast.new({ channel = number, dispatch = function() end }):subscribe()
	end
	forgotten()
	test.equal(subscribers(), before + 1)
	test.eventually("the collector", 10, function()
		collectgarbage()
		return subscribers() == before
	end)
end)

test.case("subscribers that are killed are forgotten", function()
	local channel = multicast.new()
	local before = subscribers()
	local actors = {}
	for i = 1, 20 do
		actors[i] = listener(channel.channel)
	end
	test.equal(subscribers(), before + 20)
	for i = 1, 20, 2 do
		skynet.kill(actors[i])
	end
	test.eventually("their end", 10, function()
		channel:publish(("x"):rep(2000))
		return subscribers() == before + 10
	end)
	test.truthy(#got(actors[2]) > 0)
end)

test.case("1,000 subscribers share the bytes of a message, which are freed when all have handled it", function()
	local channel = multicast.new()
	local actors = {}
	for i = 1, test.count(1000) do
		actors[i] = listener(channel.channel)
	end
	local text = ("y"):rep(300000)
	for i = 1, 3 do
		channel:publish(i, text)
	end
	for _, actor in ipairs(actors) do
		test.eventually("three messages", 20, function()
			return skynet.call(actor, "lua", "return #GOT") == 3
		end)
		test.equal(skynet.call(actor, "lua", "local n = #GOT[3][3]; GOT = {}; collectgarbage(); return n"), 300000)
	end
	-- Mailboxes that are thrown away let go, too.
	text = ("z"):rep(2000)
	for i = 1, #actors // 2 do
		skynet.kill(actors[i])
		if i % 20 == 0 then
			channel:publish(i, text)
		end
	end
end)

test.case("random subscribers, publishers and ends: nobody gets a message twice, or out of order", function()
	math.randomseed(test.seed)
	local channels, actors = {}, {}
	for i = 1, 4 do
		channels[i] = multicast.new()
	end
	for i = 1, 30 do
		actors[i] = { channel = i % 4 + 1, address = listener(channels[i % 4 + 1].channel) }
	end
	local published = { 0, 0, 0, 0 }
	for _ = 1, test.count(2000) do
		local at = math.random(4)
		published[at] = published[at] + 1
		channels[at]:publish(published[at], math.random(3) == 1 and ("z"):rep(1000) or nil)
		if math.random(100) == 1 and #actors > 1 then
			local index = math.random(#actors)
			skynet.kill(actors[index].address)
			table.remove(actors, index)
		end
	end
	for _, actor in ipairs(actors) do
		local all = got(actor.address)
		test.equal(#all, published[actor.channel])
		for i, entry in ipairs(all) do
			test.equal(entry[2], i)
		end
	end
end)

test.run()
