-- Who waits for a reply, and for how long. A request whose time is over leaves a tombstone: its reply is read when it
-- comes, and dropped. Nobody was asked for what a `response` waits for: it leaves nothing behind.
local errors = require "reef.channel.error"
local failure = require("reef.socketchannel.failure").new
local now = require "reef.base.now"
local skynet = require "skynet"

local waits = {}

local PATIENCE = 3 -- time-outs in a row; those of requests that were under way together count as one

-- Ends a request's wait with a value, or with an error to raise.
local function finish(item, ok, value)
	item.done, item.ok, item.value = true, ok, value
	skynet.wakeup(item)
end

-- Nobody waits any more for what nobody was asked for. What has begun to come is read to its end.
local function withdraw(self, item)
	if item.begun or item.partial then
		self.tombstones = self.tombstones + 1
	else
		self.mode.take_out(self, item)
	end
end
waits.withdraw = withdraw

local arm

-- What has arrived when the clock runs out counts as arrived, also after the process was stopped: what is due is given
-- up at the second look only, when the sockets have been read once more.
local function due(self)
	local time, nearest, newest = now(), math.huge, nil
	local looked = self.looked
	local limit = looked and time - looked < 0.1 and looked or -math.huge
	self.armed, self.looked = nil, nil
	local withdrawn = {}
	for _, item in pairs(self.pending) do
		repeat
			if item.deadline and not item.done then
				if item.deadline > limit then
					nearest = math.min(nearest, item.deadline)
				elseif item.unasked then
					withdrawn[#withdrawn + 1] = item
				else
					self.tombstones = self.tombstones + 1
					newest = math.max(newest or 0, item.since)
					finish(item, false, failure(self, "timeout", "maybe applied", "no reply in time", item.since))
				end
			end
			item = item.next
		until not item
	end
	for _, item in ipairs(withdrawn) do
		withdraw(self, item)
		finish(item, false, failure(self, "timeout", "not sent", "nothing came in time", item.since))
	end
	if newest and newest >= self.missed_at then
		self.missed, self.missed_at = self.missed + 1, time
	end
	if self.sock and (self.missed >= PATIENCE or self.tombstones > self.most_tombstones) then
		self:drop(failure(self, "timeout", "maybe applied", "too many requests without a reply in time"))
	elseif nearest <= time then
		arm(self, time + 0.01)
		self.looked = time
	elseif nearest < math.huge then
		arm(self, nearest)
	end
end

-- One timer a channel, for the nearest deadline; one that is set too early finds nothing and sets itself again.
function arm(self, deadline)
	if self.armed and (self.armed <= deadline or self.looked) then
		return
	end
	self.armed = deadline
	skynet.timeout(math.max(1, math.ceil((deadline - now()) * 100)), function()
		if self.armed == deadline then
			due(self)
		end
	end)
end

---Waits for the reply of an item that is pending.
---@param self socketchannel
---@param item table
---@param seconds number  0: for ever
function waits.wait(self, item, seconds)
	if seconds > 0 then
		item.since = now()
		item.deadline = item.since + seconds
		arm(self, item.deadline)
	end
	while not item.done do
		skynet.wait(item)
	end
	if item.ok then
		return item.value
	end
	-- A reader's own text, or an object, is passed on as it is; what a reply says is raised here.
	error(item.value, item.rejected and 1 or 0)
end

---A reply has been read, or a part of it.
---@param self socketchannel
---@param item table
---@param ok boolean
---@param data any
---@param more any
function waits.answer(self, item, ok, data, more)
	if item.done then
		return -- a tombstone
	end
	self.missed = 0
	if not ok then
		item.rejected = true
		finish(item, false, data)
	elseif more then
		item.pieces = item.pieces or {}
		table.insert(item.pieces, data)
	elseif item.pieces then
		table.insert(item.pieces, data)
		finish(item, true, item.pieces)
	else
		finish(item, true, data)
	end
end

---Everybody who waits gets that error.
---@param self socketchannel
---@param pending table
---@param err any
function waits.fail_all(self, pending, err)
	for _, item in pairs(pending) do
		repeat
			if not item.done then
				local value = err
				if rawequal(err, errors.socket) then
					value = failure(self, "closed", "maybe applied", "the connection was lost", item.since)
				end
				finish(item, false, value)
			end
			item = item.next
		until not item
	end
end

---A reader has raised: nobody knows where the next reply begins.
---@param self socketchannel
---@param sock table
---@param err any
function waits.read_failed(self, sock, err)
	if self.sock ~= sock then
		return
	end
	if not errors.is(err) then
		skynet.error("socket: " .. tostring(err))
	end
	self:drop(err)
end

return waits
