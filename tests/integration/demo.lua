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

test.case("the world loses and mixes up nothing", { timeout = 150 }, function()
	local code, output = process.run({
		test.root .. "/examples/world/run", 80, 5, env = { REEF = test.reef, WORLD_WEB = "127.0.0.1:0" },
	}, 120)
	test.equal(code, 0, output)
	for _, claim in ipairs {
		"players +80 ", "requests +%d+  ", "coins dealt +480 ", "purses +80 ", "purses in Redis +80 ",
		"versions of rules +5 ", "pictures +%d+  ", "errors +0 ",
	} do
		test.matches(output, "\u{2713} " .. claim)
	end
end)

test.case("the world ends in order when somebody ends it, and says what it came to", { timeout = 150 }, function()
	local world = process.start {
		test.root .. "/examples/world/run", 20, 0, env = { REEF = test.reef, WORLD_WEB = "127.0.0.1:0" },
	}
	world:expect("rules version 1", 60)
	world:signal "INT"
	test.equal({ world:wait(60) }, { 0 }, world:output())
	test.matches(world:output(), "\u{2713} coins dealt +120 ")
end)

test.run()
