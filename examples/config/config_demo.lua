-- Twenty thousand items (CSV), five hundred quests (JSON), rules (Lua) and a shop (TOML), read by a thousand services
-- that share one copy. The files are edited while they run. All services see a new price at once, and none ever sees
-- half an update: in each read a service checks that the reward of a quest is the price of its item, which are in two
-- files. Then somebody makes a mistake, and nothing happens but a line in the log.

local config = require "reef.config"
local designer = require "designer"
local manager = require "skynet.manager"
local skynet = require "skynet"

local ITEMS, QUESTS = 20000, 500
local SERVICES = tonumber(os.getenv "SERVICES") or 1000
local SECONDS = tonumber(os.getenv "SECONDS") or 5
local PATIENCE = 6000 -- hundredths of a second for a change to arrive
local dir = assert(os.getenv "CONFIG_DEMO_DIR") .. "/data"

local function resident()
	local file = assert(io.open "/proc/self/statm")
	local pages = file:read "a":match "%d+ (%d+)"
	file:close()
	return tonumber(pages) * 4096
end

local function wait_until(what, f)
	local deadline = skynet.now() + PATIENCE
	while not f() do
		if skynet.now() > deadline then
			error("waited too long: " .. what)
		end
		skynet.sleep(1)
	end
end

local services = {}

local function broadcast(...)
	for _, service in ipairs(services) do
		skynet.send(service, "lua", ...)
	end
end

-- How many services do not see this price?
local function count_others(item, price)
	local others = 0
	for _, service in ipairs(services) do
		if skynet.call(service, "lua", "price", item) ~= price then
			others = others + 1
		end
	end
	return others
end

local function demo()
	local files = designer.new(dir, ITEMS, QUESTS)
	files:save_items()
	files:save_quests()
	local watcher, err = config.watch(dir, { quiet = 0.05 })
	if not watcher then
		error(err)
	end
	for _, sheet in ipairs(watcher.report.sheets) do
		print(("%-8s %6d rows from %s"):format(sheet.name, sheet.rows, sheet.file))
	end
	print(("loaded in %.0f ms\n"):format(watcher.report.ms))
	for i = 1, SERVICES do
		services[i] = skynet.newservice "config_reader"
	end
	local used = resident()
	local private = skynet.call(services[1], "lua", "private_bytes")

	local reading = true
	skynet.fork(function()
		while reading do
			broadcast("read", 10)
			skynet.call(services[#services], "lua", "report") -- no faster than they read
			skynet.sleep(1)
		end
	end)
	local late, edits, started = 0, 0, skynet.now()
	while skynet.now() - started < SECONDS * 100 do
		local quest = math.random(QUESTS)
		local version = watcher:stat().version
		local item, price = files:double(quest)
		wait_until("the new price", function()
			return watcher:stat().version > version
		end)
		edits = edits + 1
		late = late + count_others(item, price)
		print(("edit %d: item %d costs %d now"):format(edits, item, price))
	end

	local price, undo = files:mistype(40)
	wait_until("the error", function()
		return watcher:stat().errors
	end)
	print(("\na mistake:\n%s"):format(watcher:stat().errors))
	local broken = count_others(40, price)
	print(("%d services read the price from before it, %d\n"):format(SERVICES - broken, price))
	undo()
	wait_until("the end of the error", function()
		return not watcher:stat().errors
	end)
	reading = false

	local reads, wrong = 0, 0
	for _, service in ipairs(services) do
		local r, w = skynet.call(service, "lua", "report")
		reads, wrong = reads + r, wrong + w
	end
	print(("%d services read %d times through %d edits of two files"):format(SERVICES, reads, edits))
	print(("reads that saw half an update: %d"):format(wrong))
	print(("services that saw an old price after an edit: %d"):format(late + broken))
	print(("memory of the whole process: %.0f MB; with a copy of the data for each service: %.0f MB"):format(used / 1e6,
		(used + private * SERVICES) / 1e6))
	return reads > 0 and edits > 0 and wrong + late + broken == 0
end

skynet.start(function()
	skynet.fork(function()
		local ok, result = pcall(demo)
		if not ok then
			io.stderr:write("config_demo: ", tostring(result), "\n")
		end
		if not (ok and result) then
			os.exit(1)
		end
		manager.abort()
	end)
end)
