-- Where services spend their CPU time, and where they allocate. Times are in seconds; see docs/profile.md.
--
--     local profile = require "reef.profile"
--     local result = profile.take { service = address, seconds = 10 }
--     io.open("profile.svg", "w"):write(result:svg()):close()
--
-- Seconds are of the wall clock, values are nanoseconds of CPU time or bytes. While nothing is profiled it costs
-- nothing.
local options = require "reef.options"
local result = require "reef.profile.result"
local sampler = require "reef.profile.sampler"
local services = require "reef.services"
local skynet = require "skynet"

local profile = {}

---@class reef.profile.options
---@field service integer|string|nil  address; a shell pattern of services' names ("agent*"); nil: the whole process
---@field kind "cpu"|"bytes"|nil      default "cpu"
---@field hz integer|nil              samples a second of CPU time, 1 to 1000; default 99
---@field every integer|nil           bytes from one sample to the next; default 65536
---@field lines boolean|nil           functions with the line that they are in, not that where they begin
local known = { service = true, kind = true, hz = true, every = true, lines = true }
local known_taken = { service = true, kind = true, hz = true, every = true, lines = true, seconds = true }

local HZ <const>, EVERY <const> = 99, 65536
local LONGEST <const> = 3600 -- seconds

---@class reef.profile.running
---@field package sampler userdata
---@field package options reef.profile.options
---@field package began integer  ns
local running = {}
running.__index = running

local named = false

-- Functions of C have the names by which everybody finds them. They are the same in all services.
local function name_functions()
	if named then
		return
	end
	named = true
	for module, content in pairs(package.loaded) do
		if type(content) == "table" then
			for name, value in next, content do
				if type(value) == "function" and type(name) == "string" then
					sampler.name(value, module == "_G" and name or module .. "." .. name)
				end
			end
		end
	end
	for name, value in pairs(skynet) do
		if type(value) == "function" then
			sampler.name(value, "skynet." .. name)
		end
	end
end

local function number(given, name, low, high, default)
	local value = given[name]
	if value == nil then
		return default
	end
	local whole = math.tointeger(value)
	if type(value) ~= "number" or not whole or whole < low or whole > high then
		error(("profile: %s has to be an integer from %d to %d, not %s"):format(name, low, high, tostring(value)), 0)
	end
	return whole
end

---@return table for the sampler
local function translate(given)
	local service = given.service
	if type(service) == "string" then
		local hex = service:match "^:(%x+)$"
		service = hex and tonumber(hex, 16) or service:find "^%." and skynet.localname(service) or service
		if type(service) == "string" and service:find "^%." then
			error(("profile: there is no service %s"):format(service), 0)
		end
	end
	if service ~= nil and type(service) ~= "string" and math.type(service) ~= "integer" then
		error(("profile: service is an address or a pattern of names, not a %s"):format(type(service)), 0)
	elseif math.type(service) == "integer" and not services.alive(service) then
		error(("profile: there is no service %s"):format(skynet.address(service)), 0)
	end
	local kind = given.kind or "cpu"
	if kind ~= "cpu" and kind ~= "bytes" then
		error(('profile: kind is "cpu" or "bytes", not %s'):format(tostring(kind)), 0)
	end
	return {
		kind = kind == "bytes" and 1 or 0,
		service = math.type(service) == "integer" and service or nil,
		pattern = type(service) == "string" and service or nil,
		lines = given.lines and true or nil,
		hz = number(given, "hz", 1, 1000, HZ),
		every = number(given, "every", 64, 1 << 30, EVERY),
	}
end

