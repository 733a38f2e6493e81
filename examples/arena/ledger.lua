-- The ledger: every move, written down in MongoDB through a pool. A document's id is who moved and the number of the
-- move: so it is there once, however often it had to be written.
local pool = require "reef.pool"
local skynet = require "skynet"

local ledger = {}
ledger.__index = ledger

local BATCH = 25
local DUPLICATE_KEY = 11000

---@param uri string
function ledger.open(uri)
	local client = pool.mongo(uri, { size = 4 })
	return setmetatable({ client = client, moves = client.arena.moves, pending = {}, repeated = 0 }, ledger)
end

-- Nothing but that documents are there already.
local function are_there(err)
	for _, each in ipairs(err.writeErrors or { {} }) do
		if each.code ~= DUPLICATE_KEY then
			return false
		end
	end
	return true
end

---Writes down what has been noted, for as long as it takes.
function ledger:write()
	local again = false
	while #self.pending > 0 do
		local ok, err = pcall(self.moves.insertMany, self.moves, self.pending, { ordered = false })
		if ok or again and are_there(err) then
			self.pending = {}
		elseif err.outcome == "rejected" then
			error(err, 0)
		else
			again = true
			self.repeated = self.repeated + 1
			skynet.sleep(10)
		end
	end
end

---@param me integer    who moved
---@param move integer  the number of that move
---@param points integer that went
function ledger:note(me, move, from, to, points)
	table.insert(self.pending, { _id = me .. ":" .. move, from = from, to = to, points = points })
	if #self.pending >= BATCH then
		self:write()
	end
end

---What the ledger says: how many moves, and how much each player has gained or lost.
---@return integer moves
---@return table<integer, integer> gains
function ledger:balance()
	local n, gains = 0, {}
	for move in self.moves:find():each() do
		n = n + 1
		gains[move.from] = (gains[move.from] or 0) - move.points
		gains[move.to] = (gains[move.to] or 0) + move.points
	end
	return n, gains
end

return ledger
