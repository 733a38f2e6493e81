-- Players that are played by a program. Each keeps its own account of its coins.
local client = require "client"
local skynet = require "skynet"
local world = require "world"

local THINK = { 5, 15 } -- 1/100 s
local LOSES = 0.01      -- how likely a request loses its connection
local PATIENCE = 15     -- seconds for an answer, until another door is tried

local bots = {}
local playing = true
local errors = {}

local function note(kind)
	errors[#errors + 1] = tostring(kind)
	skynet.error(kind)
end

local function one_of(list)
	return list[math.random(#list)]
end

---What the player does next.
local function choose(bot)
	local r = math.random()
	local kind = one_of(world.KINDS)
	if bot.purse[kind] > 0 and r < 0.06 then
		return { what = "drop", kind = kind }
	elseif bot.purse[kind] > 0 and r < 0.15 then
		return { what = "give", kind = kind, to = one_of(bot.all) }
	elseif bot.took_a_step then
		return { what = "take" }
	end
	if bot.beacon then
		local far = math.max(1, math.abs(bot.beacon[1] - bot.x), math.abs(bot.beacon[2] - bot.y))
		return { what = "move", dx = (bot.beacon[1] - bot.x) * 3 // far, dy = (bot.beacon[2] - bot.y) * 3 // far }
	elseif math.random() < 0.1 then
		bot.dx, bot.dy = math.random(-3, 3), math.random(-3, 3)
	end
	bot.dx = bot.x == 0 and math.abs(bot.dx) or bot.x == world.WIDTH - 1 and -math.abs(bot.dx) or bot.dx
	bot.dy = bot.y == 0 and math.abs(bot.dy) or bot.y == world.HEIGHT - 1 and -math.abs(bot.dy) or bot.dy
	return { what = "move", dx = bot.dx, dy = bot.dy }
end

---Books what a reply says.
local function book(bot, request, reply)
	if reply.kind then
		local n = request.what == "take" and 1 or -1
		bot.purse[reply.kind] = bot.purse[reply.kind] + n
	end
	for _, kind in ipairs(reply.gifts or {}) do
		bot.purse[kind] = bot.purse[kind] + 1
	end
	bot.took_a_step = request.what == "move"
	bot.x, bot.y, bot.version = reply.x, reply.y, reply.version
	bot.beacon = reply.beacon and #reply.beacon == 2 and reply.beacon or nil
end

local function play(bot)
	bot.playing = true
	while playing do
		local request = choose(bot)
		local ok, reply = pcall(bot.client.ask, bot.client, request, math.random() < LOSES)
		if not ok then
			note(reply)
			break
		end
		book(bot, request, reply)
		bot.requests = bot.requests + 1
		skynet.sleep(math.random(table.unpack(THINK)))
	end
	bot.playing = false
end

local command = {}

---Logs these players in, each by one of the doors.
function command.log_in(uids, all, doors)
	for _, uid in ipairs(uids) do
		local ok, connection = pcall(client.new, uid, doors, tonumber(uid:match "%d+$") % #doors + 1)
		if ok then
			table.insert(bots, { uid = uid, all = all, client = connection, purse = world.purse(), dx = 1, dy = 0,
				requests = 0, x = 0, y = 0, version = 0 })
		else
			note(connection)
		end
	end
	return #bots
end

function command.play()
	for _, bot in ipairs(bots) do
		skynet.fork(play, bot)
	end
	skynet.fork(function()
		while playing do
			skynet.sleep(100)
			for _, bot in ipairs(bots) do
				bot.client:hurry(PATIENCE)
			end
		end
	end)
end

---Ends the game: returns when no player waits for an answer any more.
function command.stop()
	playing = false
	for _, bot in ipairs(bots) do
		while bot.playing do
			skynet.sleep(1)
		end
	end
end

---When all have stopped: a last look, and what each player has by its own account.
function command.account()
	local accounts = {}
	for _, bot in ipairs(bots) do
		local ok, reply = pcall(bot.client.ask, bot.client, { what = "look" })
		if ok then
			book(bot, { what = "look" }, reply)
		else
			note(reply)
		end
		bot.client:close()
		accounts[bot.uid] = { purse = bot.purse, requests = bot.requests + 1, repeated = bot.client.repeated,
			moved = bot.client.moved, version = bot.version }
	end
	return accounts, errors
end

---How many requests were answered so far, and how many of any player at least.
function command.progress()
	local n, least = 0, math.huge
	for _, bot in ipairs(bots) do
		n, least = n + bot.requests, math.min(least, bot.requests)
	end
	return n, least
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
