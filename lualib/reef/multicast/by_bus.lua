-- The channels of skynet.multicast over the bus: all processes that have the same broker share them. A channel is a
-- subject, and its number is drawn by lot, from so many that no two are alike.

local bus = require "reef.bus"
local digest = require "reef.digest"
local once = require "reef.once"
local process = require "reef.process"
local serve = require "reef.serve"
local skynet = require "skynet"
local subscribers = require "reef.subscribers"

---@class multicastd.bus_channel: reef.subscribers
---@field short integer what messages to them carry
---@field subscription reef.bus.subscription

local by_bus = {}
local channels = {} ---@type table<integer, multicastd.bus_channel>
local opening = {}  ---@type table<integer, reef.once.work>
local shorts, last = {}, 0 ---@type table<integer, true>, integer

local function subject_of(number)
	return ("multicast.%x"):format(number)
end

local function new_short()
	repeat
		last = last % 0x7ffffffe + 1
	until not shorts[last]
	shorts[last] = true
	return last
end

local function forget(number)
	local channel = channels[number]
	if channel then
		channels[number], shorts[channel.short] = nil, nil
		channel.subscription:close()
	end
end

-- What comes by the bus: without a message the channel is deleted.
local function arrived(number, source, message)
	local channel = channels[number]
	if not channel then
		return
	elseif not message then
		return forget(number)
	end
	channel:publish(source, skynet.PTYPE_MULTICAST, channel.short, message)
	if channel:empty() then
		forget(number)
	end
end

local command = {}

function command.NEW()
	return (string.unpack(">I7", digest.random(7)) & 0x3fffffffffffff) | 1
end

-- A channel is known when the bus has it: before, a message would find it without subscribers, and forget it.
local function open(number)
	local channel = subscribers.new()
	local subscription = bus.subscribe(subject_of(number), function(_, ...)
		arrived(number, ...)
	end)
	channel.short, channel.subscription = new_short(), subscription
	channels[number] = channel
	return channel
end

function command.SUBSCRIBE(source, number)
	local channel
	repeat
		channel = channels[number] or once(opening, number, function()
			return open(number)
		end)
	until channels[number] == channel
	channel:add(source)
	return channel.short
end

function command.UNSUBSCRIBE(source, number)
	if opening[number] then
		pcall(once, opening, number)
	end
	local channel = channels[number]
	if channel then
		channel:remove(source)
		if channel:empty() then
			forget(number)
		end
	end
end

function command.DELETE(source, number)
	pcall(bus.publish, subject_of(number), source, false)
end

function command.PUBLISH(source, number, message)
	bus.publish(subject_of(number), source, message)
end

function by_bus.run()
	serve("multicastd", command)
	skynet.start(function()
		process.daemon()
		skynet.info_func(function()
			local n = 0
			for _, channel in pairs(channels) do
				n = n + #channel.list
			end
			return { subscribers = n }
		end)
	end)
end

return by_bus
