-- MongoDB from many services, one request at a time in each: through a pool, and with a connection of its own in each.
local bench = require "bench"
local mongo = require "skynet.db.mongo"
local pool = require "reef.pool"
local skynet = require "skynet"

local function target()
	return { host = "127.0.0.1", port = bench.option "MONGO_PORT" }
end

local function open(how)
	return how == "pool" and pool.mongo(target(), { size = 16, queue = 100000, queue_timeout = 60 })
		or mongo.client(target())
end

-- A caller: finds a document of its own as often as it is told.
local function caller(how, number)
	skynet.start(function()
		local c = open(how).bench.shared
		skynet.dispatch("lua", function(_, _, n)
			for _ = 1, n do
				assert(c:findOne({ _id = "k" .. number }).level == 7)
			end
			skynet.retpack()
		end)
	end)
end

local how, number = ...
if how then
	return caller(how, number)
end

local SERVICES, EACH = 128, 40

local function measure(result, kind)
	local callers = {}
	for i = 1, SERVICES do
		callers[i] = skynet.newservice("mongo_pool", kind, i)
	end
	local function run(each)
		bench.together(SERVICES, function(i)
			skynet.call(callers[i], "lua", each)
		end)
	end
	run(3)
	bench.measure(result, SERVICES * EACH, function()
		run(EACH)
	end)
	for _, address in ipairs(callers) do
		skynet.kill(address)
	end
end

bench.main(function()
	local client = open "direct"
	local docs = {}
	for i = 1, SERVICES do
		docs[i] = { _id = "k" .. i, name = "somebody", balance = 100.5, level = 7, active = true, note = ("x"):rep(40) }
	end
	client.bench:dropDatabase()
	client.bench.shared:insertMany(docs)
	measure("mongo_direct_128", "direct")
	measure("mongo_pool_128", "pool")
	bench.measure("mongo_one_128", SERVICES * EACH, function()
		bench.together(SERVICES, function(i)
			for _ = 1, EACH do
				assert(client.bench.shared:findOne({ _id = "k" .. i }).level == 7)
			end
		end)
	end)
	client:disconnect()
end)
