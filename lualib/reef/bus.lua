-- Publish and subscribe, for services of all processes. Times are in seconds; see docs/bus.md.
--
-- Processes that name the same broker belong together: NATS, Redis, or none, which is for the services of one process.
--
--     bus.subscribe("match.*.over", function(subject, winner) ... end)
--     bus.publish("match.7.over", "Ada")
--
-- A process has one connection, and each message crosses it once, however many of its services have subscribed. What
-- one service publishes on a subject arrives in that order. Messages are not kept for anybody: who is not there, or
-- is cut off, goes without; but he hears how many he has missed.

local errors = require "reef.channel.error"
local options = require "reef.options"
local skynet = require "skynet"
local subject = require "reef.bus.subject"

local bus = {}

---@class reef.bus.subscription
---@field pattern string
local subscription = {}
subscription.__index = subscription

local groups = {} ---@type table<string, table<reef.bus.subscription, true>>
local service ---@type integer|nil

local function manage()
	service = service or skynet.uniqueservice "reef_bus"
	return service
end

local function dispatch(_, _, pattern, name, ...)
	local group = groups[pattern]
	if not group then
		return
	elseif name == false then
		local about, count = ...
		for s in pairs(group) do
			if s.lost then
				skynet.fork(s.lost, count, about)
			end
		end
		return
	end
	local first = next(group)
	if next(group, first) == nil then
		return first.f(name, ...)
	end
	for s in pairs(group) do
		skynet.fork(s.f, name, ...)
	end
end

local function listen()
	if not skynet.dispatch "reef.bus" then
		skynet.register_protocol {
			name = "reef.bus", id = skynet.PTYPE_HARBOR, pack = skynet.pack, unpack = skynet.unpack, dispatch = dispatch,
		}
	end
end

---Calls f with what is published from now on. While the broker is away only messages of this process come.
---@param pattern string a subject; `*` stands for a word, `>` for all that follow
---@param f fun(subject: string, ...)
---@param more? {lost: fun(count: integer, subject: string)} called when messages of other processes have been missed
---@return reef.bus.subscription
---@return string|nil warning the broker is away
function bus.subscribe(pattern, f, more)
	subject.check(pattern, true)
	options.check("bus", more, { lost = true })
	if type(f) ~= "function" then
		error("bus.subscribe: a function is needed")
	end
	listen()
	local self = setmetatable({ pattern = pattern, f = f, lost = more and more.lost }, subscription)
	groups[pattern] = groups[pattern] or {}
	groups[pattern][self] = true
	local ok, warning = pcall(skynet.call, manage(), "lua", "SUBSCRIBE", pattern)
	if not ok then
		self:close()
		error(warning, 0)
	end
	return self, warning
end

---What is on its way is dropped.
function subscription:close()
	local group = groups[self.pattern]
	if group and group[self] then
		group[self] = nil
		if next(group) == nil then
			groups[self.pattern] = nil
			skynet.send(manage(), "lua", "UNSUBSCRIBE", self.pattern)
		end
	end
end

local function outcome(ok, result, ...)
	if not ok then
		error(result, 0)
	elseif type(result) == "table" then
		error(errors.new(result, result.why), 0)
	end
	return result, ...
end

---Sends to all who have subscribed. Comes back when those of this process have it, and the broker's connection too.
---Raises an error object (reef.channel.error) when other processes do not get it; those of this process have it then.
---@param name string
---@param ... any
---@return integer count services of this process that have it
function bus.publish(name, ...)
	subject.check(name, false)
	return outcome(pcall(skynet.call, manage(), "lua", "PUBLISH", name, skynet.packstring(name, ...)))
end

---Waits until the broker has got all that was published and subscribed to before.
---@param seconds number|nil deadline (5)
function bus.flush(seconds)
	outcome(pcall(skynet.call, manage(), "lua", "FLUSH", seconds or 5))
end

---@return {broker: string, connected: boolean, subscriptions: integer, published: integer, refused: integer,
---received: integer, lost: integer} `lost`: messages of other processes that have been missed, as far as that is known
function bus.status()
	return skynet.call(manage(), "lua", "STATUS")
end

return bus