-- Whose allocations are looked at: services that are there now.
local function members(wanted)
	if wanted.service then
		return { wanted.service }
	end
	local addresses, descriptions = services.snapshot()
	local list = {}
	for i, address in ipairs(addresses) do
		if descriptions[i]:find "^snlua " and sampler.fits(address, wanted.pattern or "*") then
			list[#list + 1] = address
		end
	end
	return list
end

local function ask_for_bytes(wanted, every)
	for _, address in ipairs(members(wanted)) do
		if address == skynet.self() then
			if every then
				sampler.watch(every)
			else
				sampler.unwatch()
			end
		else
			skynet.send(address, "debug", "ALLOCATIONS", every)
		end
	end
end

---Begins a profile, which goes on until it is stopped, collected, or this service ends.
---@param given reef.profile.options|nil
---@return reef.profile.running
function profile.start(given)
	options.check("profile", given, known)
	local wanted = translate(given or {})
	name_functions()
	local object, why = sampler.start(wanted)
	if not object then
		error("profile: " .. why, 0)
	end
	if wanted.kind == 1 then
		ask_for_bytes(wanted, wanted.every)
	end
	return setmetatable({ sampler = object, options = wanted, began = skynet.hpc() }, running)
end

---How many samples there are so far.
---@return integer
function running:count()
	return self.sampler:count()
end

---Ends it.
---@return reef.profile.result
function running:stop()
	self.sampler:stop()
	local wanted = self.options
	local by_bytes = wanted.kind == 1
	local seconds, samples, stacks = (skynet.hpc() - self.began) / 1e9, self.sampler:count(), self.sampler:stacks()
	self.sampler:free()
	if by_bytes then
		ask_for_bytes(wanted)
	end
	return result.new {
		kind = by_bytes and "bytes" or "cpu",
		unit = by_bytes and "bytes" or "nanoseconds",
		period = by_bytes and wanted.every or 1000000000 // wanted.hz,
		seconds = seconds,
		samples = samples,
		stacks = stacks,
	}
end

---Profiles for some time, while the calling coroutine waits.
---@param given table|nil  as for start, and `seconds` (default 10, at most 3600)
---@return reef.profile.result
function profile.take(given)
	options.check("profile", given, known_taken)
	given = given or {}
	local seconds = given.seconds or 10
	if type(seconds) ~= "number" or not (seconds > 0 and seconds <= LONGEST) then
		error(("profile: seconds has to be a number up to %d, not %s"):format(LONGEST, tostring(seconds)))
	end
	local own = {}
	for name in pairs(known) do
		own[name] = given[name]
	end
	local taken = profile.start(own)
	skynet.sleep(math.ceil(seconds * 100))
	return taken:stop()
end

---@class reef.profile.heap
---@field complete boolean  false: there was more, or too little time
---@field types table<string, {count: integer, bytes: integer}>  by type: "table", "string", "proto" (code) ...
---@field paths string[]    what most memory hangs on: the largest first
---@field bytes integer[]   of each path
---@field parents integer[] the path that it is part of, 0: that is not in the list

local known_of_heap = { seconds = true, objects = true, paths = true, least = true }

---What is in a service's memory, and by which way it is reached. The service goes on meanwhile, in pieces of some
---milliseconds, but collects no garbage; one with a limit to its memory stands still. What all services share is left
---out.
---@param address integer|string  address or name
---@param given {seconds: number|nil, objects: integer|nil, paths: integer|nil, least: integer|nil}|nil  seconds that
---it may take (10), objects that are looked into (5000000), paths that come back (1000), and the fewest bytes of one
---(1024)
---@return reef.profile.heap
function profile.heap(address, given)
	options.check("profile.heap", given, known_of_heap)
	options.numbers("profile.heap", given, { seconds = 0.0, objects = 1, paths = 1, least = 1 })
	given = given or {}
	return skynet.call(address, "debug", "HEAP", {
		seconds = given.seconds or 10,
		objects = math.tointeger(given.objects or 5000000),
		paths = math.tointeger(given.paths or 1000),
		least = math.tointeger(given.least or 1024),
		slice = 3000000,
	})
end

---What grew between two moments.
---@param before reef.profile.heap
---@param after reef.profile.heap
---@return reef.profile.growth
function profile.diff(before, after)
	return require("reef.profile.growth").between(before, after)
end

return profile
