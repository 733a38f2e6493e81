-- Counters of services that have ended. A sum over services must not go down when one of them ends: what it had counted
-- when it was last seen is kept.

---@class reef.metrics.ledger
---@field seen table<integer, table<string, number>>  by the service's address
---@field kept table<string, number>
local ledger = {}
ledger.__index = ledger

---@return reef.metrics.ledger
function ledger.new()
	return setmetatable({ seen = {}, kept = {} }, ledger)
end

---Calls report(key, value) for what ended services had counted.
---@param living table<integer, table<string, number>>  counters by key, of all services that there are
---@param report fun(key: string, value: number)
function ledger:settle(living, report)
	for address, counters in pairs(self.seen) do
		if not living[address] then
			for key, value in pairs(counters) do
				self.kept[key] = (self.kept[key] or 0) + value
			end
		end
	end
	self.seen = living
	for key, value in pairs(self.kept) do
		report(key, value)
	end
end

return ledger
