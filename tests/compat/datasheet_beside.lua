-- Long lists are compared by two threads: publishers are killed in the midst of it, and readers see whole versions.
local skynet = require "skynet"
local test = require "test"
local sheets = require "reef.datasheet"
local kill = require("skynet.manager").kill

local PUBLISHER = [==[
	local sheets = require "reef.datasheet"
	local skynet = require "skynet"
	local version, rows = ...
	local list = {}
	for i = 1, rows do
		list[i] = { id = i, name = "row " .. i, kind = "kind " .. i % 7, version = i % 1000 == 0 and version or nil }
	end
	local function go()
		version = version + 1
		for i = 1000, rows, 1000 do
			list[i].version = version
		end
		sheets.publish { beside = list }
		return version
	end
	publishing = go
	return go()
]==]

test.case("publishers are killed while others compare for them", { timeout = 120 }, function()
	local rows <const> = 20000
	local function check()
		local list = sheets.query "beside"
		local version = list[1000].version
		for i = 1, rows, 17 do
			assert(list[i].id == i and list[i].name == "row " .. i and list[i].kind == "kind " .. i % 7)
		end
		for i = 1000, rows, 1000 do
			test.equal(list[i].version, version)
		end
		return version
	end
	local version = 0
	for _ = 1, test.count(40) do
		local address = skynet.newservice "share_reader"
		version = skynet.call(address, "lua", PUBLISHER, version, rows)
		test.equal(check(), version)
		for _ = 1, math.random(1, 20) do
			skynet.send(address, "lua", "publishing()")
		end
		-- Nobody compares for them while all workers are busy.
		skynet.sleep(math.random(0, 3))
		kill(address)
		local now = check()
		assert(now >= version and now <= version + 20)
		version = now
	end
	test.eventually("nothing is left of them", 20, function()
		collectgarbage()
		sheets.collect()
		return sheets.stat().retired == 0
	end)
	sheets.delete "beside"
end)

test.run()
