-- The map: where players stand and coins lie, and the picture of it that others draw.
local datasheet = require "skynet.datasheet"
local multicast = require "skynet.multicast"
local skynet = require "skynet"
local world = require "world"

local PICTURE = 10 -- 1/100 s between two
local CALL = 300   -- 1/100 s that players come to where somebody called

local places = {} -- uid -> { x, y, hue }
local order = {}  -- uids as they came
local lying = {}  -- cell -> array of kinds
local count
local beacon
local pictures = 0

local function cell_of(x, y)
	return y * world.WIDTH + x
end

local function put(x, y, kind)
	local cell = cell_of(x, y)
	local coins = lying[cell] or {}
	coins[#coins + 1] = kind
	lying[cell] = coins
	count[kind] = count[kind] + 1
end

---One picture as JSON.
local function picture()
	local sheet = datasheet.query "coins"
	local players, coins, colors = {}, {}, {}
	for i, uid in ipairs(order) do
		local place = places[uid]
		players[i] = ("[%d,%d,%d]"):format(place.x, place.y, place.hue)
	end
	for cell, kinds in pairs(lying) do
		coins[#coins + 1] = ("[%d,%d,%q]"):format(cell % world.WIDTH, cell // world.WIDTH, kinds[#kinds])
	end
	for i, kind in ipairs(world.KINDS) do
		colors[i] = ("%q:%q"):format(kind, sheet[kind].color)
	end
	pictures = pictures + 1
	return ('{"n":%d,"width":%d,"height":%d,"version":%d,"colors":{%s},"beacon":[%s],"players":[%s],"coins":[%s]}'):format(
		pictures, world.WIDTH, world.HEIGHT, datasheet.query("rules").version, table.concat(colors, ","),
		beacon and ("%d,%d"):format(beacon.x, beacon.y) or "", table.concat(players, ","), table.concat(coins, ","))
end

local function show(channel)
	while true do
		channel:publish(picture())
		skynet.sleep(PICTURE)
	end
end

function init(coins, channel)
	count = world.purse()
	local kinds = {}
	for _, kind in ipairs(world.KINDS) do
		for _ = 1, datasheet.query("coins")[kind].weight do
			kinds[#kinds + 1] = kind
		end
	end
	for _ = 1, coins do
		put(math.random(0, world.WIDTH - 1), math.random(0, world.HEIGHT - 1), kinds[math.random(#kinds)])
	end
	skynet.fork(show, multicast.new { channel = channel })
end

function exit() end

---A player comes in: where it stands.
function response.enter(uid)
	if not places[uid] then
		order[#order + 1] = uid
		places[uid] = { x = math.random(0, world.WIDTH - 1), y = math.random(0, world.HEIGHT - 1), hue = #order * 137 % 360 }
	end
	return places[uid].x, places[uid].y
end

local function clamp(value, most)
	return math.max(0, math.min(most, value))
end

---A step, not longer than the rules allow: where the player stands then, and where others call it.
function response.move(uid, dx, dy)
	local speed, place = datasheet.query("rules").speed, places[uid]
	place.x = clamp(place.x + math.max(-speed, math.min(speed, dx)), world.WIDTH - 1)
	place.y = clamp(place.y + math.max(-speed, math.min(speed, dy)), world.HEIGHT - 1)
	return place.x, place.y, beacon and { beacon.x, beacon.y }
end

---Takes a coin that lies where the player stands: its kind, or nil.
function response.take(uid)
	local place = places[uid]
	local cell = cell_of(place.x, place.y)
	local coins = lying[cell]
	if not coins then
		return nil
	end
	local kind = table.remove(coins)
	if #coins == 0 then
		lying[cell] = nil
	end
	count[kind] = count[kind] - 1
	return kind
end

function accept.drop(uid, kind)
	put(places[uid].x, places[uid].y, kind)
end

---Somebody calls the players to a place.
function accept.call(x, y)
	local now = { x = clamp(x, world.WIDTH - 1), y = clamp(y, world.HEIGHT - 1) }
	beacon = now
	skynet.timeout(CALL, function()
		if beacon == now then
			beacon = nil
		end
	end)
end

---How many coins of each kind lie about.
function response.lying()
	return count
end

function response.pictures()
	return pictures, #order
end
