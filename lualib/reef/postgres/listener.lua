-- Notifications of PostgreSQL: LISTEN on a connection that nobody else uses.
--
--     local w = postgres.listen({ host = "127.0.0.1" }, "news")
--     local payload, channel = w:message()
--
-- The connection is made anew when it is lost; what was notified meanwhile is lost, which `gap` is told.
local errors = require "reef.channel.error"
local skynet = require "skynet"

---@class postgres.listener
---@field session reef.sql.session
---@field channels string[]
local listener = {}
listener.__index = listener

local PAUSE <const> = 50 -- cs between attempts to connect

local function quoted(name)
	return '"' .. name:gsub('"', '""') .. '"'
end

local function demand(s, deadline, sql)
	local result = s:run("listen", deadline, "query", sql, false, false)
	if result.badresult then
		error(s.protocol.rejection(result), 0)
	end
end

-- Listens again on a connection that is not the one before.
local function renew(self, s, deadline)
	if self.generation == s.generation then
		return
	end
	local first = self.generation == nil
	for _, channel in ipairs(self.channels) do
		demand(s, deadline, "LISTEN " .. quoted(channel))
	end
	self.generation = s.generation
	if not first and s.conf.gap then
		skynet.fork(s.conf.gap, { why = "the connection was lost" })
	end
end

---@param session reef.sql.session
---@param ... string
---@return postgres.listener
function listener.new(session, ...)
	local self = setmetatable({ session = session, channels = { ... } }, listener)
	session:use("listen", 0, nil, function(s, deadline)
		renew(self, s, deadline)
	end)
	return self
end

local function heard(s, deadline, self)
	renew(self, s, deadline)
	local quiet = s:deadline(s.conf.heartbeat)
	local note = s:hear(quiet)
	if not note then
		demand(s, s:deadline(s.conf.connect_timeout), "SELECT 1")
	end
	return note
end

---Waits for the next notification.
---@return string payload
---@return string channel
---@return integer pid  of the server's process that has sent it
function listener:message()
	while not self.session.ended do
		local ok, note = pcall(self.session.use, self.session, "listen", 0, nil, heard, self)
		if ok and note then
			return note.payload, note.channel, note.pid
		elseif not ok and not errors.is(note) then
			error(note, 0)
		elseif not ok and not self.session.ended then
			self.session:close()
			skynet.sleep(PAUSE)
		end
	end
	error(self.session:error("closed", "not sent", "message", "it was disconnected"), 0)
end

---Ends it. Who waits for a message gets an error.
function listener:disconnect()
	self.session:disconnect()
end

return listener
