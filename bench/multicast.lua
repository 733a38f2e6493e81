-- One message to 1,000 subscribers of a channel; CPU for each of them, its handling included.
local bench = require "bench"
local multicast = require "skynet.multicast"
local skynet = require "skynet"

local SUBSCRIBERS, ROUNDS = bench.option("SUBSCRIBERS", 1000), bench.option("ROUNDS", 200)

local number = ...
if number then
	skynet.start(function()
		local channel = multicast.new { channel = math.tointeger(tonumber(number)), dispatch = function() end,
			unpack = function() end }
		channel:subscribe()
		skynet.dispatch("lua", function()
			skynet.retpack(channel ~= nil)
		end)
	end)
	return
end

bench.main(function()
	local channel = multicast.new()
	local all = {}
	for i = 1, SUBSCRIBERS do
		all[i] = skynet.newservice("multicast", channel.channel)
	end
	-- A subscriber's own answer shows that it has handled what came before.
	local function handled()
		for _, address in ipairs(all) do
			skynet.call(address, "lua")
		end
	end
	for name, size in pairs { small = 50, large = 100000 } do
		local rounds = size > 1000 and ROUNDS // 10 or ROUNDS
		local text = ("x"):rep(size)
		handled()
		bench.measure("multicast_" .. name, rounds * SUBSCRIBERS, function()
			for _ = 1, rounds do
				channel:publish(text)
			end
			handled()
		end)
		local most = 0
		bench.measure("sends_" .. name, rounds * SUBSCRIBERS, function()
			for _ = 1, rounds do
				for _, address in ipairs(all) do
					skynet.send(address, "lua", text)
				end
			end
			handled()
			most = bench.resident()
		end)
		bench.result("sends_resident_" .. name, { bytes = most })
	end
end)
