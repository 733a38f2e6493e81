-- Programs that look at the map as a browser does, and check what they see.
local httpc = require "http.httpc"
local skynet = require "skynet"
local websocket = require "http.websocket"

local PATIENCE = 500 -- 1/100 s for the last picture

local CALLS = 15 -- the first viewer calls the players to a place after so many pictures, as a click on the page does
local seen = {} -- of each: pictures, last, map, players, called
local maps, map_count = {}, 0 -- that have drawn them
local errors = {}
local looking = true

local function note(text)
	errors[#errors + 1] = text
	skynet.error(text)
end

local function check(viewer, picture)
	local map, n = picture:match '^{"map":(%d+),"n":(%d+),'
	map, n = tonumber(map), tonumber(n)
	local _, players = picture:match '"players":%[(.-)%],"coins"':gsub("%[", "")
	-- Another map, which was elected later, begins anew.
	if map ~= viewer.map then
		viewer.last = 0
	end
	if map and not maps[map] then
		maps[map], map_count = true, map_count + 1
	end
	if not n or map < viewer.map or n <= viewer.last then
		note(("picture %s of map %s after %d of map %d"):format(n, map, viewer.last, viewer.map))
	elseif players < viewer.players then
		note(("%d players, and %d before"):format(players, viewer.players))
	end
	viewer.pictures, viewer.last, viewer.players = viewer.pictures + 1, n or viewer.last, players
	viewer.map = map
	viewer.called = viewer.called or picture:find('"beacon":[80,45]', 1, true) ~= nil
end

-- What the door shows, until that ends.
local function look_through(viewer, door)
	local id = websocket.connect(("ws://%s:%d/ws"):format(door.host, door.web))
	-- It shows first what it has seen last.
	viewer.last, viewer.map = 0, -1
	while looking do
		local picture = websocket.read(id)
		if not picture then
			error("the web service has closed a WebSocket", 0)
		end
		check(viewer, picture)
		if viewer == seen[1] and viewer.pictures == CALLS then
			websocket.write(id, "call 80 45")
		end
	end
	websocket.close(id)
end

-- At one door as long as it lasts, then at the next one.
local function look(viewer, doors, at)
	while looking do
		local ok, why = pcall(look_through, viewer, doors[at])
		if not ok and #doors == 1 then
			error(why, 0)
		elseif not ok then
			skynet.error("a browser goes to another door:", why)
			skynet.sleep(20)
		end
		at = at % #doors + 1
	end
end

local command = {}

function command.look(n, doors)
	for _, door in ipairs(doors) do
		local status, page = httpc.get(("%s:%d"):format(door.host, door.web), "/")
		if status ~= 200 or not page:find "<canvas" then
			note(("the page: status %s"):format(status))
		end
	end
	for i = 1, n do
		seen[i] = { pictures = 0, last = 0, map = -1, players = 0 }
		skynet.fork(function()
			local ok, why = pcall(look, seen[i], doors, i % #doors + 1)
			if not ok then
				note(tostring(why))
			end
			seen[i].done = true
		end)
	end
end

function command.stop()
	looking = false
	for _ = 1, PATIENCE do
		local waiting = false
		for _, viewer in ipairs(seen) do
			waiting = waiting or not viewer.done
		end
		if not waiting then
			return seen, map_count, errors
		end
		skynet.sleep(1)
	end
	note "a browser waits for a picture in vain"
	return seen, map_count, errors
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
