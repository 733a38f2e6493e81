-- What the log says, from which level on, and in which form.
local json = require "reef.json"
local process = require "test.process"
local project = require "project"
local test = require "test"

local SAYS = [[
	local skynet = require "skynet"
	local log = require "reef.log"
	%s
	skynet.start(function()
		%s
		require("skynet.manager").abort()
	end)
]]

-- The lines that the service `main` says, of a log with this configuration.
local function said_by(lines, code, before)
	local p = project.new { ["main.lua"] = SAYS:format(before or "", code) }
	local exit, output = p:run(p:config(lines))
	test.equal(exit, 0, output)
	local list = {}
	local handle = output:match "%[:(%x+)%] LAUNCH snlua main" or "00000007"
	for line in output:gmatch("%[:" .. handle .. "%] ([^\n]*)") do
		if not line:find "^LAUNCH" and not line:find "^the process ends" and not line:find "^KILL" then
			list[#list + 1] = (line:gsub("table: 0x%x+", "table: TABLE"))
		end
	end
	return list, output, p
end

local ALL = [[
	log.debug("one", 1, nil, true)
	log.info "two"
	log.warn "three"
	log.error "four"
	skynet.error("five", 5)
]]

test.case("each level has its lines, and those below the threshold are not written", function()
	local lines = { "debug: one 1 nil true", "two", "warning: three", "error: four", "five 5" }
	local function only(...)
		local list = {}
		for i, n in ipairs { ... } do
			list[i] = lines[n]
		end
		return list
	end
	test.equal(said_by("", ALL), only(2, 3, 4, 5))
	test.equal(said_by("log_level = 'debug'", ALL), lines)
	test.equal(said_by("log_level = 'info'", ALL), only(2, 3, 4, 5))
	test.equal(said_by("log_level = 'warn'", ALL), only(3, 4))
	test.equal(said_by("log_level = 'error'", ALL), only(4))
	test.equal(said_by("log_level = 'error,ma*=debug'", ALL), lines)
	test.equal(said_by("log_level = 'debug,m*n=warn,other=info'", ALL), only(3, 4))
	test.equal(said_by("log_level = 'mai=debug'", ALL), only(2, 3, 4, 5))
end)

test.case("what comes and goes is below info, and there unless that is asked for", function()
	local _, output = said_by("", "")
	test.matches(output, "%] LAUNCH snlua main\n")
	_, output = said_by("log_level = 'info'", "")
	test.equal(output:find "LAUNCH", nil, output)
	test.matches(output, "starts: pid")
end)

test.case("the threshold changes while services run, of those that run and of those that come", function()
	local code = [[
		log.debug "not yet"
		log.set("debug", "main")
		log.debug "now"
		local other = skynet.newservice("other")
		skynet.call(other, "lua")
		log.set("debug")
		skynet.call(other, "lua")
		log.set("warn", "oth*")
		skynet.call(other, "lua")
		-- In one piece: lines of the log may come between two.
		local rules = {}
		for i, rule in ipairs(log.rules()) do rules[i] = rule.pattern .. "\t" .. rule.level end
		local _, loud = pcall(log.set, "loud")
		print(table.concat(rules, "\n") .. "\n" .. loud .. "\n", log.enabled "debug", pcall(log.set, "info", ""))
		io.stdout:flush()
	]]
	local p = project.new {
		["main.lua"] = SAYS:format("", code),
		["other.lua"] = [[
			local skynet = require "skynet"
			local log = require "reef.log"
			local n = 0
			skynet.start(function()
				skynet.dispatch("lua", function()
					n = n + 1
					log.debug("other says", n)
					log.warn("other warns", n)
					skynet.retpack()
				end)
			end)
		]],
	}
	local exit, output = p:run(p:config())
	test.equal(exit, 0, output)
	local list = {}
	for line in output:gmatch "%] (%l+: [^\n]*)" do
		list[#list + 1] = line
	end
	test.equal(list, { "debug: now", "warning: other warns 1", "debug: other says 2", "warning: other warns 2",
		"warning: other warns 3" })
	test.matches(output, "%*\tdebug\noth%*\twarn\n[^\n]*there is no level loud: debug, verbose, info, warn and error are\n"
		.. "\ttrue\tfalse\t")
end)

test.case("rules: whatever is set, the last that fits a name counts", function()
	local code = [[
		local function fits(pattern, name)
			return name:find("^" .. pattern:gsub("%*", ".*") .. "$") ~= nil
		end
		local levels = { "debug", "info", "warn", "error" }
		local own = { { "*", "verbose" } }
		math.randomseed(tonumber(skynet.getenv "seed"))
		for i = 1, 300 do
			local parts = { "m", "a", "i", "n", "*", "x" }
			local pattern = ""
			for _ = 1, math.random(4) do pattern = pattern .. parts[math.random(#parts)] end
			if math.random(5) == 1 then pattern = "main" end
			local level = levels[math.random(#levels)]
			if pattern == "*" then own = {} end
			for k = #own, 1, -1 do
				if own[k][1] == pattern then table.remove(own, k) end
			end
			if #own > 40 then own = { { "*", "info" } } log.set("info") end
			own[#own + 1] = { pattern, level }
			log.set(level, pattern)
			local counts
			for _, rule in ipairs(own) do
				if fits(rule[1], "main") then counts = rule[2] end
			end
			for k, name in ipairs { "debug", "verbose", "info", "warn", "error" } do
				local least = ({ debug = 1, verbose = 2, info = 3, warn = 4, error = 5 })[counts]
				assert(log.enabled(name) == (k >= least), ("%s %s %s %d"):format(pattern, name, counts, i))
			end
		end
		log.set "info"
		log.info "all rules held"
	]]
	test.equal(said_by("seed = " .. math.random(1 << 30), code), { "all rules held" })
end)

test.case("tables say what is in them, within bounds and without secrets", function()
	test.equal(said_by("", [[
		log.info({}, { 3, "x", a = { b = { c = { d = 1 } } } }, { password = "secret", user = "u" })
		log.info(setmetatable({ a = 1 }, { __tostring = function() return "its own" end }), { f = print and true })
		local large = {}
		for i = 1, 100 do large[i] = i end
		log.info(large)
		local circle = {}
		circle.self = circle
		assert(pcall(log.info, circle))
	]]), {
		'{} { 3, "x", a = { b = { c = { d = 1 } } } } { password = *** user = "u" }', "its own { f = true }",
		"{ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, "
			.. "29, 30, 31, 32, ... }",
		"{ self = { self = { self = { self = table: TABLE } } } }",
	})
end)

test.case("an error that is a table says what is in it", function()
	local _, output = said_by("", [[
		skynet.dispatch("lua", function() error { code = 5, why = "no such user" } end)
		pcall(skynet.call, skynet.self(), "lua")
	]])
	test.matches(output, 'error : { code = 5, why = "no such user" }\nstack traceback:')
end)

test.case("lines as JSON: one object a line, whatever is in them", function()
	local list = {}
	local pieces = { '"', "\\", "\n", "\t", "\27", "é", "{", "}", "a b", "error: ", "\0", "\255" }
	for i = 1, test.count(200) do
		local parts = {}
		for k = 1, math.random(6) do
			parts[k] = pieces[math.random(#pieces)]
		end
		list[i] = ("%q"):format(table.concat(parts)):gsub("[\r\26]", "")
	end
	local p = project.new { ["main.lua"] = SAYS:format("",
		"for _, text in ipairs { " .. table.concat(list, ",") .. " } do skynet.error(text) end log.warn 'last'") }
	local exit = p:run(p:config "log_format = 'json' logger = './log.txt'")
	test.equal(exit, 0)
	local n, last = 0, nil
	for line in p:read("log.txt"):gmatch "([^\n]*)\n" do
		local entry = json.decode(line)
		n = n + 1
		test.matches(entry.time, "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d[+-]%d%d:%d%d$")
		test.matches(entry.service, "^:%x%x%x%x%x%x%x%x$")
		test.truthy(({ debug = 1, verbose = 1, info = 1, warn = 1, error = 1 })[entry.level], entry.level)
		test.equal(type(entry.text), "string")
		if entry.text == '"' then
			test.equal(entry.name, "main")
		end
		if entry.level == "warn" then
			last = entry.text
		end
	end
	test.equal(last, "last")
	test.truthy(n >= #list, n)
end)

test.case("times with their zone, or none", function()
	local p = project.new { ["main.lua"] = SAYS:format("", "") }
	p:run(p:config "log_time = 'iso' logger = './log.txt'")
	for line in p:read("log.txt"):gmatch "([^\n]*)\n" do
		test.matches(line, "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d[+-]%d%d:%d%d %[:%x+%] ")
	end
	local _, output = p:run(p:config "log_time = 'iso'", { env = { TZ = "XYZ-05:30" } })
	test.matches(output, "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%+05:30 %[:00000000%] reef ")
	os.remove(p:path "log.txt")
	p:run(p:config "log_time = 'none' logger = './log.txt'")
	test.matches(p:read "log.txt", "^%[:00000000%] reef ")
end)

test.case("colours are for terminals, and for those who want them", function()
	if not os.execute "command -v script > /dev/null" then
		test.skip "no script(1) to make a terminal with"
	end
	local p = project.new { ["main.lua"] = SAYS:format("", ALL) }
	local words = p:config()
	local function on_terminal(env)
		local _, output = process.run { "script", "-qec", test.reef .. " " .. words[1], "/dev/null", cwd = p.dir, env = env }
		return output
	end
	local output = on_terminal()
	test.matches(output, "%] \27%[33mwarning: three\27%[0m\r?\n")
	test.matches(output, "%] \27%[31merror: four\27%[0m\r?\n")
	test.equal(on_terminal({ NO_COLOR = "1" }):find "\27", nil)
	local _, plain = p:run(words)
	test.equal(plain:find "\27", nil)
end)

test.case("where the journal reads, each line begins with its priority", function()
	local p = project.new { ["main.lua"] = SAYS:format("", ALL .. "log.error 'two\\nlines'"), journal = "" }
	local words = p:config "log_level = 'debug'"
	process.run { "sh", "-c", ("JOURNAL_STREAM=$(stat -c %%d:%%i journal) exec %s %s > journal"):format(test.reef,
		words[1]),
		cwd = p.dir }
	local text = p:read "journal"
	for _, line in ipairs {
		"<7>%[:%x+%] debug: one", "<6>%[:%x+%] two\n", "<4>%[:%x+%] warning: three", "<3>%[:%x+%] error: four",
		"<3>%[:%x+%] error: two\n<3>lines\n", "<6>%[:%x+%] LAUNCH",
	} do
		test.matches("\n" .. text, "\n" .. line)
	end
	local _, output = p:run(words, { env = { JOURNAL_STREAM = "1:1" } })
	test.equal(output:find "<%d>", nil)
end)

test.case("the first line says what starts, and the last ones why and how it ends", function()
	local p = project.new { ["main.lua"] = SAYS:format("", "") }
	local _, output = p:run(p:config())
	test.matches(output,
		"^%[:00000000%] reef %d[%w.]* starts: pid %d+, configuration config, 2 workers, %d+ open files at most\n")
	test.matches(output, "%[:%x+%] the process ends: this service has aborted it\n")
	test.matches(output, "\n%[:00000000%] the process has ended, [%d.]+ m?s after its end began: exit code 0\n$")
	p:write("main.lua", "require('skynet').start(function() require('reef.process').stop(5) end)")
	local code
	code, output = p:run(p:config())
	test.equal(code, 5)
	test.matches(output, "%[:%x+%] the process ends: this service has asked for it\n")
	test.matches(output, "after its end began: exit code 5\n$")
	p:write("main.lua", "require('skynet').start(function() end)")
	local running = p:start(p:config())
	running:expect "LAUNCH snlua main"
	running:signal "HUP"
	running:expect "SIGHUP: the log is opened anew, and certificates are read again"
	running:signal "TERM"
	test.equal({ running:wait() }, { 0 })
	test.matches(running:output(), "%[:00000000%] SIGTERM: the process ends in order\n")
	test.matches(running:output(), "after its end began: exit code 0\n$")
	-- A script that is run says nothing of it.
	p:write("main.lua", "require('skynet').start(function() require('skynet').exit() end)")
	code, output = p:run { "run", "main.lua" }
	test.equal(code, 0)
	test.equal(output:find "the process", nil, output)
end)

test.run()
