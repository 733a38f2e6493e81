-- The Lua half of a pool's service: who connects, and when; health, age and size; the end. Requests never come here.
--
-- Each shared connection has a keeper, a coroutine that connects, logs in, waits until the connection is lost, and does
-- so again, after pauses that double up to two seconds while it fails. When no connection is left and the next attempt
-- has failed, the pool is *down*: requests fail at once until some keeper succeeds. Pinned connections come as they are
-- wanted and end when they are lost or have been idle.
local backoff = require "reef.backoff"
local now = require "reef.base.now"
local core = require "reef.pool.core"
local options = require "reef.pool.options"
local outage = require "reef.outage"
local process = require "reef.process"
local renewal = require "reef.redis.renewal"
local shutdown = require "reef.shutdown"
local skynet = require "skynet"
local redacted = require("reef.text").redacted
require "reef.manager"

local FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2
local CHECK_TIMEOUT = 5

local service = {}

local server       -- how to log in, by protocol: reef.pool.server.<kind>
local label, target, conf
local away ---@type reef.outage
local pool         -- the C half
local slots = {}   -- shared: {number=, retired=, asleep=}
local pinned = 0
local down_since -- when it was noticed that no connection is left; nil: there is one
local reconnects = 0 -- shared connections that were made anew after one was lost
local draining -- token of whoever waits until nothing is left to be done

local function sleep(seconds, token)
	skynet.sleep(math.max(1, math.ceil(seconds * 100)), token)
end

local function settings()
	local list = { tombstones = server.tombstones or 128, limit = server.limit or 512 << 20 }
	for name, value in pairs(target.limits or {}) do
		list[name == "reply" and "limit" or name] = value
	end
	for _, name in ipairs {
		"window", "queue", "queue_bytes", "unsent", "queue_timeout", "stall", "slow", "routing",
	} do
		list[name] = conf[name]
	end
	return list
end

-- ---- connecting ----

-- Connects and logs in; nil, or the code and text of what went wrong. `then_ask(ask)` may say so as well.
local function reach(n, then_ask)
	local since = now()
	local host, port = target.host, target.port
	local tls_target, ok, why
	if server.resolve then
		host, port = server.resolve(target, conf.connect_timeout)
	end
	if host and target.tls then
		tls_target, why = require "reef.tls".target(target.tls, host, port)
	elseif not host then
		why = port
	end
	if host and (tls_target or not target.tls) then
		ok, why = pool:connect(n, host, port, conf.connect_timeout, tls_target)
	end
	if not ok then
		return "connect", why
	end
	-- One deadline for both: a server that accepts but never answers must not hold us either.
	local function ask(bytes)
		return pool:ask(n, bytes, math.max(conf.connect_timeout - (now() - since), 0.001))
	end
	local code
	code, why = server.login(ask, target)
	if not code and then_ask then
		code, why = then_ask(ask)
	end
	if code then
		pool:close(n, "the login failed")
		why = redacted(why or "the connection was lost") -- a server may repeat what it was sent
	elseif not then_ask and server.arrived then
		server.arrived(host, port)
	end
	return code, why
end

-- The same, for use.
local function attempt(n)
	local code, why = reach(n)
	if not code and not pool:open(n) then
		code, why = "connect", "the connection was lost at once"
		pool:close(n, "the login failed")
	end
	return code, why
end

local complained = -math.huge

-- What befalls all connections at the same time is said once.
local function complain(format, ...)
	if now() - complained > 1 then
		complained = now()
		skynet.error(label .. ": " .. format:format(...))
		away:begins()
	end
end

local function any_open()
	for _, slot in ipairs(slots) do
		if slot.number then
			return true
		end
	end
end

local function retire(slot)
	for i, other in ipairs(slots) do
		if other == slot then
			table.remove(slots, i)
			break
		end
	end
	slot.retired = true
	if slot.asleep then
		skynet.wakeup(slot.asleep)
	elseif slot.number then
		pool:retire(slot.number)
	end
end

local function succeeded(slot)
	down_since = nil
	away:ends()
	-- Nobody else has to wait for the end of his pause now.
	for _, other in ipairs(slots) do
		if other ~= slot and other.asleep then
			skynet.wakeup(other.asleep)
		end
	end
end

-- Where another master is to be expected, requests may wait for it as long as they may wait for room.
local function has_waited()
	down_since = down_since or now()
	return not server.patient or now() - down_since >= conf.queue_timeout
end

