-- timeout: 180
-- The example of a whole project (examples/world) does what it claims.
local process = require "test.process"
local test = require "test"

test.case("the world loses and mixes up nothing", { timeout = 150 }, function()
	local code, output = process.run({
		test.root .. "/examples/world/run", 80, 3, env = { REEF = test.reef, WORLD_WEB = "127.0.0.1:0" },
	}, 120)
	test.equal(code, 0, output)
	for _, claim in ipairs {
		"players +80 ", "requests +%d+  ", "coins dealt +480 ", "purses +80 ", "purses in Redis +80 ",
		"versions of rules +%d ", "pictures +%d+  ", "errors +0 ",
	} do
		test.matches(output, "\u{2713} " .. claim)
	end
end)

---The page in a browser until it shows all players.
local function look_with_browser(page, players)
	-- How long it takes until the first picture is there is the machine's affair.
	test.eventually("players in the browser's page", 80, function()
		local _, dom = process.run({
			"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync",
			"--user-data-dir=" .. process.path "chromium", "--timeout=2000", "--dump-dom", page,
		}, 60)
		return dom:find(('<b id="players">%d</b>'):format(players), 1, true) and dom:find '<b id="rate">[1-9]'
			and dom:find(">connected<", 1, true)
	end)
end

test.case("a browser shows the world; whoever ends it is told what it came to", { timeout = 150 }, function()
	local world = process.start {
		test.root .. "/examples/world/run", 20, 0, env = { REEF = test.reef, WORLD_WEB = "127.0.0.1:0" },
	}
	local page = world:expect("(http://127%.0%.0%.1:%d+/)", 60)
	world:expect("rules version 1", 60)
	local has_browser = (process.run { "sh", "-c", "command -v chromium" }) == 0
	if has_browser then
		look_with_browser(page, 20)
	end
	world:signal "INT"
	test.equal({ world:wait(60) }, { 0 }, world:output())
	test.matches(world:output(), "\u{2713} coins dealt +120 ")
	if not has_browser then
		test.skip "chromium is not installed"
	end
end)

test.run()
