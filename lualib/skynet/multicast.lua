-- Channels: what is published on one reaches every service that has subscribed to it.
--
--	local channel = multicast.new { dispatch = function(channel, source, ...) end }
--	channel:subscribe()
--	channel:publish("hello")
--
-- Other services use it by its number: multicast.new { channel = number, dispatch = f }.

local checks = require "reef.options"
local skynet = require "skynet"

local KNOWN <const> = { channel = true, pack = true, unpack = true, dispatch = true }

local multicast = {}

---@class multicast.channel
---@field channel integer
local channel = {}
channel.__index = channel

local groups = {}  ---@type table<integer, table<multicast.channel, true>> of this service that have subscribed
local objects = {} ---@type table<integer, table<multicast.channel, true>> the same by what messages carry
local carried = {} ---@type table<integer, integer> what messages of a channel carry, where that is not its number
local manager ---@type integer|nil

local function manage()
	manager = manager or skynet.uniqueservice "multicastd"
	return manager
end

local function bytes(pack, ...)
	local message, size = pack(...)
	if type(message) == "string" then
		return message
	end
	local text = skynet.tostring(message, size) or ""
	skynet.trash(message, size)
	return text
end

local function dispatch(number, source, message, size)
	skynet.ignoreret()
	local group = objects[number]
	if not group then
		return
	end
	local first = next(group)
	if next(group, first) == nil then
		local f = first.__dispatch
		return f and f(first, source, first.__unpack(message, size))
	end
	-- The bytes are there until the first of them waits.
	for object in pairs(group) do
		if object.__dispatch then
			skynet.fork(object.__dispatch, object, source, object.__unpack(message, size))
		end
	end
end

skynet.register_protocol {
	name = "multicast",
	id = skynet.PTYPE_MULTICAST,
	unpack = function(message, size)
		return message, size
	end,
	dispatch = dispatch,
}

---Makes a channel, or an object for one that there is.
---@param options? {channel: integer?, dispatch: function?, pack: function?, unpack: function?}
---@return multicast.channel
function multicast.new(options)
	options = options or {}
	checks.warn("multicast.new", options, KNOWN)
	local number = options.channel
	if number == nil then
		number = skynet.call(manage(), "lua", "NEW")
	elseif math.type(number) ~= "integer" or number <= 0 then
		error(("multicast.new: channel is a number that multicast.new has made, not %s"):format(tostring(number)))
	else
		manage()
	end
	return setmetatable({
		channel = number,
		__pack = options.pack or skynet.pack,
		__unpack = options.unpack or skynet.unpack,
		__dispatch = options.dispatch,
	}, channel)
end

---Sends to all who have subscribed; comes back when it is in their mailboxes.
---@param ... any
function channel:publish(...)
	skynet.call(manager, "lua", "PUBLISH", self.channel, bytes(self.__pack, ...))
end

---From now on `dispatch` is called with what is published.
function channel:subscribe()
	if self.__subscribed then
		return
	end
	self.__subscribed = true
	local group = groups[self.channel]
	if group then
		group[self] = true
		return
	end
	-- The objects are not kept alive by their subscription.
	group = setmetatable({ [self] = true }, { __mode = "k" })
	groups[self.channel], objects[self.channel] = group, group
	-- Numbers that are good beyond this process may be longer than what messages carry.
	local short = skynet.call(manager, "lua", "SUBSCRIBE", self.channel)
	if short and groups[self.channel] == group then
		objects[short], carried[self.channel] = group, short
	end
end

---Ends that. What is on its way is dropped.
function channel:unsubscribe()
	if not self.__subscribed then
		return
	end
	self.__subscribed = nil
	local group = groups[self.channel]
	if group then
		group[self] = nil
		if next(group) == nil then
			objects[carried[self.channel] or self.channel] = nil
			groups[self.channel], objects[self.channel], carried[self.channel] = nil, nil, nil
			skynet.send(manager, "lua", "UNSUBSCRIBE", self.channel)
		end
	end
end

---Removes the channel: nobody gets what is published on it afterwards.
function channel:delete()
	self:unsubscribe()
	skynet.send(manager, "lua", "DELETE", self.channel)
end

channel.__gc = channel.unsubscribe

function channel:__tostring()
	return ("[Multicast:%x]"):format(self.channel)
end

return multicast
