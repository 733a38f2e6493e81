-- What a player has done so far: counts, and how long requests took, in buckets an eighth of an octave wide.
local tally = {}
tally.__index = tally

local WIDTH = 8

function tally.new()
	return setmetatable({
		requests = 0, errors = 0, duels = 0, gifts = 0, conflicts = 0,
		news = 0, unsure = 0, -- announcements heard by somebody; without a reply
		again = 0, doubtful = 0, done = 0, undone = 0, -- not sent; maybe applied, and what came of that
		torn = 0, version = 0, -- of the configuration
		repeated = 0, -- writes to the ledger
		buckets = {},
	}, tally)
end

---@param ns integer
function tally:took(ns)
	local bucket = math.floor(math.log(ns, 2) * WIDTH)
	self.requests = self.requests + 1
	self.buckets[bucket] = (self.buckets[bucket] or 0) + 1
end

---Adds another's; `other` may have come through a message.
function tally:add(other)
	for name, value in pairs(other) do
		if name ~= "buckets" then
			self[name] = self[name] + value
		end
	end
	for bucket, n in pairs(other.buckets) do
		self.buckets[bucket] = (self.buckets[bucket] or 0) + n
	end
end

---The time, in ms, that `part` (0..1) of the requests did not exceed.
function tally:percentile(part)
	local order, sum = {}, 0
	for bucket in pairs(self.buckets) do
		order[#order + 1] = bucket
	end
	table.sort(order)
	for _, bucket in ipairs(order) do
		sum = sum + self.buckets[bucket]
		if sum >= part * self.requests then
			return 2 ^ ((bucket + 1) / WIDTH) / 1e6
		end
	end
	return 0
end

return tally
