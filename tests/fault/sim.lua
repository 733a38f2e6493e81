-- timeout: 900
-- Our own drivers in the simulation, with seeds that nobody has chosen; and faults that are put back into a copy of
-- a module, to see that the simulation finds each.
local process = require "test.process"
local test = require "test"

local SCRIPTS <const> = test.root .. "/tests/sim/"
local SEEDS <const> = test.count(150)
local BOUND <const> = "2000" -- seeds within which a fault is to be found
local UNTIL <const> = { schedule = "800d" } -- a year, and the jumps of its clock
local LONG <const> = { schedule = 10 } -- a run takes as long as so many others

---@return integer? code, string output
local function sim(script, ...)
	return process.run({ cwd = test.dir, test.reef, "sim", SCRIPTS .. script .. ".lua", "--until", UNTIL[script] or "1d",
		"--limit", "240", ... }, 800)
end

local function holds(name, ...)
	local words = { name, ... }
	test.case(table.concat(words, " ") .. " keeps its promises", { timeout = 300 }, function()
		local seed = tostring(math.random(1 << 31))
		local runs = math.max(1, SEEDS // (LONG[name] or 1))
		local code, output = sim(name, "--runs", tostring(runs), "--seed", seed, "--", table.unpack(words, 2))
		test.equal(code, 0, output)
	end)
end

holds("channel", "order")
holds("channel", "session")
holds "redis"
holds "pool"
holds "transactions"
holds "cluster"
holds "mongo"
holds("mongo", "streams")
holds "schedule"

-- A copy of a module in which a text, which has to be there once, is another.
local function with_fault(module, from, to)
	local input <close> = assert(io.open(test.root .. "/lualib/" .. module .. ".lua"))
	local text = input:read "a"
	local at, last = text:find(from, 1, true)
	test.truthy(at and not text:find(from, last + 1, true), "the place of the fault in " .. module)
	local path = process.path "with_fault.lua"
	local output <close> = assert(io.open(path, "w"))
	assert(output:write(text:sub(1, at - 1), to, text:sub(last + 1)))
	return path
end

local function is_found(what, script, word, module, from, to, says)
	test.case("is found: " .. what, { timeout = 300 }, function()
		local path = with_fault(module, from, to)
		local code, output = sim(script, "--runs", BOUND, "--", word, path)
		test.equal(code, 1, output)
		test.matches(output, says)
	end)
end

is_found("a late reply is taken for the next one", "channel", "order", "skynet/socketchannel", [[
		local item = self.pending[self.first]
		if not item then]], [[
		while self.pending[self.first] and self.pending[self.first].done do
			self.pending[self.first] = nil
			self.first = self.first + 1
		end
		local item = self.pending[self.first]
		if not item then]], "was answered by")

is_found("a lost wake-up", "channel", "session", "skynet/socketchannel", [[
				skynet.wakeup(token)
			end
]], [[
				skynet.wakeup(token)
				break
			end
]], "has waited since")

is_found("a place among connections is given to two", "transactions", "reef.redis.lender", "reef/redis/lender", [[
		skynet.wakeup(token)
	else
		self.used = self.used - 1]], [[
		skynet.wakeup(token)
		self.used = self.used - 1
	else
		self.used = self.used - 1]], "connections are lent")

is_found("a write may have been done, and its error says that it was not sent", "mongo", "reef.mongo.attempts",
	"reef/mongo/attempts", [[
			remember(told, unsure)
]], "", "was sent: .* %(not sent%)")

is_found("a moment is run again when the clock is set back", "schedule", "reef.schedule", "reef/schedule",
	"now < self.seen - self.back", "now < self.seen", "it was run for")

test.run()
