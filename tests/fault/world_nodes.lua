-- timeout: 600
-- The example world as three nodes that find each other by etcd: nodes and a member of etcd are killed while players
-- play. Each request has a number: what all sides have counted at the end is the same.
local process = require "test.process"
local servers = require "test.etcd"
local test = require "test"

local function world_on(hosts)
	if not servers.can_speak then
		test.skip "built without HTTP"
	end
	local players = test.sanitizer and 18 or 60
	local code, output = process.run({
		test.root .. "/examples/world/run", "--nodes", players, 1, env = { REEF = test.reef, WORLD_HOSTS = hosts },
	}, 280)
	if code == 77 then
		test.skip(output)
	end
	test.equal(code, 0, output)
	for _, claim in ipairs {
		"players +@ ", "requests +%d+ ", "log%-ins again +%d+ ", "maps +[2-9] ", "coins dealt +%d+ ", "purses +@ ",
		"purses in Redis +@ ", "errors +0 ", "all nodes that were left have ended in order",
	} do
		test.matches(output, "\u{2713} " .. claim:gsub("@", players))
	end
	return output
end

test.case("players outlive two nodes and a member of etcd, on three hosts", { timeout = 290 }, function()
	local output = world_on ""
	if not output:find "network namespaces" then
		test.skip "no network namespaces: they need root, and ip"
	end
end)

test.case("and on three addresses of one host", { timeout = 290 }, function()
	test.matches(world_on "loopback", "addresses of the loopback")
end)

test.run()
