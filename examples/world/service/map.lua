-- The map: where players stand, where coins lie, and what is in whose purse. There is one in the whole world. What
-- players ask has numbers, so that nothing is done twice; and it is written down before it is answered, so that
-- another map can go on where this one ends.
local datacenter = require "skynet.datacenter"
local datasheet = require "skynet.datasheet"
local journal = require "journal"
local multicast = require "skynet.multicast"
local skynet = require "skynet"
local world = require "world"

local PICTURE = 10 -- 1/100 s between two
local CALL = 300   -- 1/100 s that players come to where somebody called

local fence = math.tointeger(tonumber((...))) or 0 -- the number of the election, if there was one
local players = {} -- uid -> what is known of a player: see enter
local order = {}   -- players as they came
local lying = {}   -- cell -> array of kinds
local beacon
local pictures = 0

-- ---- what is done ----

local function cell_of(x, y)
	return y * world.WIDTH + x
end

local function put(x, y, kind)
	local cell = cell_of(x, y)
	lying[cell] = lying[cell] or {}
	table.insert(lying[cell], kind)
	journal.note("lying", cell, lying[cell])
end

local function clamp(value, most)
	return math.max(0, math.min(most, value))
end

local act = {}

function act.look() end

---A step, not longer than the rules allow.
function act.move(player, request)
	local speed = datasheet.query("rules").speed
	player.x = clamp(player.x + math.max(-speed, math.min(speed, request.dx)), world.WIDTH - 1)
	player.y = clamp(player.y + math.max(-speed, math.min(speed, request.dy)), world.HEIGHT - 1)
end

---Takes a coin that lies where the player stands.
function act.take(player, _, reply)
	local cell = cell_of(player.x, player.y)
	local coins = lying[cell]
	if coins then
		reply.kind = table.remove(coins)
		player.purse[reply.kind] = player.purse[reply.kind] + 1
		lying[cell] = #coins > 0 and coins or nil
		journal.note("lying", cell, lying[cell])
	end
end

function act.drop(player, request, reply)
	local kind = request.kind
	if player.purse[kind] > 0 then
		player.purse[kind] = player.purse[kind] - 1
		put(player.x, player.y, kind)
		reply.kind = kind
	end
end

---The other one hears of it with its next answer.
function act.give(player, request, reply)
	local kind, other = request.kind, players[request.to]
	if player.purse[kind] > 0 and other and other ~= player then
		player.purse[kind], other.purse[kind] = player.purse[kind] - 1, other.purse[kind] + 1
		table.insert(other.gifts, kind)
		journal.note("players", request.to, other)
		reply.kind = kind
	end
end

-- ---- what is asked ----

local command = {}

---A player comes in, for the first time or again.
function command.enter(uid)
	if not players[uid] then
		local n = #order + 1
		players[uid] = {
			n = n, x = math.random(0, world.WIDTH - 1), y = math.random(0, world.HEIGHT - 1), hue = n * 137 % 360,
			purse = world.purse(), gifts = {},
			number = 0, done = 0, -- of the last request; how many there were
			reply = nil,          -- to the last one
		}
		order[n] = players[uid]
		journal.note("players", uid, players[uid])
	end
	journal.written()
end

---Does what a player asks; when it is asked once more, it is only answered.
function command.ask(uid, request)
	local player = assert(players[uid], "nobody of that name is in the world")
	if request.number > player.number then
		local reply = { who = uid }
		act[request.what](player, request, reply)
		reply.x, reply.y, reply.beacon = player.x, player.y, beacon and { beacon.x, beacon.y }
		reply.gifts, player.gifts = player.gifts, {}
		player.number, player.done, player.reply = request.number, player.done + 1, reply
		journal.note("players", uid, player)
	end
	local reply = player.number == request.number and player.reply
	journal.written()
	return assert(reply, "this was asked before the last one")
end

---Somebody calls the players to a place.
function command.call(x, y)
	local now = { x = clamp(x, world.WIDTH - 1), y = clamp(y, world.HEIGHT - 1) }
	beacon = now
	skynet.timeout(CALL, function()
		if beacon == now then
			beacon = nil
		end
	end)
end

---Everything: players by uid, and how many coins lie about.
function command.account()
	journal.written()
	local n = 0
	for _, coins in pairs(lying) do
		n = n + #coins
	end
	return players, n
end

-- ---- pictures ----

---One picture as JSON.
local function picture()
	local sheet = datasheet.query "coins"
	local circles, coins, colors = {}, {}, {}
	for i, player in ipairs(order) do
		circles[i] = ("[%d,%d,%d]"):format(player.x, player.y, player.hue)
	end
	for cell, kinds in pairs(lying) do
		coins[#coins + 1] = ("[%d,%d,%q]"):format(cell % world.WIDTH, cell // world.WIDTH, kinds[#kinds])
	end
	for i, kind in ipairs(world.KINDS) do
		colors[i] = ("%q:%q"):format(kind, sheet[kind].color)
	end
	pictures = pictures + 1
	return ('{"map":%d,"n":%d,"width":%d,"height":%d,"version":%d,"colors":{%s},"beacon":[%s],"players":[%s],' ..
		'"coins":[%s]}'):format(fence, pictures, world.WIDTH, world.HEIGHT, datasheet.query("rules").version,
		table.concat(colors, ","),
		beacon and ("%d,%d"):format(beacon.x, beacon.y) or "", table.concat(circles, ","), table.concat(coins, ","))
end

---All who look have one channel, whichever map draws.
local function channel()
	local number = datacenter.get "pictures"
	if not number then
		number = multicast.new().channel
		datacenter.set("pictures", number)
	end
	return multicast.new { channel = number }
end

local function show()
	local pictures_of
	while true do
		-- What carries pictures may be away for a while; the game goes on.
		local ok, why = pcall(function()
			pictures_of = pictures_of or channel()
			pictures_of:publish(picture())
		end)
		if not ok then
			skynet.error("no picture:", why)
		end
		skynet.sleep(PICTURE)
	end
end

-- ---- the beginning ----

local function deal()
	local kinds = {}
	for _, kind in ipairs(world.KINDS) do
		for _ = 1, datasheet.query("coins")[kind].weight do
			kinds[#kinds + 1] = kind
		end
	end
	for _ = 1, math.tointeger(tonumber(os.getenv "WORLD_PLAYERS")) * world.COINS_PER_PLAYER do
		put(math.random(0, world.WIDTH - 1), math.random(0, world.HEIGHT - 1), kinds[math.random(#kinds)])
	end
end

skynet.start(function()
	local before = journal.open(fence)
	if before then
		lying, players = before.lying, before.players
		for _, player in pairs(players) do
			order[player.n] = player
		end
	else
		deal()
	end
	journal.written()
	skynet.fork(show)
	skynet.dispatch("lua", function(session, _, name, ...)
		if session == 0 then
			command[name](...)
		else
			skynet.retpack(command[name](...))
		end
	end)
end)
