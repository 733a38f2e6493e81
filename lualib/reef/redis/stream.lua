-- Consumer groups of streams: reads what is new, and what consumers that are gone have left. Times are in seconds.
--
--     local stream = require "reef.redis.stream"
--     local group = stream.group(db, "orders", "billing", { consumer = "node-1" })
--     while true do
--         for _, message in ipairs(group:read()) do
--             bill(message.fields)
--             group:ack(message.id)
--         end
--     end
--
-- A message belongs to whoever read it until it is acknowledged. First comes what this consumer had not acknowledged
-- when it ended; then, every `idle` / 2 seconds, what others have had for `idle` seconds; then what is new.
local now = require "reef.base.now"
local checks = require "reef.options"
local expect = require "reef.redis.expect"
local fields_of = require "reef.redis.fields"

---@class redis.stream.message
---@field id string
---@field fields table<string, string>
---@field deliveries integer|nil  of what was taken over: how often it was read

---@class redis.stream.group
local group = {}
group.__index = group

local M = {}

-- Entries that were deleted meanwhile have no fields: they are acknowledged, since nobody can handle them.
local function messages_of(self, entries, command)
	local list = {}
	for _, entry in ipairs(entries or {}) do
		if type(entry) == "table" then
			local id = expect.text(entry[1], command)
			if entry[2] ~= nil then
				list[#list + 1] = { id = id, fields = fields_of(entry[2]) }
			else
				self:ack(id)
			end
		end
	end
	return list
end

-- RESP2: {{stream, entries}}; RESP3: a map.
local function entries_of(self, reply)
	if reply == nil then
		return nil
	end
	local entries = expect.list(reply, "XREADGROUP")[self.key]
	if entries == nil and reply[1] ~= nil then
		entries = expect.list(reply[1], "XREADGROUP")[2]
	end
	return entries ~= nil and expect.list(entries, "XREADGROUP") or nil
end

local function create(self)
	local ok, err = pcall(self.db.xgroup, self.db, "CREATE", self.key, self.name, self.from, "MKSTREAM")
	if not ok and not tostring(err):find "BUSYGROUP" then
		error(err, 0)
	end
end

-- A group that somebody has deleted is made again.
local function with_group(self, f, ...)
	local ok, reply = pcall(f, self.db, ...)
	if not ok and tostring(reply):find "NOGROUP" then
		create(self)
		return f(self.db, ...)
	elseif not ok then
		error(reply, 0)
	end
	return reply
end

local function read_from(self, id, block)
	local list = { "GROUP", self.name, self.consumer, "COUNT", self.count }
	if block then
		table.move({ "BLOCK", math.max(1, math.ceil(block * 1000)) }, 1, 2, #list + 1, list)
	end
	table.move({ "STREAMS", self.key, id }, 1, 3, #list + 1, list)
	return entries_of(self, with_group(self, self.db.xreadgroup, list))
end

-- What cannot be handled goes to whoever wants to know, and is not tried for ever.
local function without_dead(self, list)
	if self.most == math.huge then
		return list
	end
	local alive = {}
	for _, message in ipairs(list) do
		local pending = self.db:xpending(self.key, self.name, message.id, message.id, 1)
		pending = expect.list(pending, "XPENDING")[1]
		message.deliveries = pending ~= nil and expect.integer(expect.list(pending, "XPENDING")[4], "XPENDING") or nil
		if message.deliveries and message.deliveries > self.most then
			if self.dead then
				self.dead(message)
			end
			self:ack(message.id)
		else
			alive[#alive + 1] = message
		end
	end
	return alive
end

-- What others have had for too long.
local function claim(self)
	local reply = with_group(self, self.db.xautoclaim, self.key, self.name, self.consumer, math.ceil(self.idle * 1000),
		self.cursor, "COUNT", self.count)
	self.cursor = tostring(expect.list(reply, "XAUTOCLAIM")[1])
	if self.cursor == "0-0" then
		self.claimed = now()
	end
	return without_dead(self, messages_of(self, expect.list(reply[2], "XAUTOCLAIM"), "XAUTOCLAIM"))
end

---The next messages; waits for them. An empty list: there were none within `block` seconds.
---@return redis.stream.message[]
function group:read()
	if self.own then
		local entries = read_from(self, self.own)
		local list = messages_of(self, entries, "XREADGROUP")
		if entries and entries[1] then
			self.own = expect.another(self.own, expect.list(entries[#entries], "XREADGROUP")[1], "XREADGROUP")
			list = without_dead(self, list)
			if list[1] then
				return list
			end
			return self:read()
		end
		self.own = nil
	end
	local until_then = now() + self.block
	while true do
		if self.cursor ~= "0-0" or now() - self.claimed >= self.idle / 2 then
			local list = claim(self)
			if list[1] then
				return list
			end
		end
		local left = until_then - now()
		local wait = math.min(math.max(left, 0.001), math.max(self.claimed + self.idle / 2 - now(), 0.01))
		local list = messages_of(self, read_from(self, ">", wait), "XREADGROUP")
		if list[1] or now() >= until_then then
			return list
		end
	end
end

---Acknowledges messages: they are nobody's any more.
---@param ... string  ids
---@return integer
function group:ack(...)
	return self.db:xack(self.key, self.name, ...)
end

---Adds a message.
---@param fields table<string, any>
---@return string id
function group:add(fields)
	local list = { self.key, "*" }
	for name, value in pairs(fields) do
		list[#list + 1], list[#list + 2] = name, value
	end
	return self.db:xadd(list)
end

local known = { consumer = true, idle = true, count = true, block = true, from = true, most = true, dead = true }

---@param db redis.db
---@param key string   of the stream
---@param name string  of the group; it is made if there is none
---@param options table  consumer: this reader's name, required. idle: seconds after which others' messages are taken
---                      over; 60. count: messages at a time; 16. block: seconds that read waits; 5. from: where a new
---                      group begins; "$": with what is new; "0": with all. most: times that a message is delivered;
---                      dead(message): told of those that were delivered more often, which are acknowledged then
---@return redis.stream.group
function M.group(db, key, name, options)
	checks.check("redis stream", options, known)
	if type(options) ~= "table" or type(options.consumer) ~= "string" then
		error("redis stream: a group's reader has a name (option consumer)")
	end
	checks.numbers("redis stream", options, { idle = 0.0, count = 1, block = 0.0, most = 0.0 })
	local self = setmetatable({
		db = db, key = key, name = name, consumer = options.consumer, idle = options.idle or 60, count = options.count or 16,
		block = options.block or 5, from = options.from or "$", most = options.most or math.huge, dead = options.dead,
		own = "0", cursor = "0-0", claimed = -math.huge,
	}, group)
	create(self)
	return self
end

return M
