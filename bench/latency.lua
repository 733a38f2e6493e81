-- How long others keep a call and a Redis GET waiting: 100 services do one of each every 10 ms, first alone, then while
-- 1,000 services a second are launched and end; besides one loops, in messages of LOOP (0.2) seconds; besides one
-- collects 200 MB of garbage without end; and besides one publishes tables of 100,000 rows. The delays are those of
-- single requests, in microseconds.
local bench = require "bench"
local skynet = require "skynet"
require "skynet.manager"

local PROBES <const> = 100
local role = ...
local done = 0 -- collections, loops, tables, services

local function each_request(collect, deadline, f)
	while bench.wall() < deadline do
		skynet.sleep(1)
		local start = skynet.hpc()
		f()
		collect[#collect + 1] = skynet.hpc() - start
	end
end

local roles = {}

-- Answers, and does nothing else.
function roles.echo(...)
	return ...
end

-- Returns the delays of calls and of GETs, packed.
function roles.probe(peer, seconds)
	local db = require("skynet.db.redis").connect { host = "127.0.0.1", port = tonumber(os.getenv "REDIS_PORT") }
	local deadline, calls, gets = bench.wall() + seconds, {}, {}
	bench.together(2, function(i)
		if i == 1 then
			each_request(calls, deadline, function() skynet.call(peer, "lua", "ping") end)
		else
			each_request(gets, deadline, function() db:get "latency" end)
		end
	end)
	db:disconnect()
	return calls, gets
end

function roles.garbage(megabytes)
	local held = {}
	while collectgarbage "count" < megabytes * 1024 do
		held[#held + 1] = { #held, tostring(#held), {} }
	end
	while true do
		collectgarbage()
		done = done + 1
		skynet.yield()
	end
end

function roles.loop()
	while true do
		local stop = bench.wall() + bench.option("LOOP", 0.2)
		while bench.wall() < stop do end -- luacheck: ignore 542
		done = done + 1
		skynet.yield()
	end
end

function roles.publish()
	local sharetable = require "skynet.sharetable"
	for version = 1, math.huge do
		local rows = {}
		for i = 1, 100000 do
			rows[i] = { id = i, name = "item", cost = i * version }
		end
		sharetable.loadtable("latency", rows)
		done = version
		skynet.yield()
	end
end

function roles.launch()
	while true do
		for _ = 1, 10 do
			skynet.kill(skynet.newservice("latency", "echo"))
			done = done + 1
		end
		skynet.sleep(1)
	end
end

if role then
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what, ...)
			if what == "done" then
				return skynet.retpack(done)
			end
			skynet.retpack(roles[role](what, ...))
		end)
	end)
	return
end

local function percentile(delays, share)
	return delays[math.max(1, math.ceil(#delays * share))] / 1e3
end

local function watch(label, peer, probes, seconds)
	local calls, gets = {}, {}
	bench.together(PROBES, function(i)
		local c, g = skynet.call(probes[i], "lua", peer, seconds)
		table.move(c, 1, #c, #calls + 1, calls)
		table.move(g, 1, #g, #gets + 1, gets)
	end)
	for name, delays in pairs { call = calls, get = gets } do
		table.sort(delays)
		bench.result(name .. "_" .. label, {
			p50 = percentile(delays, 0.5), p99 = percentile(delays, 0.99), p999 = percentile(delays, 0.999), count = #delays,
		})
	end
end

bench.main(function()
	local seconds, peer, probes = bench.option("SECONDS", 4), skynet.newservice("latency", "echo"), {}
	for i = 1, PROBES do
		probes[i] = skynet.newservice("latency", "probe")
	end
	watch("warm", peer, probes, 0.5)
	watch("quiet", peer, probes, seconds)
	local others = {}
	local function work_beside(name, ...)
		others[name] = skynet.newservice("latency", name)
		skynet.send(others[name], "lua", ...)
		skynet.sleep(200)
	end
	for _, name in ipairs { "launch", "loop" } do
		work_beside(name)
		watch(name, peer, probes, seconds)
	end
	work_beside("garbage", 200)
	watch("garbage", peer, probes, seconds)
	work_beside "publish"
	local before, since = {}, bench.wall()
	for name, address in pairs(others) do
		before[name] = skynet.call(address, "lua", "done")
	end
	watch("busy", peer, probes, seconds)
	for name, address in pairs(others) do
		local now = skynet.call(address, "lua", "done")
		bench.result("others_" .. name, { rate = (now - before[name]) / (bench.wall() - since) })
		-- They do not end by themselves.
		skynet.kill(address)
	end
end)
