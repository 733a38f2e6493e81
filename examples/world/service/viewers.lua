-- Programs that look at the map as a browser does, and check what they see.
local httpc = require "http.httpc"
local skynet = require "skynet"
local websocket = require "http.websocket"

local PATIENCE = 500 -- 1/100 s for the last picture

local CALLS = 15 -- the first viewer calls the players to a place after so many pictures, as a click on the page does
local seen = {} -- of each: pictures, last, players, called
local errors = {}
local looking = true

local function note(text)
	errors[#errors + 1] = text
	skynet.error(text)
end

local function check(viewer, picture)
	local n = tonumber(picture:match '^{"n":(%d+),')
	local _, players = picture:match '"players":%[(.-)%],"coins"':gsub("%[", "")
	if not n or n <= viewer.last then
		note(("picture %s after %d"):format(n, viewer.last))
	elseif players < viewer.players then
		note(("%d players, and %d before"):format(players, viewer.players))
	end
	viewer.pictures, viewer.last, viewer.players = viewer.pictures + 1, n or viewer.last, players
	viewer.called = viewer.called or picture:find('"beacon":[80,45]', 1, true) ~= nil
end

local function look(viewer, port)
	local id = websocket.connect(("ws://127.0.0.1:%d/ws"):format(port))
	viewer.ready = true
	while looking do
		local picture = websocket.read(id)
		if not picture then
			return note "the web service has closed a WebSocket"
		end
		check(viewer, picture)
		if viewer == seen[1] and viewer.pictures == CALLS then
			websocket.write(id, "call 80 45")
		end
	end
	websocket.close(id)
end

local command = {}

function command.look(n, port)
	local status, page = httpc.get("127.0.0.1:" .. port, "/")
	if status ~= 200 or not page:find "<canvas" then
		note(("the page: status %s"):format(status))
	end
	for i = 1, n do
		seen[i] = { pictures = 0, last = 0, players = 0 }
		skynet.fork(function()
			local ok, why = pcall(look, seen[i], port)
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
			return seen, errors
		end
		skynet.sleep(1)
	end
	note "a browser waits for a picture in vain"
	return seen, errors
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
