-- timeout: 180
-- The examples do what they claim.
local process = require "test.process"
local test = require "test"

test.case("the arena loses no point when Redis is killed", { timeout = 150 }, function()
	local code, output = process.run {
		test.root .. "/examples/arena/run", 100, 5, 7, env = { REEF = test.reef },
	}
	test.equal(code, 0, output)
	local claims = { "Redis killed under load +1 ", "points dealt +100000 ", "versions of the items +10 " }
	if output:find("Without MongoDB", 1, true) == nil then
		table.insert(claims, "players' balances +100 ")
	end
	for _, claim in ipairs(claims) do
		test.matches(output, "\u{2713} " .. claim)
	end
end)

test.run()
