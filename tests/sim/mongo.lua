-- Many coroutines write to a replica set and read from it over a network that breaks and parts, while its members
-- elect. Promised: a write that is acknowledged was done, none is done twice, who reads gets what he asked for, nobody
-- waits longer than his deadline, and in calm a write succeeds.
--
--     reef sim mongo.lua streams       members speak up by themselves when something changes
--     reef sim mongo.lua pool          through a pool, which other services could use, too
--     reef sim mongo.lua MODULE FILE   FILE takes the place of the module
local root = debug.getinfo(1, "S").source:match "^@(.-)/?tests/sim/[^/]*$"
package.path = ("%s/tests/support/?.lua;"):format(root == "" and "." or root) .. package.path

local mode, file = ...
if file then
	package.loaded[mode] = dofile(file)
end
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local sim = require "reef.sim"
local skynet = require "skynet"

local streams, pooled = mode == "streams", mode == "pool"

local MEMBERS <const> = 3
local CALLERS <const> = 6
local REQUESTS <const> = 25
local TIMEOUT <const> = 5
local LONGEST <const> = 2 * TIMEOUT

local function start_set()
	local set = peers.set(0, streams)
	for i = 1, MEMBERS do
		sim.place("m" .. i)
		set:join()
		set.members[i].address = set.members[i].address:gsub("^.*:", "m" .. i .. ":")
	end
	sim.place "app"
	return set
end

local function make_trouble(set)
	sim.network { delay = { 0.0001, sim.random(1, 50) / 1000 }, stall = 0.005, stall_most = 3, reset = 0.005,
		refuse = 0.1, lose = 0.05, slow = 0.05 }
	for _ = 1, 8 do
		skynet.sleep(sim.random(1, 600))
		local member = "m" .. sim.random(1, MEMBERS)
		if sim.fault(0.3) then
			sim.partition("localhost", member, sim.random(1, 80) / 10) -- from the monitors
		elseif sim.fault(0.3) then
			sim.partition("app", member, sim.random(1, 80) / 10)
		elseif sim.fault(0.2) then
			sim.half_close { to = member }
		elseif sim.fault(0.5) then
			set:elect(nil)
			skynet.sleep(sim.random(1, 400))
			set:elect(sim.random(1, MEMBERS))
		end
	end
end

skynet.start(function()
	sim.no_errors()
	local set = start_set()
	local uri = set:uri(("heartbeatFrequencyMS=1000&connectTimeoutMS=2000&timeoutMS=%d"):format(TIMEOUT * 1000))
	local client = pooled and require("reef.pool").mongo(uri, { size = 2 }) or mongo.client(uri)
	local c = client.db.c
	local waiting, done, acknowledged, unsent, answered = {}, 0, {}, {}, 0
	sim.always("nobody waits longer than his deadline", function()
		for who, since in pairs(waiting) do
			if sim.elapsed() - since > LONGEST then
				return false, ("%s has waited since %.3f"):format(who, since)
			end
		end
		return true
	end)
	local function ask(token, f, ...)
		waiting[token] = sim.elapsed()
		local result = table.pack(pcall(f, ...))
		waiting[token] = nil
		return table.unpack(result, 1, result.n)
	end
	local function count(id)
		local n = 0
		for _, document in ipairs(set.documents) do
			n = n + (document._id == id and 1 or 0)
		end
		return n
	end

	for caller = 1, CALLERS do
		skynet.fork(function()
			for i = 1, REQUESTS do
				local id = ("%d.%d"):format(caller, i)
				local written, why = ask(id, c.insertOne, c, { _id = id })
				local n = count(id)
				sim.check(n <= 1, "%s was written %d times", id, n)
				sim.check(not written or n == 1, "%s is not there", id)
				sim.check(written or why.outcome ~= "not sent" or n == 0, "%s was sent: %s", id, why)
				unsent[id] = not written and why.outcome == "not sent" or nil
				acknowledged[id] = written
				local read, document = ask(id, c.findOne, c, { _id = id })
				sim.check(not read or document._id == id, "%s was answered by %s", id, read and document._id)
				answered = answered + (read and 1 or 0)
				skynet.sleep(math.random(0, 40))
			end
			done = done + 1
		end)
	end
	skynet.fork(make_trouble, set)
	sim.eventually(3600, "all have asked", function()
		return done == CALLERS
	end)
	sim.calm()
	set:elect(2)
	sim.eventually(60, "a write in calm is done", function()
		return ask("calm", c.insertOne, c, { _id = "calm" })
	end)
	local written = 0
	for id in pairs(unsent) do
		sim.check(count(id) == 0, "%s was sent later", id)
	end
	for id in pairs(acknowledged) do
		sim.check(not acknowledged[id] or count(id) == 1, "%s is there %d times", id, count(id))
		written = written + (acknowledged[id] and 1 or 0)
	end
	sim.check(written > 0 and answered > 0, "nobody had an answer")
	skynet.error(("%d writes, %d reads of %d"):format(written, answered, CALLERS * REQUESTS))
	sim.finish()
end)
