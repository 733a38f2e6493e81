-- timeout: 600
-- The code of a record and that of today: where they differ, what comes of it, and whose lines were at work.
local project = require "project"
local records = require "test.records"
local test = require "test"

---The text of a module that has some lines above, and what it says is on line `at`.
local function rules(at, factor)
	return ("\n"):rep(at - 3) .. ([[
return function(n)
	if n > 12 then n = n * %d end
	print("rule", n)
	return n
end
]]):format(factor)
end

local BY_RULES <const> = [[
local rule = require "rules"
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		skynet.retpack((rule(n)))
	end)
end)
]]

---A record of a service with a module, whose print stands on line `at`.
local function record_rules(at)
	return records.of(BY_RULES, nil, { ["lualib/rules.lua"] = rules(at, 2) })
end

test.case("changed code shows the first difference, and where it is", function()
	local p = records.of(records.SUM)
	test.equal(records.replay(p), 0)
	p:write("fixed/one.lua", 'local skynet = require "skynet"\n' .. records.SUM:gsub("n %* 2", "n * 3"))
	local code, output = records.replay(p, nil, "--with", "fixed/one.lua")
	test.equal(code, 1, output)
	test.matches(output, "difference 1, in message 14, after [%d.]+ s")
	test.matches(output, "recorded: prints: sum\t104\n.-now:      it does not")
	test.matches(output, "which is 104\n")
	test.matches(output, "which is 117\n")
	test.matches(output, "in function '[%w.]+%.retpack'\n.*one.lua:7: in function")
	test.matches(output, "NOT as recorded")
	-- A file that the service does not load changes nothing, and whoever asks for it is told.
	p:write("fixed/two.lua", "")
	code, output = records.replay(p, nil, "--with", "fixed/two.lua")
	test.equal(code, 1, output)
	test.matches(output, "fixed/two.lua was not loaded: no file of the service has that name")
	-- What only looks more closely is no other outcome.
	p:write("fixed/one.lua", 'local skynet = require "skynet"\n'
		.. records.SUM:gsub("sum = sum %+", "skynet.now() sum = sum +"))
	code, output = records.replay(p, nil, "--with", "fixed/one.lua")
	test.equal(code, 0, output)
	test.matches(output, "as recorded but for looks at the clock")
end)

test.case("a difference shows both stacks, although the code that was recorded is there no more", function()
	for _ = 1, test.count(5) do
		local old, new = math.random(3, 60), math.random(61, 99)
		local p = record_rules(old)
		p:write("lualib/rules.lua", rules(new, 3))
		local code, output = records.replay(p)
		test.equal(code, 1, output)
		test.matches(output, "replay: %./lualib/rules.lua is not as it was recorded\n")
		test.matches(output, "difference 1, in message 14.-now:      stack traceback:\n[^\n]+print'\n\t%./lualib/rules.lua:"
			.. new .. ": .-recorded: stack traceback:\n[^\n]+print'\n\t%./lualib/rules.lua:" .. old .. ": ")
		test.equal(select(2, output:gsub("recorded: stack", "")), 1, output)
		-- So does a file of the same name elsewhere, and an error has the stack of what has failed.
		p:write("lualib/rules.lua", rules(old, 2))
		p:write("fixed/rules.lua", "return function(n) return n == 13 and error 'no' or n end")
		code, output = records.replay(p, nil, "--with", "fixed/rules.lua")
		test.equal(code, 1, output)
		test.matches(output, "recorded: stack traceback:\n[^\n]+print'\n\t%./lualib/rules.lua:" .. old .. ": ")
	end
end)

