-- Simulations (`reef sim SCRIPT`): promises, and the faults that are asked for. Times are in seconds.
--
-- Everything that chance decides here is drawn from the seed of the run. See docs/sim.md.

local core = require "reef.sim.core"
local skynet = require "skynet"

local EVERY <const> = 0.01 -- seconds between looks at what is promised

---@class reef.sim
local sim = {}

---@alias reef.sim.host string  a name, or an address; `localhost` for who was not placed

---@class reef.sim.link  Which connections; what is left out is any
---@field to? reef.sim.host  that was connected to
---@field port? integer
---@field from? reef.sim.host  that has connected

---@class reef.sim.network  Chances are from 0 to 1, times in seconds; what is left out stays as it is
---@field delay? { [1]: number, [2]: number }  one way, at least and at most: 0.00005 and 0.001 at first
---@field stall? number  the chance that a piece of a stream takes longer: 0 at first, as the others
---@field stall_most? number  by so much at most
---@field reset? number  that a write breaks its connection
---@field refuse? number  that a connect is refused
---@field lose? number  that a connect is not answered
---@field slow? number  that a connection's reader takes but some thousand bytes a second

---Is this process a simulation? In any other, the functions below raise an error.
---@return boolean
function sim.on()
	return core.on()
end

---------------------------------------------------------------------------------------------------------------------
-- Promises

local function text_of(what, ...)
	if select("#", ...) == 0 then
		return tostring(what)
	end
	local ok, text = pcall(string.format, what, ...)
	return ok and text or ("%s (%s)"):format(what, text)
end

---The run has failed, and ends here.
---@param what string  why
---@param ... any  what string.format puts into that
function sim.fail(what, ...)
	core.fail(debug.traceback(text_of(what, ...), 2))
end

---The run fails unless `value` is true; returns it.
---@generic T
---@param value T
---@param what? string  what was expected
---@param ... any  what string.format puts into that
---@return T
function sim.check(value, what, ...)
	if not value then
		core.fail(debug.traceback(text_of(what or "a check failed", ...), 2))
	end
	return value
end

---The run is over and has passed.
function sim.finish()
	core.finish()
end

---Promises that `holds` returns true at any time: it is called each hundredth of a second (or `every` seconds) from
---now on, in a coroutine of its own.
---@param what string
---@param holds fun(): any, string?  false or nil, and perhaps why: the run has failed
---@param every? number  seconds
function sim.always(what, holds, every)
	assert(core.on(), "this is no simulation: start the script with `reef sim`")
	skynet.fork(function()
		while true do
			local ok, why = holds()
			if not ok then
				core.fail(("always: %s: not so%s"):format(what, why and ", " .. tostring(why) or ""))
			end
			skynet.sleep(math.max(1, math.floor((every or EVERY) * 100)))
		end
	end)
end

---Promises that services raise no error that nobody catches, from now on: one that is logged as `lua call ... error`.
function sim.no_errors()
	core.no_errors()
end

local promised = setmetatable({}, {
	__close = function()
		core.promise(-1)
	end,
})

---Waits until `holds` returns true, and returns that; after `within` seconds the run has failed. A run that ends by
---itself meanwhile has failed, too.
---@generic T
---@param within number  seconds
---@param what string
---@param holds fun(): T?, string?
---@return T
function sim.eventually(within, what, holds)
	core.promise(1)
	local _ <close> = promised
	local deadline = core.elapsed() + within
	while true do
		local value, why = holds()
		if value then
			return value
		elseif core.elapsed() >= deadline then
			core.fail(("eventually within %gs: %s: not so%s"):format(within, what, why and ", " .. tostring(why) or ""))
		end
		skynet.sleep(1)
	end
end

---Seconds since the run began; with parts.
---@return number
function sim.elapsed()
	return core.elapsed()
end

---------------------------------------------------------------------------------------------------------------------
-- Chance

---Does something of this chance happen here? What does is a fault: it has a number, and `--shrink` tries to do
---without.
---@param chance number  0 to 1
---@return boolean
function sim.fault(chance)
	return core.fault(chance)
end

---A number between the two, drawn for faults: it leaves what `math.random` draws as it is.
---@param least integer
---@param most integer
---@return integer
function sim.random(least, most)
	return core.random(least, most)
end

---------------------------------------------------------------------------------------------------------------------
-- Faults

---Ends a service at once, as one that was killed.
---@param address integer|string
function sim.kill(address)
	skynet.send(".launcher", "lua", "KILL", address)
end

---The wall clock is set forward, or back, by so many seconds: `os.time` and `os.date` jump, `skynet.now` and timers
---do not.
---@param seconds number
function sim.clock_jump(seconds)
	core.jump(seconds)
end

---What the network is like from now on.
---@param network reef.sim.network
function sim.network(network)
	for name, value in pairs(network) do
		if name == "delay" then
			assert(type(value) == "table" and value[1] <= value[2], "delay is { least, most }")
			core.set_network("delay_least", value[1])
			core.set_network("delay_most", value[2])
		elseif not core.set_network(name, value) then
			error(("a network has no %s"):format(name))
		end
	end
end

---Nothing passes between two hosts, in neither direction, until `heal`, or for so many seconds. What is sent
---meanwhile comes afterwards; connections stay, connects wait.
---@param one reef.sim.host
---@param other reef.sim.host
---@param seconds? number
function sim.partition(one, other, seconds)
	core.partition(one, other, true)
	if seconds then
		skynet.timeout(math.floor(seconds * 100), function()
			core.partition(one, other, false)
		end)
	end
end

---Everything passes again: between these two hosts, or, without, between all.
---@param one? reef.sim.host
---@param other? reef.sim.host
function sim.heal(one, other)
	if one then
		core.partition(one, assert(other, "between which two?"), false)
	else
		core.heal()
	end
end

---The network is what it was at first, and everything passes: for what has to hold after the storm. Connections with a
---slow reader stay as they are.
function sim.calm()
	sim.network { delay = { 0.00005, 0.001 }, stall = 0, reset = 0, refuse = 0, lose = 0, slow = 0 }
	sim.heal()
end

---Resets connections; how many they were.
---@param link? reef.sim.link
---@return integer
function sim.reset(link)
	link = link or {}
	return core.cut("reset", link.to, link.port, link.from)
end

---The ends that were connected to send no more, and read on; how many they were.
---@param link? reef.sim.link
---@return integer
function sim.half_close(link)
	link = link or {}
	return core.cut("half", link.to, link.port, link.from)
end

---Says on which host a service is, this one unless another is named: its connections come from there, its
---`127.0.0.1` is that host. To be said before it listens or connects. What the service launches afterwards is there,
---too, unless it says otherwise; a unique service belongs to all, and is on `localhost`.
---@param host reef.sim.host
---@param address? integer
function sim.place(host, address)
	core.place(host, address)
end

return sim
