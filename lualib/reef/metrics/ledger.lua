-- Counters of services that have ended. A sum over services must not go down when one of them ends: what it had counted
-- when it was last seen, or has said at its end, is kept.

---@class reef.metrics.ledger
---@field seen table<integer, table<string, number>>  by the service's address
---@field asking boolean|nil  services are being asked, and `settle` follows
---@field left table<integer, table<string, number>>  what services have said at their end meanwhile
---@field kept table<string, number>
local ledger = {}
ledger.__index = ledger

---@return reef.metrics.ledger
function ledger.new()
	return setmetatable({ seen = {}, left = {}, kept = {} }, ledger)
end

local function keep(self, counters)
	for key, value in pairs(counters) do
		self.kept[key] = (self.kept[key] or 0) + value
	end
end

---A service ends, with these counters. Between two looks nothing is left of it but the sum.
---@param address integer
---@param counters table<string, number>
function ledger:leave(address, counters)
	if self.asking then
		self.left[address] = counters
	else
		self.seen[address] = nil
		keep(self, counters)
	end
end

---Calls report(key, value) for what those had counted who have not answered: services that have ended, and silent ones.
---@param living table<integer, table<string, number>>  counters by key, of all services that have answered
---@param report fun(key: string, value: number)
---@param listed table<integer, boolean>|nil  who has been asked; nil: all of them have answered
function ledger:settle(living, report, listed)
	for address, counters in pairs(self.left) do
		-- Who has answered and ended since is in the sum already: what it said last counts from the next time on.
		local of = living[address] and living or self.seen
		of[address] = counters
	end
	for address, counters in pairs(self.seen) do
		if not living[address] and listed and listed[address] and not self.left[address] then
			living[address] = counters
			for key, value in pairs(counters) do
				report(key, value)
			end
		elseif not living[address] then
			keep(self, counters)
		end
	end
	self.seen, self.left, self.asking = living, {}, nil
	for key, value in pairs(self.kept) do
		report(key, value)
	end
end

return ledger
