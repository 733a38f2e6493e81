-- timeout: 180
-- The example of a whole project (examples/world) does what it claims.
if require "test".without("reef.http.core", "reef.http.frames") then
	return
end

local httpc = require "http.httpc"
local json = require "test.json"
local process = require "test.process"
local test = require "test"
local websocket = require "http.websocket"

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

---A page in Chromium: a function that evaluates JavaScript in it, and one that ends the browser.
local function open_browser(page)
	local browser = process.start {
		"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir=" .. process.path "chromium", "--remote-debugging-port=0", page,
	}
	local host = browser:expect("DevTools listening on ws://([^/]+)/", 60)
	local target
	test.eventually("the page in the browser", 60, function()
		local _, list = httpc.get(host, "/json/list")
		for _, one in ipairs(json.decode(list)) do
			target = one.type == "page" and one.url == page and one.webSocketDebuggerUrl or target
		end
		return target
	end)
	local id, n = websocket.connect(target), 0
	local function ask(method, parameters)
		n = n + 1
		websocket.write(id, ('{"id":%d,"method":%q,"params":%s}'):format(n, method, parameters or "{}"))
		while true do
			local answer = json.decode((assert(websocket.read(id))))
			if answer.id == n then
				return answer.result
			end
		end
	end
	return function(expression)
		local answer = ask("Runtime.evaluate", ('{"expression":%q,"returnByValue":true}'):format(expression))
		return answer.result.value
	end, function()
		ask "Browser.close"
		websocket.close(id)
		browser:wait(60)
	end
end

test.case("a browser shows the world; whoever ends it is told what it came to", { timeout = 150 }, function()
	local world = process.start {
		test.root .. "/examples/world/run", 20, 0, env = { REEF = test.reef, WORLD_WEB = "127.0.0.1:0" },
	}
	local page = world:expect("(http://127%.0%.0%.1:%d+/)", 60)
	world:expect("rules version 1", 60)
	-- A browser takes its time; under a sanitizer the world is too slow for it.
	local has_browser = not test.sanitizer and (process.run { "sh", "-c", "command -v chromium" }) == 0
	if has_browser then
		local evaluate, close = open_browser(page)
		test.eventually("a picture", 60, evaluate, "picture !== null && picture.players.length === 20")
		local before = evaluate "JSON.stringify(picture.players)"
		test.eventually("players that move", 60, function()
			return evaluate "JSON.stringify(picture.players)" ~= before
		end)
		test.equal(evaluate "document.getElementById('players').textContent", "20")
		test.matches(evaluate "canvas.toDataURL().length + ' bytes'", "^%d%d%d%d+ bytes")
		-- Whoever clicks calls the players, and all see where.
		evaluate [[canvas.dispatchEvent(new MouseEvent('click', { clientX: 100, clientY: 100, bubbles: true }))]]
		test.eventually("the place that was clicked on", 60, evaluate, "picture.beacon.length === 2")
		close()
	end
	world:signal "INT"
	test.equal({ world:wait(60) }, { 0 }, world:output())
	test.matches(world:output(), "\u{2713} coins dealt +120 ")
	if not has_browser then
		test.skip "no browser (chromium) here"
	end
end)

test.run()