test.case("each thing done has the stack of the line that did it", function()
	local lines = {}
	for i = 1, 40 do
		lines[i] = ({ 'print "at"', 'skynet.send(skynet.self(), "lua", "at")', 'skynet.timeout(1, print)',
			'skynet.error "at"', 'os.time()', 'local _ = 1' })[math.random(6)]
	end
	local p = records.of("skynet.start(function()\n"
		.. "skynet.dispatch('lua', function(s) if s ~= 0 then skynet.ret() end end)\n"
		.. table.concat(lines, "\n") .. "\nend)")
	local _, shown = records.replay(p, nil, "--show")
	os.remove(p.dir .. "/service/one.lua")
	local at, seen, deeds = 3, 0, {}
	for offset, what in shown:gmatch "\n *[%d.]+ +1 +(%d+)  ([^\n]+)" do
		if what:find "^prints: at" or what:find "^sends to .*at$" or what:find "^sets a timer"
			or what:find "^logs: at" then
			deeds[#deeds + 1] = offset
		end
	end
	for i, line in ipairs(lines) do
		if not line:find "^local" and not line:find "^os" then
			seen = seen + 1
			local code, output = records.replay(p, nil, "--stack", deeds[seen] or test.fail(shown))
			test.equal(code, 0, output)
			test.matches(output, "^stack traceback:.-%./service/one.lua:" .. at + i .. ": ")
		end
	end
	test.equal(seen, #deeds, shown)
	local code, output = records.replay(p, nil, "--stack", "100000000")
	test.equal(code, 1, output)
	test.matches(output, "does not get there: the service has ended")
end)

test.case("an offset at which nothing begins has no stack", function()
	local p = records.of(records.SUM)
	local _, shown = records.replay(p, nil, "--show")
	local offsets, begins = {}, {}
	for offset in shown:gmatch "\n *[%d.]+ +%d+ +(%d+)  " do
		offsets[#offsets + 1] = tonumber(offset)
		begins[tonumber(offset)] = true
	end
	for _ = 1, test.count(20) do
		local i = math.random(#offsets - 1)
		local between = math.random(offsets[i] + 1, offsets[i + 1])
		local code, output = records.replay(p, nil, "--stack", tostring(between))
		if begins[between] then
			test.equal(code, 0, output)
			test.truthy(output:find "^stack traceback" or output:find "^no Lua code is at work", output)
		else
			test.equal(code, 1, output)
			test.matches(output, ("nothing begins at offset %d; what comes next begins at %d\n"):format(between,
				offsets[i + 1]))
		end
	end
end)

test.case("a replay ends at the first request that is another one: the record has no answer to it", function()
	local p = records.of([[
skynet.start(function()
	local other = skynet.newservice "other"
	skynet.dispatch("lua", function(_, _, n)
		skynet.send(other, "lua", n)
		skynet.retpack(skynet.call(other, "lua", n))
	end)
end)
]], nil, { ["service/other.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	skynet.dispatch("lua", function(session, _, n)
		if session ~= 0 then
			skynet.retpack(n)
		end
	end)
end)
]] })
	local function changed(from, to)
		local code, n = p:read("service/one.lua"):gsub(from, to)
		test.equal(n, 1, from)
		p:write("fixed/one.lua", code)
		local status, output = records.replay(p, nil, "--with", "fixed/one.lua")
		test.equal(status, 1, output)
		return output
	end
	for _, more in ipairs { "skynet.call(other, 'lua', 7)", "skynet.genid()" } do
		local n = math.random(1, 20)
		local output = changed("skynet.retpack", ("if n == %d then %s end skynet.retpack"):format(n, more))
		test.matches(output, "difference [12], in .-of no use: what it has is no answer to that")
		test.equal(output:find("difference 3", 1, true), nil, output)
	end
	test.matches(changed("call%(other", "call(skynet.self()"), "difference 1, in .-no answer to that")
	-- What nobody answers may go elsewhere, and what is asked may be asked otherwise.
	local output = changed("send%(other", "send(n == 3 and skynet.self() or other")
	test.matches(output, "difference 1, in .-NOT as recorded; the service has ended")
	output = changed('call%(other, "lua", n', '%0 == 3 and 4 or n')
	test.matches(output, "difference 1, in .-NOT as recorded; the service has ended")
end)

test.case("a record is replayed without the files of its service", function()
	local p = record_rules(7)
	local bare = project.new {}
	bare:write("one.rec", p:read(records.first(p)))
	for _, name in ipairs { "service/one.lua", "lualib/rules.lua" } do
		test.truthy(os.remove(p.dir .. "/" .. name))
	end
	for _, where in ipairs { p, bare } do
		local code, output = records.replay(where, where == p and records.first(p) or "one.rec")
		test.equal(code, 0, output)
		test.matches(output, "one.lua is not here: it comes from the record")
		test.matches(output, "rule\t40\n.*answers: as recorded")
	end
	-- What stands there now is run, unless that is not wanted.
	p:write("service/one.lua", "error 'another'")
	local code, output = records.replay(p)
	test.equal(code, 1, output)
	test.matches(output, "one.lua is not as it was recorded.*one.lua:1: another")
	code, output = records.replay(p, nil, "--recorded")
	test.equal(code, 0, output)
end)

test.case("a difference that is not the code's is said to be none", function()
	local p = records.of(records.SUM)
	local bytes, n = p:read(records.first(p)):gsub("sum\t104", "sum\t105")
	test.equal(n, 1)
	p:write("wrong.rec", bytes)
	local code, output = records.replay(p, "wrong.rec")
	test.equal(code, 1, output)
	test.matches(output, "code is as it was recorded: something else has changed")
	test.equal(output:find "recorded: stack", nil, output)
end)

test.case("what is recorded is the text that is run, with a mark or a first line for the shell", function()
	for _, head in ipairs { "\xEF\xBB\xBF", "#!/usr/bin/env reef\n", "\xEF\xBB\xBF#!reef\n", "" } do
		local p = records.of(BY_RULES, nil, { ["lualib/rules.lua"] = head .. rules(9, 2) })
		os.remove(p.dir .. "/lualib/rules.lua")
		local code, output = records.replay(p)
		test.equal(code, 0, output)
	end
end)

test.run()
