-- The bank: opens the accounts, lets them live while the server is killed and the link is cut, then counts the money.
local mongo = require "skynet.db.mongo"
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local ACCOUNTS = math.tointeger(tonumber(os.getenv "BANK_ACCOUNTS"))
local SECONDS = tonumber(os.getenv "BANK_SECONDS")
local DIRECTORY = os.getenv "BANK_DIR"
local FIRST_BALANCE = 1000

local server_port = os.getenv "BANK_SERVER"
local proxy_port = os.getenv "BANK_PROXY"
math.randomseed(math.tointeger(tonumber(os.getenv "BANK_SEED")))

local function say(...)
	print(string.format(...))
	io.stdout:flush()
end

-- ---- trouble ----

local function tell_proxy(line)
	local id = assert(socket.open(DIRECTORY .. "/proxy"))
	socket.write(id, line .. "\n")
	socket.readline(id)
	socket.close(id)
end

-- It is started again by who started it.
local function kill_server()
	local file = assert(io.open(DIRECTORY .. "/server.pid"))
	os.execute("kill -9 " .. file:read "n")
	file:close()
end

local troubles = {
	{ 0.15, "the link is cut", tell_proxy, "cut" },
	{ 0.25, "the server is killed", kill_server },
	{ 0.45, "the link is cut again and again", tell_proxy, "set cut=4000 split=100" },
	{ 0.65, "the link is left alone", tell_proxy, "pass" },
	{ 0.70, "the server is killed again", kill_server },
	{ 0.85, "the link is cut once more", tell_proxy, "cut" },
}

local function make_trouble()
	local start = skynet.now()
	for _, trouble in ipairs(troubles) do
		skynet.sleep(math.floor(math.max(0, start + SECONDS * 100 * trouble[1] - skynet.now())))
		say("  %4.1f s: %s", (skynet.now() - start) / 100, trouble[2])
		trouble[3](trouble[4])
	end
	skynet.sleep(math.floor(math.max(0, start + SECONDS * 100 - skynet.now())))
end

-- ---- the bank ----

local function all(peers, name, ...)
	local request = skynet.request()
	for _, address in ipairs(peers) do
		request:add { address, "lua", name, ... }
	end
	local replies = {}
	for _, reply in request:select() do
		replies[#replies + 1] = assert(reply, "an account has died; see its log")
	end
	return replies
end

local function open_accounts(ledger)
	local entries = {}
	for i = 1, ACCOUNTS do
		entries[i] = { _id = "0/" .. i, account = i, amount = FIRST_BALANCE }
	end
	ledger:insertMany(entries)
	local uri = "mongodb://127.0.0.1:" .. proxy_port
	local peers = {}
	for i = 1, ACCOUNTS do
		peers[i] = skynet.newservice("account", i, uri)
	end
	return peers
end

-- What the ledger says: all the money, the number of transfers, and how many of them have one side only.
local function audit(ledger)
	local sum, transfers, sides = 0, 0, {}
	for entry in ledger:find():each() do
		sum = sum + entry.amount
		local number = entry._id:match "^(%d+)/"
		if number ~= "0" then
			sides[number] = (sides[number] or 0) + 1
		end
	end
	local odd = 0
	for _, n in pairs(sides) do
		transfers = transfers + 1
		odd = odd + (n ~= 2 and 1 or 0)
	end
	return sum, transfers, odd
end

-- The server may still be starting.
local function connect(conf)
	for _ = 1, 300 do
		local ok, client = pcall(mongo.client, conf)
		if ok then
			return client
		end
		skynet.sleep(20)
	end
	return mongo.client(conf)
end

local function main()
	-- The bank itself goes to the server directly, the accounts go through the proxy.
	local client = connect { host = "127.0.0.1", port = math.tointeger(tonumber(server_port)) }
	local ledger = client.bank.ledger
	say("%d accounts with %d each, %g seconds, seed %s", ACCOUNTS, FIRST_BALANCE, SECONDS, os.getenv "BANK_SEED")
	local peers = open_accounts(ledger)
	all(peers, "live", peers)
	make_trouble()
	all(peers, "stop")

	local total = {}
	local held = 0
	for _, reply in ipairs(all(peers, "report")) do
		held = held + reply[1]
		for name, n in pairs(reply[2]) do
			total[name] = (total[name] or 0) + n
		end
	end
	local sum, transfers, odd = audit(ledger)
	say("%d transfers; entries repeated because they were not sent: %d", total.transfers, total.not_sent)
	say("entries maybe applied: %d, all resolved: %d had been, %d had not", total.maybe_applied, total.was_applied,
		total.maybe_applied - total.was_applied)
	say("sum: %d, expected %d; transfers on one side only: %d", sum, ACCOUNTS * FIRST_BALANCE, odd)
	local good = sum == ACCOUNTS * FIRST_BALANCE and held == sum and odd == 0 and transfers == total.transfers
	say(good and "not a coin was lost or made" or "THE BOOKS DO NOT BALANCE")
	local file = assert(io.open(DIRECTORY .. "/result", "w"))
	file:write(good and "0" or "1")
	file:close()
end

skynet.start(function()
	skynet.fork(function()
		local ok, err = xpcall(main, debug.traceback)
		if not ok then
			say("bank: %s", tostring(err))
		end
		skynet.abort()
	end)
end)
