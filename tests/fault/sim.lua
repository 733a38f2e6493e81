-- timeout: 1800
-- tsan: no, a simulation runs in one thread
-- Our own drivers in the simulation, with seeds that nobody has chosen, ten thousand in all; and faults that are put
-- back into a copy of a module, to see that the simulation finds each. Those of C, which need a build each, are for
-- scripts/mutations; here is only held that they can still be put back.
local process = require "test.process"
local test = require "test"

local SCRIPTS <const> = test.root .. "/tests/sim/"
local BOUND <const> = "2000" -- seeds within which a fault is to be found
local UNTIL <const> = { schedule = "800d" } -- a year, and the jumps of its clock
local SLOWNESS <const> = 60 -- of a simulation under a sanitizer: so many fewer seeds

---@return integer? code, string output
local function sim(script, ...)
	return process.run({ cwd = test.dir, test.reef, "sim", SCRIPTS .. script .. ".lua", "--until", UNTIL[script] or "1d",
		"--limit", "240", ... }, 800)
end

local function holds(seeds, name, word)
	test.case(("%s %s keeps its promises"):format(name, word or ""), { timeout = 900 }, function()
		local runs = test.sanitizer and math.max(1, seeds // SLOWNESS) or seeds
		local code, output = sim(name, "--runs", tostring(runs), "--seed", tostring(math.random(1 << 31)), "--", word)
		test.equal(code, 0, output)
	end)
end

holds(3000, "channel", "order")
holds(2700, "channel", "session")
holds(1500, "redis")
holds(700, "pool")
holds(500, "transactions")
holds(400, "cluster")
holds(200, "mongo")
holds(180, "mongo", "streams")
holds(200, "mongo", "pool")
holds(20, "schedule")
holds(300, "http")
holds(200, "subscribers")
holds(200, "subscribers", "pool")

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

is_found("a late reply is taken for the next one", "channel", "order", "reef/socketchannel/ordered", [[
		local item = self.pending[self.first]
		if not item then]], [[
		while self.pending[self.first] and self.pending[self.first].done do
			self.pending[self.first] = nil
			self.first = self.first + 1
		end
		local item = self.pending[self.first]
		if not item then]], "was answered by")

is_found("a lost wake-up", "channel", "session", "reef/socketchannel/connecting", [[
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

is_found("a POST is sent again", "http", "reef.http.client", "reef/http/client",
	"local reusable = idempotent[request.method]", "local reusable = true", "POST %S+ was done 2 times")

is_found("messages are missing, and nobody is told", "subscribers", "reef.redis.pubsub", "reef/redis/pubsub", [[
		note_loss(self)
		self.link]], "		self.link", "without a word")

is_found("a moment is run again when the clock is set back", "schedule", "reef.schedule", "reef/schedule",
	"now < self.seen - self.back", "now < self.seen", "it was run for")

local function read(path)
	local file <close> = assert(io.open(path))
	return file:read "a"
end

-- Each hunk of a patch: what it finds in the file that it is for.
test.case("the faults of C can be put back", function()
	local hunks = 0
	local _, names = process.run { "ls", SCRIPTS .. "mutations" }
	for name in names:gmatch "%S+" do
		local patch = read(SCRIPTS .. "mutations/" .. name)
		test.matches(patch, "^%u[^\n]*%.\nsim: %l+[^\n]*\nsays: [^\n]+\n\n%-%-%- ")
		local source = read(test.root .. "/" .. patch:match "\n%-%-%- a/(%S+)\n")
		for hunk in patch:gmatch "\n@@[^\n]*(\n.-)%f[\n\0]\n?%f[@\0]" do
			local found = hunk:gsub("\n%+[^\n]*", ""):gsub("\n[ -]", "\n")
			test.truthy(source:find(found, 1, true), name .. " finds its place:" .. found)
			hunks = hunks + 1
		end
	end
	test.truthy(hunks >= 13, "hunks")
end)

test.run()
