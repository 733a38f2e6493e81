-- Connections that the server calls useless, and better ones: see docs/redis.md, "When a server changes its mind".
--
-- A replica answers READONLY or MASTERDOWN for as long as one stays with it, though the name that was connected to
-- may lead to another server by now. So an error of that kind makes us connect once more, besides. If that leads
-- somewhere better, new requests go there, and those on their way are finished where they are. If not, all stays as it
-- is, and the next such error may try again after a pause; the pauses double up to two seconds.
local backoff = require "reef.backoff"
local core = require "reef.redis.core"
local now = require "reef.base.now"
local skynet = require "skynet"
local useless = require "reef.redis.useless"

local FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2
local SWITCH_TRIES = 60
local GRACE = 1      -- seconds for what is on its way to a server that is a master no more
local FORGIVEN = 10  -- seconds without such an error after which pauses are short again

local renewal = {}

local role = core.command "ROLE"

-- How long until the next attempt.
---@param state table  of the caller's; renewal's own
---@return number seconds
function renewal.pause(state)
	local time = now()
	if time - (state.last or -math.huge) > FORGIVEN then
		state.tries = 0
	end
	local wait = state.tries == 0 and 0 or backoff(state.tries, FIRST_PAUSE, LONGEST_PAUSE)
	state.tries, state.last = state.tries + 1, time + wait
	return wait
end

local function sleep(seconds)
	skynet.sleep(math.max(1, math.ceil(seconds * 100)))
end

local function finish(old, seconds)
	local left = seconds > 0 and seconds or math.huge
	while old.connection:info().in_flight > 0 and left > 0 do
		sleep(0.1)
		left = left - 0.1
	end
	old:close "a better connection has taken its place"
end

local function look(client, code, grace)
	local conf, old, lender = client.conf, client.link, client.own.lender
	local generation = lender.generation
	local fresh = client.new_link()
	local err = fresh:attempt()
	if not err and useless[code] == "master" then
		local ok, reply = pcall(role, { core.handle(fresh.connection, conf.connect_timeout, false, false, nil, nil) })
		err = ok and type(reply) == "table" and reply[1] ~= "master"
	end
	if err or old.closed or client.link ~= old or lender.generation ~= generation then
		fresh:close()
		return
	end
	client.link = fresh
	fresh.connection:bound(client.own.bindings)
	lender:forget()
	if old.connection:state() ~= "open" then
		-- It was lost meanwhile, and whoever waits for it to come back need not.
		old:close "a better connection has taken its place"
		return
	end
	old.connection:retire()
	skynet.fork(finish, old, grace or conf.timeout)
end

---There is another master: the one that we have is left at once. What is on its way there has a second to be answered.
---@param client table  {conf=, link=, own=, new_link=}
---@param where string  the new master's address
function renewal.switch(client, where)
	client.master = where
	if client.switching then
		return
	end
	client.switching = true
	skynet.fork(function()
		local _ <close> = setmetatable({}, { __close = function()
			client.switching = nil
		end })
		for try = 1, SWITCH_TRIES do
			local old = client.link
			-- One that is lost asks by itself where to go.
			if old.connection:state() ~= "open" or old.at == client.master then
				return
			end
			look(client, "READONLY", GRACE)
			if client.link ~= old then
				return
			end
			sleep(backoff(try, 0.05, 0.5))
		end
	end)
end

---The server has answered with such an error.
---@param client table  {conf=, link=, own=, new_link=}
---@param code string
function renewal.begin(client, code)
	if client.renewing or not useless[code] then
		return
	end
	client.renewing = true
	client.renewal = client.renewal or {}
	skynet.fork(function()
		local _ <close> = setmetatable({}, { __close = function()
			client.renewing = nil
		end })
		local wait = renewal.pause(client.renewal)
		if wait > 0 then
			sleep(wait)
		end
		-- One that is lost is made anew anyway.
		if client.link.connection:state() == "open" then
			look(client, code)
		end
	end)
end

return renewal
