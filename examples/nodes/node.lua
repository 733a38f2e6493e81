-- A node: greets those who call it, calls all others that are there ten times a second, and rings the bell wherever it
-- is. What changes is a line of the log; the end says how the calls have ended.
local cluster = require "skynet.cluster"
local reef_cluster = require "reef.cluster"
local shutdown = require "reef.shutdown"
local singleton = require "reef.singleton"
local skynet = require "skynet"

local PORT <const> = 2528
local BETWEEN <const> = 10 -- cs

local name = skynet.getenv "cluster_name"
local ends = { begun = 0, answered = 0, ["not sent"] = 0, ["maybe applied"] = 0, rejected = 0 }
local reached = {} ---@type table<string, boolean> nodes, by how their last call ended
local bell_at = "?"

local function say(...)
	skynet.error(("%s: %s"):format(name, (string.format(...))))
end

local function counted(f, ...)
	ends.begun = ends.begun + 1
	local ok, result = pcall(f, ...)
	local outcome = ok and "answered" or reef_cluster.error(result).outcome
	ends[outcome] = ends[outcome] + 1
	return ok, result
end

local function greet(other)
	while true do
		local there = reef_cluster.nodes()[other]
		local ok = there and counted(cluster.call, other, "@greeter", name) or false
		if ok ~= (reached[other] or false) then
			reached[other] = ok
			say(ok and "%s is there" or "%s is gone", other)
		end
		skynet.sleep(BETWEEN)
	end
end

local function ring()
	while true do
		local ok, at = counted(singleton.call, "bell")
		at = ok and at or "?"
		if at ~= bell_at then
			bell_at = at
			say(ok and "the bell is at %s" or "the bell is silent", at)
		end
		skynet.sleep(BETWEEN)
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, who)
		skynet.retpack(("hello %s, this is %s"):format(who, name))
	end)
	cluster.register "greeter"
	cluster.open(PORT)
	singleton.launch("bell", "bell")
	for _, other in ipairs { "a", "b", "c" } do
		if other ~= name then
			skynet.fork(greet, other)
		end
	end
	skynet.fork(ring)
	shutdown.on(function()
		say("%d calls: %d answered, %d not sent, %d maybe applied, %d rejected", ends.begun, ends.answered,
			ends["not sent"], ends["maybe applied"], ends.rejected)
	end)
end)
