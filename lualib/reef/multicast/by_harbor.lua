-- The channels of skynet.multicast in one process, or in a network of numbered nodes: those of this node and who has
-- subscribed to them, and who has subscribed here to those of other nodes. Subscribers that are gone are forgotten by
-- the next message that finds nobody.
--
-- What is published goes to the channel's node, and from there once to each other node that has subscribers.

local process = require "reef.process"
local serve = require "reef.serve"
local skynet = require "skynet"
local subscribers = require "reef.subscribers"

local node = skynet.harbor(skynet.self())
local last = 0

---@class multicastd.channel: reef.subscribers
---@field nodes table<integer, true>|nil services like this one, of other nodes, that have subscribers

local channels = {} ---@type table<integer, multicastd.channel> of this node
local distant = {}  ---@type table<integer, multicastd.channel> of other nodes: who is subscribed here
local managers = {} ---@type table<integer, integer> services like this one, by node
local watched = {}  ---@type table<integer, true> nodes whose loss is noticed

local by_harbor = {}
local command = {}

local function new_channel()
	local channel = subscribers.new()
	channel.nodes = {}
	return channel
end

-- ---- other nodes ----

local function forget_node(id)
	managers[id], watched[id] = nil, nil
	for _, channel in pairs(channels) do
		for address in pairs(channel.nodes) do
			if address >> 24 == id then
				channel.nodes[address] = nil
			end
		end
	end
	for number in pairs(distant) do
		if number & 0xff == id then
			distant[number] = nil
		end
	end
end

local function watch(id)
	if not watched[id] then
		watched[id] = true
		skynet.fork(function()
			if skynet.getenv "master" then
				skynet.call(".cslave", "lua", "LINK", id)
			end
			forget_node(id)
		end)
	end
end

---The service like this one of a channel's node.
local function manager_of(number)
	local id = number & 0xff
	local address = managers[id] or skynet.call("DATACENTER", "lua", "GET", "multicast", id)
	if not address then
		error(("multicast: channel %x belongs to node %d, where nobody uses channels"):format(number, id), 0)
	end
	managers[id] = address
	return address
end

local function publish(number, source, message)
	local channel = channels[number]
	if channel then
		for address in pairs(channel.nodes) do
			skynet.send(address, "lua", "DELIVER", number, source, message)
		end
		channel:publish(source, skynet.PTYPE_MULTICAST, number, message)
	end
end

local function leave(number)
	local channel = distant[number]
	if channel and channel:empty() then
		distant[number] = nil
		if managers[number & 0xff] then
			skynet.send(managers[number & 0xff], "lua", "LEAVE", number)
		end
	end
end

---From another node: it has subscribers.
function command.JOIN(source, number)
	if channels[number] then
		channels[number].nodes[source] = true
		watch(source >> 24)
	end
	return channels[number] ~= nil
end

function command.LEAVE(source, number)
	if channels[number] then
		channels[number].nodes[source] = nil
	end
end

---From another node: something is published on a channel of this one.
function command.FORWARD(_, number, source, message)
	publish(number, source, message)
end

---From a channel's node.
function command.DELIVER(source, number, from, message)
	local channel = distant[number]
	if not channel or source >> 24 ~= number & 0xff then
		return
	end
	channel:publish(from, skynet.PTYPE_MULTICAST, number, message)
	leave(number)
end

---From a channel's node.
function command.DELETED(source, number)
	if source >> 24 == number & 0xff then
		distant[number] = nil
	end
end

-- ---- this node's services ----

function command.NEW()
	repeat
		last = last % 0x7fffff + 1
	until not channels[last << 8 | node]
	local number = last << 8 | node
	channels[number] = new_channel()
	return number
end

function command.SUBSCRIBE(source, number)
	if number & 0xff == node then
		return channels[number] and channels[number]:add(source)
	end
	local channel = distant[number] or new_channel()
	distant[number] = channel
	channel:add(source)
	local ok, result = pcall(function()
		return skynet.call(manager_of(number), "lua", "JOIN", number)
	end)
	if not ok or not result then
		distant[number] = nil
		return not ok and error(result, 0)
	end
	watch(number & 0xff)
end

function command.UNSUBSCRIBE(source, number)
	local channel = channels[number] or distant[number]
	if channel then
		channel:remove(source)
		leave(number)
	end
end

function command.DELETE(_, number)
	if number & 0xff ~= node then
		return skynet.send(manager_of(number), "lua", "DELETE", number)
	end
	for address in pairs(channels[number] and channels[number].nodes or {}) do
		skynet.send(address, "lua", "DELETED", number)
	end
	channels[number] = nil
end

function command.PUBLISH(source, number, message)
	if number & 0xff == node then
		return publish(number, source, message)
	end
	skynet.call(manager_of(number), "lua", "FORWARD", number, source, message)
end

function by_harbor.run()
	serve("multicastd", command)
	skynet.start(function()
		process.daemon()
		skynet.info_func(function()
			local n = 0
			for _, list in ipairs { channels, distant } do
				for _, channel in pairs(list) do
					n = n + #channel.list
				end
			end
			return { subscribers = n }
		end)
		skynet.call("DATACENTER", "lua", "SET", "multicast", node, skynet.self())
	end)
end

return by_harbor