local function failed(slot, code, why)
	slot.failures = slot.failures + 1
	if slot.failures == 1 then
		complain("%s", why)
	end
	if not any_open() and not has_waited() then
		pool:why(why)
	elseif not any_open() then
		pool:down(code, why)
		if server.on_demand then
			-- Those who waited know it now. Whoever comes next makes us try again.
			pool:down()
		end
	end
	slot.tried()
	if server.on_demand and #slots > conf.min then
		retire(slot)
		pool:poke()
		return
	end
	slot.asleep = {}
	sleep(backoff(slot.failures, FIRST_PAUSE, LONGEST_PAUSE), slot.asleep)
	slot.asleep = nil
end

local function keep(slot)
	while not slot.retired do
		local n = pool:new(false)
		local code, why = attempt(n)
		if slot.retired then
			pool:retire(n)
		end
		if code then
			pool:remove(n)
			failed(slot, code, why)
		else
			slot.number, slot.failures = n, 0
			reconnects = reconnects + (slot.lost and 1 or 0)
			slot.lost = false
			slot.tried()
			succeeded(slot)
			pool:poke()
			local _, lost = pool:lost(n)
			slot.number = nil
			if not slot.retired and not slot.replaced then
				slot.lost = true
				complain("a connection was lost: %s", lost)
			end
			slot.replaced = nil
			pool:remove(n)
			if server.on_demand and #slots > conf.min then
				retire(slot)
			end
			pool:poke()
		end
	end
end

---Adds a shared connection.
---@param tried fun()|nil  called after its first attempt
local function add_slot(tried)
	local slot = { failures = 0 }
	slot.tried = function()
		slot.tried = function() end
		if tried then
			tried()
		end
	end
	table.insert(slots, slot)
	skynet.fork(keep, slot)
end

local function keep_pinned()
	local n = pool:new(true)
	local code, why = attempt(n)
	if code then
		skynet.error(("%s: no connection for a transaction: %s"):format(label, why))
		sleep(FIRST_PAUSE * 4)
	else
		pool:lost(n)
	end
	pool:remove(n)
	pinned = pinned - 1
	pool:poke()
end

-- ---- what is wanted ----

local function watch()
	while true do
		local wanted, queued = pool:wanted()
		-- Those on their way are for those who want one already.
		for _ = 1, math.min(wanted - service.coming(), conf.pinned - pinned) do
			pinned = pinned + 1
			skynet.fork(keep_pinned)
		end
		local connecting, asleep = 0, false
		for _, slot in ipairs(slots) do
			if queued > 0 and slot.asleep and server.on_demand then
				skynet.wakeup(slot.asleep)
			end
			connecting = connecting + (slot.number and 0 or 1)
			asleep = asleep or slot.asleep ~= nil
		end
		while connecting < queued and connecting < conf.connecting and #slots < conf.size do
			add_slot()
			connecting = connecting + 1
		end
		local more = #slots < conf.size and connecting < conf.connecting or asleep and server.on_demand
		local events = pool:wait(more, draining)
		if events & 4 ~= 0 and draining then
			skynet.wakeup(draining)
			draining = nil
		end
	end
end

---Pinned connections that are being made.
function service.coming()
	local n = 0
	for _, c in ipairs(pool:stat().connections) do
		if c.pinned and (c.state == "connecting" or c.state == "login") then
			n = n + 1
		end
	end
	return n
end

local function retire_all()
	for i = #slots, 1, -1 do
		retire(slots[i])
	end
	while #slots < conf.min do
		add_slot()
	end
	pool:poke()
end

-- ---- connections that the server calls useless ----

local looking  -- token of the coroutine that looks after all connections
local renewing
local pauses = {}
local stale = 0 -- connections up to this number are not lent again

-- Connections up to that number are not used for anything new.
local function replace_all(last)
	stale = last
	retire_all()
	if looking then
		skynet.wakeup(looking)
	end
end

-- All that there are now.
local function clear()
	local n = pool:new(true)
	pool:close(n, "it was only a number")
	pool:remove(n)
	replace_all(n)
end

-- A caller was told so by the server: is there a better one now where we connect to? See reef.redis.renewal.
local function renew(code)
	sleep(math.max(renewal.pause(pauses), 0.001))
	local n = pool:new(true)
	local failure = reach(n, function(ask)
		return not server.is_better(ask, code) and "connect" or nil
	end)
	pool:close(n, "it was only looked at")
	pool:remove(n)
	if not failure then
		replace_all(n)
	end
end

-- ---- looking after connections ----

local function check(c)
	local reply, why = pool:ask(c.number, server.ping, math.min(CHECK_TIMEOUT, conf.connect_timeout))
	if not reply then
		pool:close(c.number, "the health check failed: " .. why)
	end
end

