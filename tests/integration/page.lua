-- timeout: 300
-- config: metrics_token = "the-token-of-these-tests"
-- The page in a real browser: what it shows is true, stays where it was while it changes, and can be used by anybody.
if require "test".without "reef.http.core" then
	return
end

local browser = require "test.browser"
local core = require "reef.services"
local json = require "reef.json"
local log = require "reef.log"
local metrics = require "reef.metrics"
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local VIEWS <const> = { "overview", "services", "messages", "pools", "sockets", "shared", "cluster", "log" }
local HOSTILE <const> = "<img/src=x/onerror=document.title='owned'></script>"

local window ---@type test.browser

-- One browser keeps them all: it takes its time to start.
local promises = {}

local function promise(name, f)
	promises[#promises + 1] = { name = name, f = f }
end

local function show(view)
	window:evaluate(("location.hash = %s; new Promise(f => setTimeout(f))"):format(json.encode("#" .. view)))
end

-- Rounds of what the process tells that the page has read: waits for some more.
local function wait_for_rounds(n)
	local now = window:evaluate "rounds"
	window:eventually("more rounds", 30, ("rounds >= %d"):format(now + n))
end

local function text_of(selector)
	return window:evaluate(("document.querySelector(%s)?.textContent"):format(json.encode(selector)))
end

-- Says something in an input or chooses in a select.
local function say(selector, value, event)
	window:evaluate(([[(e => { e.value = %s; e.dispatchEvent(new Event(%s)) })(document.querySelector(%s))]]):format(
		json.encode(value), json.encode(event or "input"), json.encode(selector)))
end

local function click(selector)
	window:evaluate(("document.querySelector(%s).click()"):format(json.encode(selector)))
end

local function row_names()
	return window:evaluate "[...document.querySelectorAll('main tbody td:first-child')].map(e => e.textContent).join('|')"
end

promise("it says what process this is, and that it is live", function()
	window:evaluate [[
		rounds = 0;
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function (text) {
			if (text.includes('"seen"')) rounds++;
			return send.call(this, text);
		};
	]]
	window:eventually("it is live", 60, "document.getElementById('state').textContent === 'live'")
	window:eventually("it has read something", 30,
		"!document.querySelector('#facts').textContent.includes('–') && rounds > 0")
	local f = assert(io.open "/proc/self/stat")
	test.matches(text_of "#facts", "pid" .. f:read "a":match "^%d+" .. "version")
	f:close()
	test.equal(window:evaluate "document.querySelectorAll('.curve').length", 6)
	window:eventually("curves", 30, "document.querySelector('.curve .line').getAttribute('d').includes('L')")
	test.equal(text_of ".curve:nth-child(5) output", tostring(#core.snapshot()))
end)

promise("services are sorted, filtered and grouped, and no name is taken for HTML", function()
	for i = 1, 12 do
		test.service("watched", HOSTILE, i)
	end
	show "services"
	window:eventually("they are there", 30, "document.querySelectorAll('main tbody tr').length >= 12")
	say("main input[type=search]", "OnError")
	window:eventually("the filter", 30, "document.querySelectorAll('main tbody tr').length === 12")
	window:eventually("how many", 30, "document.querySelector('.more').textContent.startsWith('12 services of ')")
	test.truthy(row_names():find(HOSTILE, 1, true))
	click "th button"
	window:eventually("the head says so", 30, "document.querySelector('th').getAttribute('aria-sort') === 'ascending'")
	click "main input[type=checkbox]"
	say("main input[type=search]", "watch")
	window:eventually("one name", 30, [[
		document.querySelectorAll('main tbody tr').length === 1 &&
			document.querySelector('main tbody td:nth-child(2)').textContent === '12'
	]])
	click "main input[type=checkbox]"
	say("main input[type=search]", "")
	test.equal(window:evaluate "document.querySelectorAll('main img').length", 0)
	test.different(window:evaluate "document.title", "owned")
end)

promise("what is selected, focused and opened stays so while it changes", function()
	local waiting, called = test.service("watched", "a"), test.service("watched", "b")
	skynet.call(waiting, "lua", "wait_for", called)
	show "services"
	window:eventually("it is there", 30,
		("!!document.querySelector('main a[href$=\"%s\"]')"):format(skynet.address(called):sub(2)))
	window:evaluate(([[
		held = document.querySelector('main a[href$="%s"]');
		held.focus();
		document.getSelection().selectAllChildren(held.closest('tr').cells[0]);
	]]):format(skynet.address(called):sub(2)))
	-- Others move around it: it becomes the busiest, and is not any more.
	for _ = 1, 3 do
		skynet.call(called, "lua", "work", 30e6)
		wait_for_rounds(2)
	end
	test.equal(window:evaluate [[
		held.isConnected && document.activeElement === held && document.getSelection().toString().startsWith('watched')
	]], true)
	show("service?address=" .. skynet.address(waiting):sub(2))
	window:eventually("what it waits for", 30, "!!document.querySelector('details')")
	test.matches(text_of "summary", "^waits for an answer of watched " .. skynet.address(called))
	test.matches(text_of "details pre", "watched%.lua")
	local since = text_of "summary"
	window:evaluate "details = document.querySelector('details'); details.open = true"
	window:eventually("time passes", 30,
		("document.querySelector('summary').textContent !== %s"):format(json.encode(since)))
	test.equal(window:evaluate "details.isConnected && details.open", true)
	skynet.kill(called)
	window:eventually("it waits no more", 30, "!document.querySelector('details')")
end)

promise("who has the token kills a service; the page says that it is gone", function()
	local victim = test.service("watched", "victim")
	show("service?address=" .. skynet.address(victim):sub(2))
	window:eventually("it is shown", 30, [[
		document.querySelector('h1').textContent === 'watched' &&
			!document.querySelector('button.danger').closest('section').hidden
	]])
	local function give(token)
		say("#token", token)
		click "#asks-yes"
	end
	click "main button.danger"
	give "wrong"
	window:eventually("it is refused", 30, "document.getElementById('asks-error').textContent.includes('token')")
	test.truthy(core.alive(victim))
	give "the-token-of-these-tests"
	window:eventually("it is gone", 30, "document.querySelector('.pill').textContent === 'gone'")
	test.equal(core.alive(victim), false)
end)

promise("a flame graph says where the time of a service goes", function()
	local busy = test.service("watched", "busy")
	show("service?address=" .. skynet.address(busy):sub(2))
	window:eventually("the button", 30, "!!document.querySelector('.flame')")
	window:evaluate "document.querySelector('.flame').closest('section').querySelector('button').click()"
	-- It works until the ten seconds are over.
	test.eventually("the graph", 60, function()
		skynet.call(busy, "lua", "work", 3e6)
		return window:evaluate "document.querySelectorAll('.flame button').length > 0"
	end)
	test.truthy(window:evaluate "document.querySelector('.flame').textContent":find("watched.lua", 1, true))
	test.matches(text_of ".tip", "^%d+ samples")
	window:evaluate [[
		[...document.querySelectorAll('.flame button')].find(b => b.textContent.includes('watched.lua')).click()
	]]
	test.equal(text_of ".flame button", "\u{2190} all")
end)

promise("lines of the log appear as they are written; who reads further up is left there", function()
	show "log"
	window:eventually("lines", 30, "document.querySelectorAll('.log .entry').length > 0")
	for i = 1, 60 do
		log.info("filling " .. i)
	end
	log.warn("mind the gap " .. HOSTILE)
	window:evaluate "box = document.querySelector('.log'), 0"
	window:eventually("the warning", 30,
		"box.lastElementChild.querySelector('.text').textContent.startsWith('mind the gap <img')")
	test.equal(window:evaluate "box.lastElementChild.querySelector('.level').textContent", "warn")
	window:evaluate "box.scrollTop = 10"
	log.info "one more"
	window:eventually("it is there", 30, "box.lastElementChild.textContent.endsWith('one more')")
	test.equal(window:evaluate "box.scrollTop", 10)
	say("main select", "warn", "change")
	window:eventually("only warnings", 30,
		"box.children.length > 0 && [...box.children].every(e => e.matches('.warn, .error'))")
	say("main select", "verbose", "change")
end)

-- Everything that a mouse can use.
local REACHABLE <const> = [[
	[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
		.filter(e => !e.disabled && e.checkVisibility() && !e.closest('dialog'))
]]

promise("the keyboard alone reaches all, and opens what it is at", function()
	window:size(1280, 900)
	for _, view in ipairs { "overview", "services", "log" } do
		show(view)
		wait_for_rounds(2)
		click "#hold"
		window:evaluate "document.activeElement.blur(); document.getSelection().removeAllRanges()"
		window:evaluate "reached = new Set(), 0"
		local n = window:evaluate(("wanted = new Set(%s); wanted.size"):format(REACHABLE:gsub("^%s*(.-)%s*$", "%1")))
		test.truthy(n > 10)
		for _ = 1, n + 12 do
			window:key "Tab"
			window:evaluate "reached.add(document.activeElement), 0"
		end
		local missed = window:evaluate "[...wanted].filter(e => !reached.has(e)).map(e => e.outerHTML).join()"
		test.equal({ view, missed }, { view, "" })
		click "#hold"
	end
	show "overview"
	window:eventually("curves", 30, "document.querySelector('.plot')?.getAttribute('aria-valuemax') > 2")
	window:evaluate "document.querySelector('.plot').focus()"
	local latest = window:evaluate "document.activeElement.getAttribute('aria-valuenow')"
	window:key "Home"
	test.equal(window:evaluate "document.activeElement.getAttribute('aria-valuenow')", "0")
	local said = window:evaluate "document.activeElement.getAttribute('aria-valuetext')"
	test.matches(said, "^[%d.]+ %% at %d%d:%d%d:%d%d$")
	test.different(latest, "0")
	window:evaluate "document.querySelector('nav a[href=\"#services\"]').focus()"
	window:key "Enter"
	window:eventually("the view", 30, "document.querySelector('main h1').textContent === 'Services'")
end)

local without_axe

promise("it fits a telephone, in the light and in the dark, and axe finds nothing", function()
	local code, output = process.run { test.root .. "/scripts/axe-core" }
	local axe
	if code == 0 then
		local f = assert(io.open((output:gsub("%s+$", ""))))
		axe = f:read "a"
		f:close()
		window:evaluate(axe .. "; 0")
	end
	local waiting = test.service("watched", "a")
	skynet.call(waiting, "lua", "wait_for", test.service("watched", "b"))
	local views, problems = table.move(VIEWS, 1, #VIEWS, 1, {}), {}
	views[#views + 1] = "service?address=" .. skynet.address(waiting):sub(2)
	for i, view in ipairs(views) do
		-- Views are made of the same parts: every other one is looked at in the dark, and on a telephone.
		local dark = i % 2 == 0
		window:dark(dark)
		window:size(390, 844)
		show(view)
		wait_for_rounds(2)
		local width = window:evaluate "document.documentElement.scrollWidth"
		if width > 390 then
			problems[#problems + 1] = ("%s is %d pixels wide"):format(view, width)
		end
		if axe then
			window:size(dark and 390 or 1280, 844)
			local found = window:evaluate [[
				axe.run().then(r => r.violations
					.flatMap(v => v.nodes.map(n => [v.id, n.html, n.failureSummary].join(' '))).join('\n'))
			]]
			problems[#problems + 1] = found ~= "" and ("%s%s: %s"):format(view, dark and ", dark" or "", found) or nil
		end
	end
	test.equal(table.concat(problems, "\n"), "")
	without_axe = not axe and output
end)

test.case("what it shows is true, stays where it was, and can be used by anybody", { timeout = 280 }, function()
	if test.sanitizer then
		test.skip "a browser is too slow for a process under a sanitizer"
	end
	window = browser.open(("http://%s/"):format(metrics.serve "127.0.0.1:0")) or test.skip "no browser (chromium) here"
	for _, one in ipairs(promises) do
		local ok, err = xpcall(one.f, debug.traceback)
		if not ok then
			test.fail(("%s: %s"):format(one.name, err))
		end
	end
	window:close()
	test.note(("%d promises"):format(#promises))
	if without_axe then
		test.skip("kept, but axe-core cannot be had: " .. without_axe)
	end
end)

test.run()
