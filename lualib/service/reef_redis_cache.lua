-- Fills the caches of reef.redis.cache: one connection for each, on which the server also tells what has changed.
local backoff = require "reef.backoff"
local core = require "reef.redis.core"
local link = require "reef.redis.link"
local now = require "reef.base.now"
local process = require "reef.process"
local skynet = require "skynet"
local store = require "reef.redis.cache.core"

local FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2

---@class redis.cache.one
---@field number integer
---@field handle userdata
---@field on boolean         the server tells of changes
---@field flights table<string, table>  keys that are being asked for
local by_key, by_number = {}, {}
local command = {}

local function sleep(seconds)
	skynet.sleep(math.max(1, math.ceil(seconds * 100)))
end

-- The server's word. It may come between a value and the time that the value has to live, so what was asked for before
-- it is not kept. No waiting in here: what comes next on the connection may be a value.
local function told(one, message)
	if message[1] ~= "invalidate" then
		return
	elseif type(message[2]) ~= "table" then
		one.handle:flush()
		return
	end
	for _, key in ipairs(message[2]) do
		one.handle:drop(key)
	end
end

local function tracking_command(one)
	local list = { "CLIENT", "TRACKING", "ON" }
	if one.wants.prefixes then
		list[4] = "BCAST"
		for _, prefix in ipairs(one.wants.prefixes) do
			table.insert(list, "PREFIX")
			table.insert(list, prefix)
		end
	end
	return list
end

-- A link on which tracking is on; nil and why.
local function connect(one)
	local fresh = link.new(one.conf, { quiet = one.told })
	local err = fresh:attempt()
	if err then
		return nil, tostring(err)
	elseif fresh.resp ~= 3 then
		fresh:close "it does not speak RESP3"
		return nil, "the server does not speak RESP3"
	end
	fresh.connection:stream(false)
	local db = { core.handle(fresh.connection, one.conf.connect_timeout, false, false, nil, function()
		error(fresh:lost(), 0)
	end) }
	local ok, why = pcall(core.pipeline, db, { tracking_command(one) })
	if not ok then
		fresh:close "tracking is not to be had"
		return nil, tostring(why)
	end
	return fresh, db
end

-- A link that is dead says nothing by itself.
local function beat(one, fresh, db)
	local ping = core.command "PING"
	while fresh.connection:state() == "open" do
		sleep(one.wants.heartbeat)
		if fresh.connection:state() == "open" and not pcall(ping, db) then
			fresh.connection:close "the server is silent"
		end
	end
end

local function keep(one)
	local failures = 0
	while true do
		local fresh, db = connect(one)
		if fresh then
			failures, one.told = 0, false
			one.handle:flush()
			one.link, one.db, one.on = fresh, db, true
			local beating = { core.handle(fresh.connection, one.wants.heartbeat, false, false, nil, function()
				error(fresh:lost(), 0)
			end) }
			skynet.fork(beat, one, fresh, beating)
			while true do
				local ok, message = pcall(fresh.connection.message, fresh.connection, 0)
				if not ok or message == nil then
					break
				elseif type(message) == "table" then
					told(one, message)
				end
			end
			one.on, one.losses = false, one.losses + 1
			one.handle:flush()
			fresh:close "tracking has ended"
			skynet.error(("redis cache of %s: the connection was lost, all values are forgotten"):format(one.conf.where))
		else
			failures = failures + 1
			if not one.told then
				one.told = true
				skynet.error(("redis cache of %s: nothing is kept, since %s"):format(one.conf.where, db))
			end
		end
		sleep(backoff(failures + 1, FIRST_PAUSE, LONGEST_PAUSE))
	end
end

local function sentinel_of(one)
	local sentinel = require("reef.redis.sentinel").new(one.conf, function()
		if one.link then
			one.link.connection:close "there is another master"
		end
	end)
	one.conf.role = "master"
	one.conf.resolve = function(seconds)
		return sentinel:resolve(seconds)
	end
	one.sentinel = sentinel
end

---@return integer number of the cache, string[]|nil prefixes
function command.OPEN(key, conf, wants)
	local one = by_key[key]
	if not one then
		conf.resp, conf.limits, conf.setup = 3, conf.limits or {}, {}
		local number = store.create(wants.bytes)
		one = {
			number = number, handle = store.open(number), conf = conf, wants = wants, on = false, flights = {}, losses = 0,
		}
		by_key[key], by_number[number] = one, one
		if conf.sentinels then
			sentinel_of(one)
		end
		skynet.fork(keep, one)
	end
	return one.number, one.wants.prefixes
end

local function ask(one, key, flight)
	local replies, since = {}, now()
	local ok = pcall(core.pipeline, one.db, { { "GET", key }, { "PTTL", key } }, replies)
	local value, left = replies[1], replies[2]
	flight.ok = ok and value.ok and left.ok
	flight.value = flight.ok and value.out or nil
	if not flight.ok or not one.on or flight.link ~= one.link then
		return
	end
	local seconds = one.wants.ttl
	if left.out >= 0 then
		-- It expires so long after the server was asked, at the earliest.
		local expires = left.out / 1000 - (now() - since)
		if expires <= 0 then
			return
		end
		seconds = seconds > 0 and math.min(seconds, expires) or expires
	end
	one.handle:put(key, flight.value, seconds, flight.generation)
end

---Asks once for all who want the same at the same time. false: nothing is kept at the moment, or there was an error.
---@return boolean, string|nil value
function command.GET(number, key)
	local one = by_number[number]
	if not one or not one.on then
		return false
	end
	local generation = one.handle:generation(key)
	local flight = one.flights[key]
	-- What was asked before something was written may be from before it was.
	if flight and flight.generation == generation then
		local token = {}
		table.insert(flight.waiting, token)
		skynet.wait(token)
		return flight.ok, flight.value
	end
	flight = { generation = generation, link = one.link, waiting = {} }
	one.flights[key] = flight
	local _ <close> = setmetatable({}, { __close = function()
		if one.flights[key] == flight then
			one.flights[key] = nil
		end
		for _, token in ipairs(flight.waiting) do
			skynet.wakeup(token)
		end
	end })
	ask(one, key, flight)
	return flight.ok or false, flight.value
end

function command.STAT(number)
	local one = by_number[number]
	return one and one.on or false, one and one.losses or 0
end

skynet.start(function()
	process.daemon()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
