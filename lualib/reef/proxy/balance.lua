-- Several instances of a stateless service behind one address; dead ones are replaced.
--
--     local balance = require "reef.proxy.balance"
--     local workers = balance.new("worker", { n = 4, window = 16 })
--     skynet.call(workers, "lua", "render", page)      -- goes to whichever has least to do
--
-- See docs/proxies.md.
local backoff = require "reef.backoff"
local checks = require "reef.options"
local relay = require "reef.proxy.relay"
local skynet = require "skynet"
require "reef.manager"

local FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5 -- seconds between launches that fail

-- What the engine says about messages that a service has not begun with.
local NOT_STARTED = "service ended before it handled the request"

local balance = {}

---@class reef.proxy.balance.options
---@field n integer|nil       instances; 4
---@field window integer|nil  requests that an instance may have at a time; the others wait here; 16
---@field queue integer|nil   requests that may wait here; 10000
---@field args table|nil      arguments of newservice

local KNOWN <const> = { n = true, window = true, queue = true, args = true }

local function check(options, old)
	return {
		n = relay.number("balance", options, "n", old and old.n or 4, 1),
		window = relay.number("balance", options, "window", old and old.window or 16, 1),
		queue = relay.number("balance", options, "queue", old and old.queue or 10000, 0),
	}
end

---Raises when the instances cannot be started.
---@param name string  of the service, as for newservice
---@param options reef.proxy.balance.options|nil
---@return integer address
function balance.new(name, options)
	checks.check("reef.proxy.balance", options, KNOWN)
	local conf = check(options or {})
	conf.name, conf.args = name, options and options.args or {}
	return relay.start("balance", conf)
end

---Changes some of the options of a running proxy. Instances that are too many end when they have nothing to do.
---@param address integer
---@param options reef.proxy.balance.options
function balance.set(address, options)
	checks.check("reef.proxy.balance", options, KNOWN)
	check(options)
	relay.set(address, options)
end

---The service's side.
---@param options table
---@return reef.proxy.handlers
function balance.run(options)
	local conf = check(options)
	local instances = {} -- {address=, running=, retiring=}
	local queue = { head = 1, tail = 0 }
	local again = {} -- entries that go before the queue
	local stat = { requests = 0, started = 0, replaced = 0, repeated = 0, refused = 0 }
	local at = 0
	local resize

	local function remove(instance)
		for i, other in ipairs(instances) do
			if other == instance then
				return table.remove(instances, i)
			end
		end
	end

	-- The least busy; of several equally busy ones, each in turn.
	local function choose()
		local best
		for i = 1, #instances do
			local instance = instances[(at + i - 1) % #instances + 1]
			if not instance.retiring and instance.running < conf.window and (not best or instance.running < best.running)
			then
				best = instance
			end
		end
		at = at + 1
		return best
	end

	local function next_entry()
		if again[1] then
			return table.remove(again, 1)
		elseif queue.head <= queue.tail then
			local entry = queue[queue.head]
			queue[queue.head] = nil
			queue.head = queue.head + 1
			return entry
		end
	end

	local function advance()
		while again[1] or queue.head <= queue.tail do
			local instance = choose()
			if not instance then
				return
			end
			local entry = next_entry()
			if entry.over then -- luacheck: ignore 542
			elseif relay.forward(entry, instance.address) then
				entry.instance = instance
				instance.running = instance.running + (entry.session == 0 and 0 or 1)
			else
				-- It is dead, and we are about to hear so.
				table.insert(again, 1, entry)
				instance.retiring = true
			end
		end
	end

	local function launch()
		local address = skynet.newservice(options.name, table.unpack(options.args))
		if not address then
			error(options.name .. " exited while it started", 0)
		end
		local instance = { address = address, running = 0 }
		stat.started = stat.started + 1
		table.insert(instances, instance)
		skynet.fork(function()
			-- Answered by nobody but its end.
			pcall(skynet.call, address, "debug", "LINK")
			if remove(instance) and not instance.dismissed then
				stat.replaced = stat.replaced + 1
				skynet.error(("%s :%08x has ended, it is replaced"):format(options.name, address))
			end
			resize()
		end)
	end

	local resizing = false
	function resize()
		if resizing then
			return
		end
		resizing = true
		local failures = 0
		while #instances < conf.n do
			local ok, err = pcall(launch)
			if ok then
				failures = 0
				advance()
			else
				skynet.error(("cannot start %s: %s"):format(options.name, err))
				failures = failures + 1
				skynet.sleep(math.ceil(backoff(failures, FIRST_PAUSE, LONGEST_PAUSE) * 100))
			end
		end
		resizing = false
		for i = #instances, 1, -1 do
			local instance = instances[i]
			if i > conf.n and not instance.retiring then
				instance.retiring, instance.dismissed = true, true
			end
			if instance.dismissed and instance.running == 0 then
				table.remove(instances, i)
				skynet.kill(instance.address)
			end
		end
	end

	local function kill_all()
		for _, instance in ipairs(instances) do
			skynet.kill(instance.address)
		end
	end

	for _ = 1, conf.n do
		local ok, err = pcall(launch)
		if not ok then
			kill_all()
			error(err, 0)
		end
	end

	return {
		request = function(entry)
			stat.requests = stat.requests + 1
			if queue.tail - queue.head + 1 >= conf.queue and not choose() then
				stat.refused = stat.refused + 1
				return relay.refuse(entry, ("overload: %d requests wait for %d instances of %s (not sent)"):format(
					queue.tail - queue.head + 1, #instances, options.name))
			end
			queue.tail = queue.tail + 1
			queue[queue.tail] = entry
			advance()
		end,
		reply = function(entry, failure)
			local instance = entry.instance
			instance.running = instance.running - 1
			local kept = failure == NOT_STARTED and not entry.over
			if kept then
				instance.retiring = true
				stat.repeated = stat.repeated + 1
				table.insert(again, entry)
			end
			advance()
			if instance.dismissed and instance.running == 0 then
				skynet.fork(resize)
			end
			return kept
		end,
		gone = function(source)
			for i = queue.head, queue.tail do
				queue[i].over = queue[i].over or queue[i].source == source
			end
			for _, entry in ipairs(again) do
				entry.over = entry.over or entry.source == source
			end
		end,
		ended = function()
			for i = queue.head, queue.tail do
				relay.refuse(queue[i], "the proxy was ended (not sent)")
			end
			for _, entry in ipairs(again) do
				relay.refuse(entry, "the proxy was ended (not sent)")
			end
			kill_all()
		end,
		info = function()
			stat.instances, stat.queued, stat.running = {}, queue.tail - queue.head + 1 + #again, 0
			for i, instance in ipairs(instances) do
				stat.instances[i] = instance.address
				stat.running = stat.running + instance.running
			end
			return stat
		end,
		set = function(new)
			conf = check(new, conf)
			skynet.fork(resize)
			advance()
		end,
	}
end

return balance