local function slot_of(number)
	for _, slot in ipairs(slots) do
		if slot.number == number then
			return slot
		end
	end
end

-- Ages are spread, so that connections made together do not all end together.
local function too_old(c)
	return conf.max_age > 0 and c.age > conf.max_age * (0.9 + (c.number * 7 % 10) / 50)
end

local function look_after(c)
	local slot = slot_of(c.number)
	if c.state ~= "open" or c.taken then
		return
	elseif c.pinned and c.number <= stale then
		pool:retire(c.number)
	elseif conf.idle > 0 and c.idle > conf.idle and (c.pinned or slot and #slots > conf.min) then
		if slot then
			retire(slot)
		else
			pool:retire(c.number)
		end
	elseif too_old(c) then
		if slot then
			slot.replaced = true
		end
		pool:retire(c.number)
	elseif conf.check > 0 and c.silent >= conf.check then
		skynet.fork(check, c)
	end
end

local function tick()
	local shortest = math.huge
	for _, name in ipairs { "check", "idle", "max_age" } do
		if conf[name] > 0 then
			shortest = math.min(shortest, conf[name])
		end
	end
	-- Those that are taken are looked at again when they come back.
	return stale > 0 and math.min(shortest, 1) or shortest
end

-- Nothing more is accepted; what was accepted is finished.
local function drain()
	local token = {}
	draining = token
	pool:accept(false)
	pool:poke()
	sleep(conf.drain, token)
	draining = nil
	local stat = pool:stat()
	if stat.in_flight + stat.queued > 0 then
		skynet.error(("%s: %d requests were not answered in time, at the end"):format(label,
			stat.in_flight + stat.queued))
	end
end

local function finish()
	-- Whoever asks for the pool from now on gets another.
	skynet.call(skynet.uniqueservice "reef_pools", "lua", "GONE", skynet.self())
	drain()
	skynet.timeout(0, skynet.exit)
end

-- A pool that makes connections when they are wanted, and that nobody has wanted anything of for a while, ends.
local requests, unused_since = 0, now()
local function is_unused(stat)
	if #slots > 0 or stat.wills > 0 or stat.requests > requests or stat.queued > 0 then
		requests, unused_since = stat.requests, now()
	end
	return server.on_demand and conf.idle > 0 and now() - unused_since > conf.idle
end

local function look_after_all()
	while true do
		local seconds = tick()
		looking = {}
		if seconds == math.huge then
			skynet.wait(looking)
		else
			sleep(math.max(seconds / 2, 0.05), looking)
		end
		local stat = pool:stat()
		local oldest = math.huge
		for _, c in ipairs(stat.connections) do
			look_after(c)
			oldest = c.pinned and math.min(oldest, c.number) or oldest
		end
		stale = oldest <= stale and stale or 0
		if is_unused(stat) then
			finish()
		end
	end
end

-- ---- start, change, end ----

local function set(given)
	conf = options.complete(given, conf)
	pool:set(settings())
	while #slots > conf.size do
		retire(slots[#slots])
	end
	while #slots < conf.min do
		add_slot()
	end
	pool:poke()
	if looking then
		skynet.wakeup(looking)
	end
end

local function start(kind, name, given_target, given)
	server = require("reef.pool.server." .. kind)
	label, target = name, given_target
	away = outage.new(label)
	conf = options.complete(given, nil, server.defaults)
	pool = core.new(kind, settings())
	skynet.fork(watch)
	skynet.fork(look_after_all)
	shutdown.on(drain, 1)
	if server.watch then
		server.watch(target, { clear = clear, gone = finish })
	end
	process.daemon()
	-- Warm-up: whoever opens the pool goes on when its connections are there, or cannot be.
	local left, token = conf.min, {}
	for _ = 1, conf.min do
		add_slot(function()
			left = left - 1
			if left == 0 then
				skynet.wakeup(token)
			end
		end)
	end
	if left > 0 and not target.at_once then
		sleep(conf.connect_timeout, token)
	end
end

local command = {}

function command.START(...)
	start(...)
end

function command.STAT()
	local stat = pool:stat()
	stat.label, stat.options, stat.address, stat.reconnects = label, conf, skynet.self(), reconnects
	return stat
end

-- Where its newest connection leads to, if that may change.
function command.AT()
	return server.at
end

function command.SET(given)
	set(given)
end

function command.USELESS(code)
	if renewing or not server.is_better then
		return
	end
	renewing = true
	local _ <close> = setmetatable({}, { __close = function()
		renewing = false
	end })
	renew(code)
end

function command.CLOSE()
	finish()
end

function service.run()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end

return service
