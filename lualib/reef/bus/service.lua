-- The subscriptions of a process, and the connection to its broker. The service `reef_bus` runs this.
--
-- On the wire a message has 16 bytes before its values: who publishes, and the how manyeth it is of its subject. So who
-- receives sees gaps. Our own messages come to our own subscribers without the broker.

local digest = require "reef.digest"
local losses = require "reef.losses"
local process = require "reef.process"
local serve = require "reef.serve"
local skynet = require "skynet"
local subject = require "reef.bus.subject"
local subscribers = require "reef.subscribers"

local KINDS <const> = { nats = "reef.bus.by_nats", tls = "reef.bus.by_nats", redis = "reef.bus.by_redis",
	rediss = "reef.bus.by_redis" }
local HEADER <const> = 16
local MOST <const> = 65536 -- subjects whose messages are counted; more are forgotten, and counted anew
local TYPE <const> = skynet.PTYPE_HARBOR

local service = {}

---@class reef.bus.entry: reef.subscribers
---@field pattern string
---@field match string|nil
---@field head string
---@field seen table<string, integer> by publisher and subject: the last number
---@field seen_count integer

local exact = {}    ---@type table<string, reef.bus.entry>
local patterns = {} ---@type table<string, reef.bus.entry>
local broker        ---@type table|nil
local where = "none"
local me = digest.random(8)
local numbers, number_count = {}, 0 ---@type table<string, integer>, integer of our own messages, by subject
local count = { published = 0, refused = 0, received = 0, lost = 0 }

local say_lost = losses.new(function(n, about)
	return ("bus: %d messages of other processes are lost, the last of %s"):format(n, about)
end)

-- ---- to our own services ----

local function forget_unused(entry)
	if entry:empty() and (exact[entry.pattern] or patterns[entry.pattern]) == entry then
		exact[entry.pattern], patterns[entry.pattern] = nil, nil
		if broker then
			broker.unsubscribe(entry.pattern)
		end
	end
end

local function deliver(entry, bytes)
	local n = entry:publish(skynet.self(), TYPE, 0, entry.head .. bytes)
	forget_unused(entry)
	return n
end

local function deliver_here(name, bytes)
	local n = 0
	if exact[name] then
		n = deliver(exact[name], bytes)
	end
	for _, entry in pairs(patterns) do
		if name:find(entry.match) then
			n = n + deliver(entry, bytes)
		end
	end
	return n
end

-- ---- from the broker ----

local function note(entry, name, origin, number)
	local key = origin .. name
	local before = entry.seen[key]
	if not before then
		entry.seen_count = entry.seen_count + 1
		if entry.seen_count > MOST then
			entry.seen, entry.seen_count = {}, 1
		end
	elseif number > before + 1 then
		local missed = number - before - 1
		count.lost = count.lost + missed
		say_lost(name, missed)
		deliver(entry, skynet.packstring(false, name, missed))
	end
	entry.seen[key] = number
end

---A message has come, for what was subscribed to with that pattern.
local function received(pattern, name, text)
	local entry = exact[pattern] or patterns[pattern]
	if #text < HEADER or text:sub(1, 8) == me or not entry or entry.match and not name:find(entry.match) then
		return
	end
	count.received = count.received + 1
	note(entry, name, text:sub(1, 8), string.unpack(">I8", text, 9))
	deliver(entry, text:sub(HEADER + 1))
end

-- ---- commands ----

local command = {}

function command.SUBSCRIBE(source, pattern)
	local is_pattern = subject.is_pattern(pattern)
	local list = is_pattern and patterns or exact
	local entry = list[pattern]
	if not entry then
		entry = subscribers.new()
		entry.pattern, entry.match = pattern, is_pattern and subject.matcher(pattern) or nil
		entry.head, entry.seen, entry.seen_count = skynet.packstring(pattern), {}, 0
		list[pattern] = entry
		-- Before anything is waited for: a message that finds nobody would have it forgotten.
		entry:add(source)
		if broker then
			broker.subscribe(pattern)
		end
	end
	entry:add(source)
	if broker then
		local ok, why = broker.flush(5)
		return not ok and ("%s is away: %s"):format(where, why) or nil
	end
end

function command.UNSUBSCRIBE(source, pattern)
	local entry = exact[pattern] or patterns[pattern]
	if entry then
		entry:remove(source)
		forget_unused(entry)
	end
end

local function next_number(name)
	local number = numbers[name]
	if not number then
		number_count = number_count + 1
		if number_count > MOST then
			-- Who has counted on sees numbers that begin anew, and takes them for no gap.
			me, numbers, number_count = digest.random(8), {}, 1
		end
	end
	number = (number or 0) + 1
	numbers[name] = number
	return number
end

local function failure(name, why, outcome)
	count.refused = count.refused + 1
	return { code = "closed", outcome = outcome, host = where, command = "publish " .. name, why = why }
end

function command.PUBLISH(_, name, bytes)
	count.published = count.published + 1
	local number = broker and next_number(name)
	local here = deliver_here(name, bytes)
	if not broker then
		return here
	end
	local ok, why, outcome = broker.publish(name, me .. string.pack(">I8", number), bytes)
	return ok and here or failure(name, why, outcome)
end

function command.FLUSH(_, seconds)
	if broker then
		local ok, why = broker.flush(seconds)
		return ok or failure("flush", why, "maybe applied")
	end
	return true
end

function command.STATUS()
	local subscriptions = 0
	for _, list in ipairs { exact, patterns } do
		for _, entry in pairs(list) do
			subscriptions = subscriptions + #entry.list
		end
	end
	return { broker = where, connected = broker ~= nil and broker.connected(), subscriptions = subscriptions,
		published = count.published, refused = count.refused, received = count.received, lost = count.lost }
end

local function connect(url)
	local kind = url:match "^(%a+)://"
	if not KINDS[kind] then
		error("bus: the key has to begin with nats://, tls://, redis:// or rediss://", 0)
	end
	where = require("reef.text").redacted(url)
	broker = require(KINDS[kind])
	broker.start(url, {
		received = received,
		prefix = skynet.getenv "bus_prefix" or "reef.",
		tls = { ca_file = skynet.getenv "bus_ca_file", cert_file = skynet.getenv "bus_cert_file",
			key_file = skynet.getenv "bus_key_file" },
		patterns = function()
			local all = {}
			for _, list in ipairs { exact, patterns } do
				for pattern in pairs(list) do
					all[#all + 1] = pattern
				end
			end
			return all
		end,
	})
end

function service.run()
	serve("bus", command)
	skynet.info_func(command.STATUS)
	skynet.start(function()
		process.daemon()
		local url = skynet.getenv "bus"
		if url then
			connect(url)
		end
	end)
end

return service
