-- What happens to keys, as the server tells (its option notify-keyspace-events). Times are in seconds.
--
--     local keyspace = require "reef.redis.keyspace"
--     local w = keyspace.watch("redis://127.0.0.1/0", { keys = "user:*", configure = "KEA" })
--     while true do
--         local key, event = w:message()        --> user:7 set
--     end
--
-- They are published to subscribers of the node that has the key, and lost when nobody listens; so `gap` is told of
-- losses as with redis.watch. In a cluster each master is listened to.
-- https://redis.io/docs/latest/develop/use/keyspace-notifications
local checks = require "reef.options"
local config = require "reef.redis.config"
local redis = require "reef.redis"

local keyspace = {}

---@class redis.keyspace
local watch = {}
watch.__index = watch

---The next event; waits for it.
---@return string key, string event
function watch:message()
	while true do
		local event, channel = self.w:message()
		local key = channel and channel:match "^__keyspace@%d+__:(.*)$"
		if key then
			return key, event
		end
	end
end

---Times that events may have been missed.
---@return integer
function watch:gaps()
	return self.w.gaps
end

---Ends it.
function watch:disconnect()
	self.w:disconnect()
end

local function configure(conf, flags)
	local db = redis.connect(conf)
	local _ <close> = setmetatable({}, { __close = function()
		db:disconnect()
	end })
	db:config("SET", "notify-keyspace-events", flags)
end

---@param target redis.conf|string
---@param options { keys: string?, configure: string?, gap: function? }|nil  keys: a pattern, "*"; configure: sets the
---               servers' notify-keyspace-events to that first
---@return redis.keyspace
function keyspace.watch(target, options)
	options = options or {}
	checks.check("redis keyspace", options, { keys = true, configure = true, gap = true })
	for _, name in ipairs { "keys", "configure" } do
		if options[name] ~= nil and type(options[name]) ~= "string" then
			error(("redis keyspace: %s is a string, not a %s"):format(name, type(options[name])))
		end
	end
	local conf = config.new(target, { gap = options.gap })
	if options.configure then
		configure(target, options.configure)
	end
	local pattern = ("__keyspace@%d__:%s"):format(conf.db or 0, options.keys or "*")
	local w
	if conf.kind == "cluster" then
		w = require("reef.redis.cluster.watch").new(conf, nil, true)
	else
		w = redis.watch(target, { gap = options.gap })
	end
	w:psubscribe(pattern)
	return setmetatable({ w = w }, watch)
end

return keyspace
