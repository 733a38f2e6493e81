-- A command that a node of a Redis Cluster did not do: where it is tried again, and when that is over.
--
-- What a node says no to with MOVED, ASK, TRYAGAIN and the like was not applied, and neither was what has not been
-- sent: both are tried again where they belong, until the time of the call is over. What may have been applied is never
-- sent twice.
local now = require "reef.base.now"
local backoff = require "reef.backoff"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local map = require "reef.redis.cluster.map"

local SLOTS = 16384
local MOST_REDIRECTIONS = 16
local PATIENT_REDIRECTIONS = 4 -- without a pause
local FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.25
local SHUNNED = 1              -- seconds for which a replica that failed is not read from

local retry = {}

-- Not applied, and somebody else may do it soon, or the same in a moment.
local passing = {
	CLUSTERDOWN = true, TRYAGAIN = true, LOADING = true, MASTERDOWN = true, READONLY = true, UNBLOCKED = true,
}
local stays = { TRYAGAIN = true }
local unreachable = { connect = true, closed = true, protocol = true, ended = true }

---What is to be done about an error: "moved", "ask", "wait", or nil: it is the caller's.
---@param self redis.cluster.client
---@param node redis.cluster.node
---@param err any
---@return "moved"|"ask"|"wait"|nil what
---@return string|nil address  with moved and ask
function retry.judge(self, node, err)
	if not errors.is(err) then
		return nil
	end
	if err.outcome == "rejected" then
		local code = err.code
		if code == "MOVED" or code == "ASK" then
			local where, text = err.message:match "^%u+ (%d+) (%S*)"
			local host, port = map.split(text or "")
			local slot = math.tointeger(tonumber(where))
			if not map.is_port(port) or not slot or slot >= SLOTS then
				return nil
			elseif host == "" or host == "?" then
				host = node.host
			end
			local address = self.topology:moved(code == "MOVED" and slot or nil, host, port)
			return address and code:lower() or "wait", address
		elseif passing[code] then
			if not stays[code] then
				self.topology:refresh()
			end
			return "wait"
		end
	elseif unreachable[err.code] or err.code == "timeout" then
		self.topology:refresh()
		node.shunned = now() + SHUNNED
		return err.outcome == "not sent" and unreachable[err.code] and "wait" or nil
	end
	return nil
end

---The db with a time-out for what is left.
function retry.within(db, left, rule)
	return rule and rule.blocks and db or db:with { timeout = math.max(left, 0.001) }
end

-- The same command, behind an ASKING in the same packet.
local function ask(db, spec, ...)
	local list = spec.list_of(...)
	local ops, results = { { "ASKING" }, table.move(list, 1, list.n, 2, { spec.command, n = list.n + 1 }) }, {}
	if spec.ordinary then
		core.pipeline(db, ops, results)
	elseif spec.waits then
		require("reef.redis.special").blocking(spec.command, function(mine)
			core.pipeline(mine, ops, results)
		end)(db, ...)
	else
		db:pipeline(ops, results)
	end
	local reply = results[2]
	if not reply.ok then
		-- Nested errors stay what they are.
		error(type(reply.out) == "table" and reply.out
			or errors.new { code = reply.out:match "^%S+", outcome = "rejected", message = reply.out }, 0)
	end
	return spec.answer(reply.out)
end

local function too_many(self, err)
	self:refuse("redirections", "Too many Cluster redirections? (last: " .. err.message .. ")")
end

-- The pause before another attempt; raises when there is no time for it.
local function pause(self, until_then, pauses, err)
	local left = until_then - now()
	if left <= 0 then
		self:raise(err)
	end
	self.topology:wait(math.max(math.min(backoff(pauses + 1, FIRST_PAUSE, LONGEST_PAUSE), left), 0.01))
end

---The node has done something in a slot that may be a write: tells who wants to know, before the caller goes on.
---@param self redis.cluster.client
---@param node redis.cluster.node
---@param slot integer|false|nil
function retry.acknowledge(self, node, slot)
	if slot then
		for _, f in pairs(self.acknowledged) do
			f(slot, node.address)
		end
	end
end

---A command has been done; `asking`: by a node that does not have the slot yet, since that is under way.
---@param self redis.cluster.client
function retry.done(self, spec, slot, node, asking)
	if next(self.acknowledged) and not spec.rule.reads and not spec.parts and not asking then
		self:acknowledge(node, slot)
	end
end

---Another attempt, and another, until it is done or the time is over. `node`, `err`: of the attempt before.
---@param self redis.cluster.client
---@param view table
---@param spec redis.cluster.spec
---@param slot integer|nil
---@param since number  when the call was made
function retry.again(self, view, spec, slot, since, node, err, ...)
	local until_then = since + self:seconds_of(view)
	if spec.rule.blocks then
		until_then = now() + self:seconds_of(view)
	end
	-- Whoever reads where he can may do so twice.
	local harmless = spec.rule.reads and self.conf.read ~= "master"
	local redirections, pauses = 0, 0
	while true do
		local what, address, asking, db
		if node then
			what, address = self:judge(node, err)
			if not what and not (harmless and errors.is(err) and err.outcome ~= "rejected") then
				self:raise(err)
			end
		else
			self.topology:refresh()
			err, what = self:unknown(slot), "wait"
		end
		self.retries = self.retries + 1
		-- ASKING is for one command: what is watched has to be there for the whole of a transaction.
		what = what == "ask" and spec.command == "WATCH" and "wait" or what
		if what == "moved" or what == "ask" then
			self.redirections, redirections = self.redirections + 1, redirections + 1
			if redirections > MOST_REDIRECTIONS then
				too_many(self, err)
			elseif redirections > PATIENT_REDIRECTIONS then
				pause(self, until_then, pauses, err)
				pauses = pauses + 1
			end
			node, asking = self:node(address), what == "ask"
			db = node.db
		else
			pause(self, until_then, pauses, err)
			pauses = pauses + 1
			node, db = self:choose(spec.rule, slot)
		end
		if node then
			local left = until_then - now()
			if left <= 0 then
				self:raise(err)
			end
			db = retry.within(db, left, spec.rule)
			if self.lane and slot then
				self.lane(db, slot)
			end
			local ok, reply
			if asking then
				ok, reply = pcall(ask, db, spec, ...)
			else
				ok, reply = pcall(spec.method, db, ...)
			end
			if ok then
				retry.done(self, spec, slot, node, asking)
				return reply, node
			end
			err = reply
		end
	end
end

return retry
