-- Fills the caches of reef.redis.cache: values come on connections on which the servers also tell what has changed.
local nodes = require "reef.redis.cache.nodes"
local process = require "reef.process"
local server = require "reef.redis.cache.server"
local skynet = require "skynet"
local store = require "reef.redis.cache.core"

---@class redis.cache.one
---@field number integer
---@field handle userdata
---@field from redis.cache.nodes|redis.cache.server
---@field flights table<string, table>  keys that are being asked for
local by_key, by_number = {}, {}
local command = {}

---@return integer number of the cache, string[]|nil prefixes
function command.OPEN(key, conf, wants)
	local one = by_key[key]
	if not one then
		local number = store.create(wants.bytes)
		one = { number = number, handle = store.open(number), wants = wants, flights = {} }
		by_key[key], by_number[number] = one, one
		one.from = (conf.kind == "cluster" and nodes or server).new(conf, wants, one.handle)
	end
	return one.number, one.wants.prefixes
end

local function fly(one, from, key, flight, slot, address)
	local _ <close> = setmetatable({}, { __close = function()
		flight.over = true
		if one.flights[key] == flight then
			one.flights[key] = nil
		end
		for _, token in ipairs(flight.waiting) do
			skynet.wakeup(token)
		end
	end })
	local why
	flight.ok, flight.value, why = from:ask(key, slot, flight.generation)
	if why then
		one.from:refused(address, tostring(why))
	end
end

---Asks once for all who want the same at the same time. false: nothing is kept at the moment, there was an error, or no
---answer in time.
---@param number integer
---@param key string
---@param seconds number  that the caller can wait; 0: as long as it takes
---@return boolean, string|nil value
function command.GET(number, key, seconds)
	local one = by_number[number]
	local from, slot, address
	if one then
		from, slot, address = one.from:place(key)
	end
	if not from or not from.on then
		return false
	end
	-- It may have come since the caller has looked.
	local there, value = one.handle:peek(key)
	if there then
		return true, value
	end
	local generation = one.handle:generation(key)
	local flight = one.flights[key]
	if not flight or flight.generation ~= generation then
		flight = { generation = generation, waiting = {} }
		one.flights[key] = flight
		skynet.fork(fly, one, from, key, flight, slot, address)
	end
	local token = {}
	table.insert(flight.waiting, token)
	if seconds > 0 then
		skynet.sleep(math.max(1, math.ceil(seconds * 100)), token)
	else
		skynet.wait(token)
	end
	return flight.over and flight.ok or false, flight.value
end

---A write was acknowledged by that node, which is not the one that the slot was read from.
function command.FENCE(number, slot, address)
	local one = by_number[number]
	if one then
		one.from:fence(slot, address)
	end
end

function command.STAT(number)
	local one = by_number[number]
	if one then
		return one.from:stat()
	end
	return false, 0
end

skynet.start(function()
	process.daemon()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
