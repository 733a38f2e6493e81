-- The members of an etcd cluster, as one to be asked: the one that has answered last is asked first, and the next
-- when it cannot be reached. What may have been done by one that did not answer is not asked of another, unless it
-- can be done twice.

local connection = require "reef.etcd.connection"
local errors = require "reef.channel.error"
local json = require "reef.etcd.json"
local now = require "reef.base.now"

local IDLE <const> = 4       -- connections that are kept for the next request
local UNAUTHENTICATED <const> = 16
-- Codes of gRPC with which nobody knows whether it was done: cancelled, unknown, deadline exceeded, internal,
-- unavailable.
local UNSURE <const> = { [1] = true, [2] = true, [4] = true, [13] = true, [14] = true }

---@class reef.etcd.members
---@field endpoints string[]
---@field at integer the one that is asked first
---@field user string|nil
---@field password string|nil
local members = {}
members.__index = members

---@param options table see reef.etcd
---@return reef.etcd.members
function members.new(options)
	return setmetatable({
		endpoints = options.endpoints, at = 1, tls = options.tls, user = options.user, password = options.password,
		timeout = options.timeout or 5, idle = {},
	}, members)
end

function members:fail(code, outcome, command, why)
	local host = self.endpoints[self.at]
	error(errors.new({ code = code, outcome = outcome, host = host, command = "etcd " .. command }, why), 0)
end

function members:turn()
	self.at = self.at % #self.endpoints + 1
	self:close()
end

local function take(self, deadline)
	while self.idle[1] do
		local c = table.remove(self.idle)
		c.kept = false
		if c:usable() then
			return c
		end
		c:close()
	end
	return connection.open(self.endpoints[self.at], self.tls, deadline)
end

local function give(self, c, endpoint)
	if c:usable() and #self.idle < IDLE and endpoint == self.endpoints[self.at] then
		c.kept = true
		self.idle[#self.idle + 1] = c
	else
		c:close()
	end
end

-- One request to the present member. The answer, or nil, why, and whether it may have been done.
local function attempt(self, path, body, deadline)
	local endpoint = self.endpoints[self.at]
	local c <close>, why = take(self, deadline)
	if not c then
		return nil, "cannot connect: " .. tostring(why), false
	end
	local status, text
	status, why = c:ask(path, body, self.token and ("Authorization: %s\r\n"):format(self.token), deadline)
	if status then
		text, why = c:body()
	end
	if not text then
		return nil, why, true
	end
	give(self, c, endpoint)
	local answer, problem = json.decode(text)
	if not answer then
		-- What says that it has no such page is no etcd, and has done nothing.
		local nothing = status >= 400 and status < 500 or status == 501
		return nil, ("this is not how etcd answers: status %d, %s"):format(status,
			text == "" and "an empty body" or "no JSON: " .. problem), not nothing
	end
	return answer, status
end

-- Words of etcd that mean that nothing was done, or that nobody knows.
local function is_undone(text)
	return text:find("no leader", 1, true) or text:find("not capable", 1, true) or text:find("learner", 1, true)
		or text:find("connection refused", 1, true)
end

local function log_in(self, deadline)
	self.token = nil
	local answer = self:ask("/v3/auth/authenticate", { name = self.user, password = self.password }, true, deadline)
	self.token = answer.token
end

---Asks, and answers what etcd does. Raises an error object (reef.channel.error).
---@param path string
---@param request table
---@param again boolean may it be done twice?
---@param deadline number|nil
---@return table answer
function members:ask(path, request, again, deadline)
	local command = path:match "([^/]+)$"
	deadline = deadline or now() + self.timeout
	local body = next(request) and json.encode(request) or "{}"
	local count, tried, logged_in = #self.endpoints, 0, false
	if self.user and not self.token and command ~= "authenticate" then
		log_in(self, deadline)
	end
	local why, maybe = "no time is left", false
	while now() < deadline do
		tried = tried + 1
		-- A member that hangs has its share of the time, so that the others are asked, too.
		local share = again and tried <= count and (deadline - now()) / (count - tried + 1) or deadline - now()
		local answer, status, sent = attempt(self, path, body, now() + share)
		if answer and status == 200 then
			return answer
		end
		local stale = answer and (answer.code == UNAUTHENTICATED or tostring(answer.error):find "invalid auth token")
		if stale and self.user and not logged_in and command ~= "authenticate" then
			logged_in = true
			log_in(self, deadline)
		elseif answer then
			why = tostring(answer.error or answer.message or status)
			if not UNSURE[answer.code] then
				self:fail(tostring(answer.code or status), "rejected", command, why)
			end
			maybe = maybe or not is_undone(why)
			self:turn()
		else
			why, maybe = status, maybe or sent
			self:turn()
		end
		if maybe and not again or tried >= 2 * count then
			break
		end
	end
	self:fail(maybe and "timeout" or "connect", maybe and "maybe applied" or "not sent", command, why)
end

---Asks for what never ends.
---@param path string
---@param request table
---@return reef.etcd.connection|nil connection its pieces are the answer
---@return string|nil why
function members:stream(path, request)
	local deadline = now() + self.timeout
	if self.user and not self.token then
		log_in(self, deadline)
	end
	local c, why = connection.open(self.endpoints[self.at], self.tls, deadline)
	if not c then
		return nil, why
	end
	local status
	status, why = c:ask(path, json.encode(request), self.token and ("Authorization: %s\r\n"):format(self.token), deadline)
	if status ~= 200 then
		c:close()
		self.token = nil
		return nil, why or ("it has answered %d"):format(status)
	end
	return c
end

---Closes the connections that nobody uses.
function members:close()
	local idle = self.idle
	self.idle = {}
	for _, c in ipairs(idle) do
		c:close()
	end
end

return members
