-- The channels of skynet.multicast in this process, and who has subscribed to them. Subscribers that are gone are
-- forgotten by the next message that finds nobody.

local core = require "skynet.core"
local datacenter = require "skynet.datacenter"
local process = require "reef.process"
local skynet = require "skynet"

local node = skynet.harbor(skynet.self())
local last = 0

---@class multicastd.channel
---@field list integer[] of subscribers
---@field place table<integer, integer> where each is in the list

local channels = {} ---@type table<integer, multicastd.channel>

local command = {}

local function remove(channel, handle)
	local at = channel.place[handle]
	if at then
		local moved = table.remove(channel.list)
		channel.place[handle] = nil
		if moved ~= handle then
			channel.list[at], channel.place[moved] = moved, at
		end
	end
end

function command.NEW()
	repeat
		last = last % 0x7fffff + 1
	until not channels[last << 8 | node]
	local number = last << 8 | node
	channels[number] = { list = {}, place = {} }
	return number
end

local function own(number)
	if number & 0xff ~= node then
		error(("multicast: channel %x belongs to node %d, which is not in this process"):format(number, number & 0xff), 0)
	end
	return channels[number]
end

function command.SUBSCRIBE(source, number)
	local channel = own(number)
	if channel and not channel.place[source] then
		table.insert(channel.list, source)
		channel.place[source] = #channel.list
	end
end

function command.UNSUBSCRIBE(source, number)
	local channel = channels[number]
	if channel then
		remove(channel, source)
	end
end

function command.DELETE(_, number)
	channels[number] = nil
end

function command.PUBLISH(source, number, message)
	local channel = own(number)
	if channel and channel.list[1] then
		for _, gone in ipairs(core.publish(channel.list, source, skynet.PTYPE_MULTICAST, number, message) or {}) do
			remove(channel, gone)
		end
	end
end

skynet.dispatch("lua", function(session, source, name, ...)
	local f = command[name]
	if not f then
		error(("multicastd: unknown command %s"):format(tostring(name)), 0)
	end
	if session == 0 then
		f(source, ...)
	else
		skynet.retpack(f(source, ...))
	end
end)

skynet.start(function()
	process.daemon()
	skynet.info_func(function()
		local subscribers = 0
		for _, channel in pairs(channels) do
			subscribers = subscribers + #channel.list
		end
		return { subscribers = subscribers }
	end)
	datacenter.set("multicast", node, skynet.self())
end)
