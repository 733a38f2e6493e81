-- `reef top`: numbers of a process, as text and on a terminal.
local metrics = require "reef.metrics"
local peer = require "reef.test.peer"
local process = require "test.process"
local test = require "test"

local address

local function top(...)
	return process.run { test.reef, "top", ... }
end

-- `reef top` on a terminal: what it showed, screen by screen.
local function on_terminal(size, steps, ...)
	local command = { "python3", test.root .. "/tests/support/terminal.py", size }
	table.move(steps, 1, #steps, #command + 1, command)
	for _, word in ipairs { "--", test.reef, "top", ... } do
		command[#command + 1] = word
	end
	local code, output = process.run(command, 120)
	test.equal(code, 0, output)
	return output
end

test.case("without a terminal it prints text once", function()
	address = metrics.serve "127.0.0.1:0"
	local code, output = top(address)
	test.equal(code, 0, output)
	test.matches(output, "^reef %d+%.%d+%.%d+  pid %d+  ")
	test.matches(output, "\nCPU [%d.]+%%  messages [%d.K]+/s  services %d+  queued %d+  errors %d+\n")
	test.matches(output, "\nADDRESS       CPU QUEUED  MEMORY  MSG/s ERRORS  NAME\n")
	test.matches(output, "\n:%x+ +[%d.]+%% +%d+ +[%d.]+K +[%d.]+ +0  snlua command_top")
	test.equal(output:find "\27", nil)
	code, output = top(address:match ":(%d+)$")
	test.equal(code, 0, output)
	test.matches(output, "^reef %d+%.%d+%.%d+  pid %d+  ")
	code, output = top(address, "--group", "--filter", "COMMAND_top", "--limit", "1", "--sort", "memory")
	test.equal(code, 0, output)
	test.matches(output, "\nSERVICES +CPU QUEUED  MEMORY  MSG/s ERRORS  NAME\n1 [^\n]*  command_top\n$")
end)

test.case("on a terminal keys sort, group, filter and end; it fits when the size changes", function()
	local output = on_terminal("80x24", {
		"expect:by CPU", "expect:snlua command_top", "send:m", "expect:by memory", "send:g", "expect:SERVICES", "send:g",
		"expect:ADDRESS", "size:20x5",
		"expect:\27\\[H[^\r]{1,20}\27\\[K\r\r\n", "send:/", "expect:filter: \27", "send:launch",
		"expect:filter: launch", "send:er\r", "size:100x12", 'expect:with "launcher", 1 services',
		"send:\\x1b[B\\x1b[B\\x1b[5~", "expect:\27\\[J", "send:/", "send:\\x1b", 'expect:by memory, ', "send:q",
		"gone:",
	}, address)
	test.matches(output, "^\27%[%?1049h\27%[%?25l\27%[%?7l")
	test.matches(output, "\27%[%?7h\27%[%?25h\27%[%?1049l$") -- as it was before
	for screen in output:gmatch "\27%[H(.-)\27%[J" do
		local rows = select(2, screen:gsub("\r\r?\n", "")) + 1
		test.truthy(rows == 24 or rows == 5 or rows == 12, rows)
	end
end)

test.case("SIGTERM, ^C and a terminal that goes away end it, and the terminal is as before", function()
	for _, step in ipairs { "kill:15", "send:\\x03" } do
		local output = on_terminal("40x10", { "expect:by CPU", step, "gone:" }, address)
		test.matches(output, "\27%[%?1049l$")
	end
end)

local function answering(...)
	local bodies, turn = { ... }, 0
	return peer.start(function(c)
		while true do
			repeat
				local line = c:line "\r\n"
			until line == ""
			turn = turn % #bodies + 1
			c:write(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#bodies[turn], bodies[turn]))
		end
	end)
end

test.case("who is not there, or no Reef, is told with exit code 1", function()
	local gone = peer.start(function() end)
	gone:refuse()
	local rubbish = peer.start(function(c)
		c:write "\27[2J rubbish\r\n\r\n"
	end)
	local closes = peer.start(function(c)
		c:line()
	end)
	local endless = peer.start(function(c)
		c:write "HTTP/1.1 200 OK\r\n\r\n"
		c:trickle((" "):rep(64 << 20), 1 << 20, 1)
	end)
	-- With a sanitizer so much may take longer than a request may.
	local no_end = test.sanitizer and "" or "does not end"
	for _, case in ipairs {
		{ gone.port, "Connection refused" }, { rubbish.port, "HTTP" }, { closes.port, "closed" },
		{ endless.port, no_end }, { answering("hello").port, "is no JSON" }, { answering("[]").port, "is no Reef" },
		{ answering('{"pid":1}', '{"services":3}').port, "is no Reef" },
	} do
		local code, output = top("127.0.0.1:" .. case[1])
		test.equal(code, 1, output)
		test.matches(output, "^reef top: 127%.0%.0%.1:%d+: [^\n]*" .. case[2] .. "[^\n]*\n$")
		test.equal(output:find "\27", nil)
	end
	for _, words in ipairs {
		{ "nowhere" }, { "a:65536" }, { "::1:80" }, { "0" }, { "" },
		{}, { "a:1", "b:2" }, { "a:1", "--sort", "colour" }, { "a:1", "--interval", "nan" },
		{ "a:1", "--limit", "0" }, { "--all", "a:1" }, { "a:1", "--filter" },
	} do
		local code, output = top(table.unpack(words))
		test.equal(code, 2, output)
		test.matches(output, "^reef top: .* %(see reef top %-%-help%)\n$")
	end
end)

test.case("names cannot move the cursor, and fields of other types are no error", function()
	local evil = answering('{"pid":1,"version":"\\u001b]0;x\\u0007","host":{},"cpu_rate":"fast","ready":false}', [[{
		"matching":"x", "services":[3,
		{"address":"\u001b[2J\n\n","description":"a\u001b[31mb\u0007\nc\u009b1m","cpu_rate":1e99},
		{"name":["x"],"names":[1],"memory":-1,"queued":{}}, {} ]}]])
	local code, output = top("127.0.0.1:" .. evil.port)
	test.equal(code, 0, output)
	test.equal(output:find "[\27\7]", nil)
	test.equal(output:find("\u{9b}", 1, true), nil)
	test.matches(output, "NOT READY")
	local shown = on_terminal("20x5", { "expect:by CPU", "send:q", "gone:" }, "127.0.0.1:" .. evil.port)
	test.equal(shown:find "\27%[2J", nil)
	test.equal(shown:find "\27%[31m", nil)
	test.equal(shown:find "\7", nil)
end)

test.run()
