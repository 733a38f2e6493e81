-- Waits that may last for ever: those that would are refused, others are said in the log.
local project = require "project"
local test = require "test"

---Unique services that launch as `lines` say: name -> Lua text of the start function.
local function project_of(starts, main)
	local files = { ["main.lua"] = ([[
		local skynet = require "skynet"
		skynet.start(function()
			%s
			io.stdout:flush()
			require("skynet.manager").abort()
		end)
	]]):format(main) }
	for name, text in pairs(starts) do
		files[name .. ".lua"] = ([[
			local skynet = require "skynet"
			skynet.start(function() %s end)
		]]):format(text)
	end
	return project.new(files)
end

local function run(p)
	local reef = p:start(p:config())
	local code = test.within(30, reef.wait, reef)
	return code, reef:output()
end

test.case("unique services that wait for each other to start get an error", function()
	local p = project_of({
		a = "skynet.uniqueservice 'b'",
		b = "skynet.uniqueservice 'a'",
		one = "skynet.newservice 'between'",
		between = "skynet.queryservice 'three'",
		three = "skynet.uniqueservice 'one'",
		itself = "skynet.uniqueservice 'itself'",
		global_one = "skynet.uniqueservice(true, 'global_two')",
		global_two = "skynet.newservice 'global_between'",
		global_between = "skynet.uniqueservice(true, 'global_one')",
		tries = "assert(not pcall(skynet.uniqueservice, 'tries_too'))",
		tries_too = "skynet.uniqueservice 'tries'",
	}, [[
		skynet.fork(function() pcall(skynet.uniqueservice, "three") end)
		for _, name in ipairs { "a", "one", "itself", "tries" } do
			print(name, pcall(skynet.uniqueservice, name))
		end
		print("global", pcall(skynet.uniqueservice, true, "global_one"))
	]])
	local code, output = run(p)
	test.equal(code, 0)
	test.matches(output, "a\tfalse\t[^\n]*wait for each other to start: b %-> a %-> b\n")
	test.matches(output, "one\tfalse\t[^\n]*wait for each other to start: ")
	test.matches(output, "itself\tfalse\t[^\n]*wait for each other to start: itself %-> itself\n")
	test.matches(output, "global\tfalse\t[^\n]*wait for each other[^\n]*: @global_two %-> @global_one %-> @global_two\n")
	test.matches(output, "tries\ttrue\t%d+\n")
end)

test.case("circles of every length and order of start end, and trees start", { timeout = 120 }, function()
	math.randomseed(test.seed)
	for _ = 1, test.count(15) do
		local n = math.random(2, 7)
		local needs, starts, circular = {}, {}, {}
		for i = 1, n do
			needs[i] = {}
			for _ = 1, math.random(0, 2) do
				table.insert(needs[i], math.random(n))
			end
		end
		-- A service fails if it leads into a circle.
		local function leads(i, path)
			if path[i] then
				return true
			end
			path[i] = true
			for _, j in ipairs(needs[i]) do
				if leads(j, path) then
					return true
				end
			end
			path[i] = nil
			return false
		end
		local lines = {}
		for i = 1, n do
			circular[i] = leads(i, {})
			local text = {}
			for k, j in ipairs(needs[i]) do
				text[k] = ("skynet.uniqueservice 's%d'"):format(j)
			end
			starts["s" .. i] = table.concat(text, " ")
			lines[i] = ([[
				skynet.fork(function() print('s%d', pcall(skynet.uniqueservice, 's%d')) left = left - 1 end)
			]]):format(i, i)
		end
		local p = project_of(starts, ("local left = %d %s while left > 0 do skynet.sleep(1) end"):format(
			n, table.concat(lines, "\n")))
		local code, output = run(p)
		test.equal(code, 0, output)
		for i = 1, n do
			local got = ("\n" .. output):match(("\ns%d\t(%%l+)\t"):format(i))
			test.equal(got, tostring(not circular[i]), ("s%d\n%s"):format(i, output))
		end
	end
end)

test.case("a fork may wait for the service that waits for its own", function()
	local p = project_of({
		a = "skynet.uniqueservice 'b'",
		b = "skynet.fork(function() print('fork', pcall(skynet.uniqueservice, 'a')) end) skynet.sleep(20)",
	}, "print('a', pcall(skynet.uniqueservice, 'a')) skynet.sleep(10)")
	local _, output = run(p)
	test.matches(output, "a\ttrue")
	test.matches(output, "fork\ttrue")
end)

test.case("services of skynet.service that wait for each other get an error", function()
	local p = project_of({}, [[
		local service = require "skynet.service"
		print("a", pcall(service.new, "a", function()
			require("skynet.service").new("b", function()
				require("skynet.service").new("a", function() end)
			end)
		end))
		print("other", pcall(service.new, "other", function() end))
	]])
	local _, output = run(p)
	test.matches(output, "a\tfalse\t[^\n]*wait for each other to start: b %-> a %-> b\n")
	test.matches(output, "other\ttrue")
end)

test.case("waits for what nobody has are said in the log after a second", function()
	local p = project_of({ long = "skynet.wait()" }, [[
		skynet.fork(function() skynet.call("NOBODY", "lua", 1) end)
		skynet.send("NOBODY", "lua", 2)
		skynet.fork(function() require("skynet.harbor").queryname "NONAME" end)
		skynet.fork(function() skynet.queryservice "never" end)
		skynet.fork(function() skynet.uniqueservice "long" end)
		skynet.fork(function() require("skynet.service").query "unmade" end)
		skynet.fork(function() require("skynet.datacenter").wait("no", "value") end)
		skynet.sleep(250)
	]])
	local _, output = run(p)
	test.matches(output, "nobody has the global name NOBODY: 2 messages wait for it, the first is from :%x+; "
		.. "names of one process begin with a dot\n")
	test.matches(output, "nobody has that global name[^\n]*")
	test.matches(output, "1 wait for the unique service never, which nobody has launched; the first is :%x+\n")
	test.matches(output, "1 wait for the unique service long, which is still starting; the first is :%x+\n")
	test.matches(output, "1 wait for the service unmade, which nobody has made\n")
	test.matches(output, "datacenter.wait: nobody has set no.value\n")
	test.equal(select(2, output:gsub("nobody has the global name NOBODY", "")), 1)
end)

test.case("waits that end are not said", function()
	local p = project_of({}, [[
		skynet.fork(function() skynet.call("SOMEBODY", "lua", 1) end)
		skynet.sleep(30)
		require("skynet.manager").register "SOMEBODY"
		skynet.sleep(150)
	]])
	local _, output = run(p)
	test.truthy(not output:find "nobody has")
end)

test.run()
