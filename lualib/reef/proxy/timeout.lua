-- A deadline in front of any service. Times are in seconds.
--
--     local timeout = require "reef.proxy.timeout"
--     local bank = timeout.new(skynet.newservice "bank", 0.5)
--     skynet.call(bank, "lua", "balance", id)      -- raises after half a second
--
-- The service behind may still be at work on what was given up; its late reply is dropped. See docs/proxies.md.
local relay = require "reef.proxy.relay"
local skynet = require "skynet"

local timeout = {}

---@param target integer|string  address or name of the service behind
---@param seconds number
---@return integer address       to be used in its place
function timeout.new(target, seconds)
	relay.number("timeout", { seconds = seconds }, "seconds", nil, 0)
	return relay.start("timeout", { target = target, seconds = seconds })
end

---Changes the deadline of requests to come.
---@param address integer
---@param seconds number
function timeout.set(address, seconds)
	relay.number("timeout", { seconds = seconds }, "seconds", nil, 0)
	relay.set(address, { seconds = seconds })
end

---The service's side.
---@param options table
---@return reef.proxy.handlers
function timeout.run(options)
	local target, seconds = options.target, options.seconds
	local stat = { requests = 0, expired = 0 }
	-- Entries by the hundredth of a second in which they are due: one timer for all of a moment.
	local due = {}

	local function expire(at)
		for _, entry in ipairs(due[at]) do
			if not entry.over then
				stat.expired = stat.expired + 1
				relay.refuse(entry, ("no reply from %s within %g s (maybe applied)"):format(
					type(target) == "number" and skynet.address(target) or target, entry.seconds))
			end
		end
		due[at] = nil
	end

	local function watch(entry)
		-- The current hundredth has begun already.
		local at = skynet.now() + math.ceil(seconds * 100) + 1
		if not due[at] then
			due[at] = {}
			skynet.timeout(at - skynet.now(), function()
				expire(at)
			end)
		end
		entry.message, entry.seconds = nil, seconds
		table.insert(due[at], entry)
	end

	return {
		request = function(entry)
			stat.requests = stat.requests + 1
			if not relay.forward(entry, target) then
				relay.refuse(entry, "the service behind the proxy is gone (not sent)")
			elseif entry.session ~= 0 then
				watch(entry)
			end
		end,
		info = function()
			return stat
		end,
		set = function(new)
			seconds = new.seconds
		end,
	}
end

return timeout
