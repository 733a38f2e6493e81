-- One account: a service that writes its entries in the ledger, and sends money to others.
--
-- A transfer has a number, and two entries: one of the account that gives, one of the account that takes. The entry's
-- id is made of the number, so the server takes it only once. An insert of which nobody knows whether the server has
-- done it (`maybe applied`) is simply done again: either it had not, or the server says that the id is there already.
local mongo = require "skynet.db.mongo"
local queue = require "skynet.queue"
local skynet = require "skynet"

local DUPLICATE_KEY = 11000

local id, uri = ...
id = math.tointeger(tonumber(id))

local ledger
local in_turn = queue()
local balance
local peers
local stopping = false
local counts = { transfers = 0, maybe_applied = 0, was_applied = 0, not_sent = 0 }

-- Writes an entry once, whatever happens on the way.
local function enter(number, amount)
	local entry = { _id = ("%d/%d"):format(number, id), account = id, amount = amount }
	local doubtful = false
	while true do
		local ok, err = pcall(ledger.insertOne, ledger, entry)
		if ok or (doubtful and err.code == DUPLICATE_KEY) then
			counts.was_applied = counts.was_applied + (ok and 0 or 1)
			balance = balance + amount
			return
		elseif err.outcome == "maybe applied" then
			counts.maybe_applied = counts.maybe_applied + (doubtful and 0 or 1)
			doubtful = true
		elseif err.outcome == "not sent" then
			counts.not_sent = counts.not_sent + 1
			skynet.sleep(10)
		else
			error(err, 0)
		end
	end
end

local function debit(number, amount)
	if balance < amount then
		return false
	end
	enter(number, -amount)
	return true
end

local function live()
	local serial = 0
	while not stopping do
		serial = serial + 1
		local number = id * 1000000 + serial
		local amount = math.random(20)
		local to = math.random(#peers)
		if to ~= id and in_turn(debit, number, amount) then
			skynet.call(peers[to], "lua", "credit", number, amount)
			counts.transfers = counts.transfers + 1
		end
		skynet.sleep(math.random(10))
	end
end

local command = {}

function command.credit(number, amount)
	in_turn(enter, number, amount)
	return true
end

local finished = {}

function command.live(all)
	peers = all
	skynet.fork(function()
		live()
		finished.done = true
		skynet.wakeup(finished)
	end)
	return true
end

-- No more transfers are begun; answers when the last one is through.
function command.stop()
	stopping = true
	if not finished.done then
		skynet.wait(finished)
	end
	return true
end

function command.report()
	return balance, counts
end

skynet.start(function()
	local client = mongo.client { uri = uri, maxPoolSize = 1, timeoutMS = 5000, heartbeatFrequencyMS = 2000 }
	ledger = client.bank.ledger
	balance = 0
	for entry in ledger:find({ account = id }):each() do
		balance = balance + entry.amount
	end
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
