-- Twenty thousand items and five hundred quests, read by a thousand services that share one copy. The files are edited
-- while they run. All services see the new prices at once, and none ever sees half an update: in each read a service
-- checks that the reward of a quest is the price of its item, which are in two different sheets.

local skynet = require "skynet"
local datasheet = require "reef.datasheet"
local manager = require "skynet.manager"

local ITEMS, QUESTS = 20000, 500
local SERVICES = tonumber(os.getenv "SERVICES") or 1000
local SECONDS = tonumber(os.getenv "SECONDS") or 5
local dir = assert(os.getenv "CONFIG_DEMO_DIR")

local function resident()
	local file = assert(io.open "/proc/self/statm")
	local pages = file:read "a":match "%d+ (%d+)"
	file:close()
	return tonumber(pages) * 4096
end

-- The game designer's work: writes the two files, with prices that depend on the edition.
local function write_files(edition)
	local items = assert(io.open(dir .. "/items.lua", "w"))
	items:write("return { edition = ", edition, ",\n")
	for id = 1, ITEMS do
		local price = id * 3 + edition
		items:write(("[%d] = { name = 'item %d', price = %d, weight = %g },\n"):format(id, id, price, id % 100 / 4))
	end
	items:write "}\n"
	items:close()
	local quests = assert(io.open(dir .. "/quests.lua", "w"))
	quests:write("return { edition = ", edition, ",\n")
	for id = 1, QUESTS do
		local item = id * 40
		quests:write(("[%d] = { title = 'quest %d', item = %d, reward = %d },\n"):format(id, id, item, item * 3 + edition))
	end
	quests:write "}\n"
	quests:close()
end

local function publish()
	return datasheet.publish {
		items = assert(loadfile(dir .. "/items.lua"))(),
		quests = assert(loadfile(dir .. "/quests.lua"))(),
	}
end

skynet.start(function()
	require("skynet.codecache").mode "OFF" -- these files change
	write_files(1)
	local before = resident()
	publish()
	collectgarbage()
	local shared = resident() - before
	local services = {}
	for i = 1, SERVICES do
		services[i] = skynet.newservice "config_reader"
	end
	local private = skynet.call(services[1], "lua", "private_bytes")

	local editions, started = 1, skynet.now()
	while skynet.now() - started < SECONDS * 100 do
		for i = 1, 10 do
			skynet.send(services[(editions * 10 + i) % SERVICES + 1], "lua", "read", 100)
		end
		editions = editions + 1
		write_files(editions)
		local rows = publish()
		for _, service in ipairs(services) do
			skynet.send(service, "lua", "read", 1)
		end
		print(("edition %d: %d rows changed"):format(editions, rows.changed))
	end

	local reads, wrong, late = 0, 0, 0
	for _, service in ipairs(services) do
		local r, w, seen = skynet.call(service, "lua", "report")
		reads, wrong = reads + r, wrong + w
		late = late + (seen == editions and 0 or 1)
	end
	print(("\n%d services read %d times through %d editions"):format(SERVICES, reads, editions))
	print(("reads that saw two editions at once: %d"):format(wrong))
	print(("services that do not see the last edition: %d"):format(late))
	print(("memory of the data: %.1f MB shared by all; %.1f MB if each service had its own"):format(shared / 1e6,
		private * SERVICES / 1e6))
	if wrong + late > 0 then
		os.exit(1)
	end
	manager.abort()
end)
