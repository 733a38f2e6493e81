-- timeout: 180
-- The example of a whole project (examples/world) does what it claims.
if require "test".without("reef.http.core", "reef.http.frames") then
	return
end

local browser = require "test.browser"
local process = require "test.process"
local test = require "test"

test.case("the world loses and mixes up nothing", { timeout = 150 }, function()
	local players = test.count(80)
	local code, output = process.run({
		test.root .. "/examples/world/run", players, 3, env = { REEF = test.reef, WORLD_WEB = "127.0.0.1:0" },
	}, 120)
	test.equal(code, 0, output)
	for _, claim in ipairs {
		"players +@ ", "requests +%d+  ", "coins dealt +%d+ ", "purses +@ ", "purses in Redis +@ ",
		"versions of rules +%d ", "pictures +%d+  ", "errors +0 ",
	} do
		test.matches(output, "\u{2713} " .. claim:gsub("@", players))
	end
end)

test.case("a browser shows the world; whoever ends it is told what it came to", { timeout = 150 }, function()
	local world = process.start {
		test.root .. "/examples/world/run", 20, 0, env = { REEF = test.reef, WORLD_WEB = "127.0.0.1:0" },
	}
	local page = world:expect("(http://127%.0%.0%.1:%d+/)", 60)
	world:expect("rules version 1", 60)
	-- A browser takes its time; under a sanitizer the world is too slow for it.
	local window = not test.sanitizer and browser.open(page)
	if window then
		window:eventually("a picture", 60, "picture !== null && picture.players.length === 20")
		local before = window:evaluate "JSON.stringify(picture.players)"
		test.eventually("players that move", 60, function()
			return window:evaluate "JSON.stringify(picture.players)" ~= before
		end)
		test.equal(window:evaluate "document.getElementById('players').textContent", "20")
		test.matches(window:evaluate "canvas.toDataURL().length + ' bytes'", "^%d%d%d%d+ bytes")
		-- Whoever clicks calls the players, and all see where.
		window:evaluate [[canvas.dispatchEvent(new MouseEvent('click', { clientX: 100, clientY: 100, bubbles: true }))]]
		window:eventually("the place that was clicked on", 60, "picture.beacon.length === 2")
		window:close()
	end
	world:signal "INT"
	test.equal({ world:wait(60) }, { 0 }, world:output())
	test.matches(world:output(), "\u{2713} coins dealt +120 ")
	if not window then
		test.skip "no browser (chromium) here"
	end
end)

test.run()
