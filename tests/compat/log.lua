-- The log: what may stand in it, and what happens when it cannot be written.
local process = require "test.process"
local project = require "project"
local test = require "test"

-- Logs `count` lines, then tells by a file that it goes on, every hundredth of a second.
local FLOOD = [[
local skynet = require "skynet"
local count, size = ...
skynet.start(function()
	for i = 1, count do
		skynet.error("line", i, ("x"):rep(size))
		if i % 100 == 0 then skynet.sleep(1) end
	end
	for i = 1, 3000 do
		skynet.sleep(1)
		local f = io.open("tick", "w")
		f:write(i)
		f:close()
	end
end)
]]

local function ticks(p)
	return tonumber(p:read "tick" or "") or 0
end

local function wait_for_ticks(p)
	local before = ticks(p)
	test.eventually("services go on", 20, function()
		return ticks(p) > before + 5
	end)
end

---@return integer[] numbers of the lines that are there
---@return integer lost, by what the log says
local function lines_of(text)
	local found, lost = {}, 0
	for line in text:gmatch "([^\n]*)\n" do
		local n = line:match "%] line (%d+) x*$"
		if n then
			found[#found + 1] = tonumber(n)
		else
			lost = lost + (tonumber(line:match "%] (%d+) log lines are missing here") or 0)
		end
	end
	return found, lost
end

local function assert_in_order(numbers)
	for i = 2, #numbers do
		test.truthy(numbers[i] > numbers[i - 1], numbers[i])
	end
end

test.case("a pipe that nobody drains holds nobody up; what is missing is counted there", { timeout = 60 }, function()
	for _, threads in ipairs { 1, 2 } do
		local p = project.new { ["flood.lua"] = FLOOD, ["config"] = "" }
		local config = p:config(("thread = %d log_buffer = 1 start = 'flood 5000 500' logger = './pipe'"):format(threads))
		os.execute("mkfifo " .. p:path "pipe")
		-- Holds the pipe open and reads nothing until it is told to.
		local reader = process.start { "sh", "-c", "exec < pipe; while [ ! -e drain ]; do sleep 0.05; done; cat > drained",
			cwd = p.dir }
		local reef = p:start(config)
		wait_for_ticks(p)
		p:write("drain", "")
		test.eventually("the log goes on", 20, function()
			return (p:read "drained" or ""):find "log lines are missing here"
		end)
		reef:signal "TERM"
		test.equal({ reef:wait() }, { 0 })
		reader:wait()
		local found, lost = lines_of(p:read "drained")
		assert_in_order(found)
		test.truthy(lost > 0)
		test.equal(#found + lost, 5000)
	end
end)

test.case("a log pipe may get its reader later, and another one after that", { timeout = 60 }, function()
	local p = project.new { ["flood.lua"] = FLOOD }
	os.execute("mkfifo " .. p:path "pipe")
	local reef = p:start(p:config "start = 'flood 300 50' logger = './pipe'")
	wait_for_ticks(p)
	local first = process.start { "sh", "-c", "head -c 4000 pipe > first", cwd = p.dir }
	first:wait()
	local second = process.start { "sh", "-c", "cat pipe > second", cwd = p.dir }
	test.eventually("the rest is written", 20, function()
		return (p:read "second" or ""):find "%] line 300 "
	end)
	reef:signal "TERM"
	test.equal({ reef:wait() }, { 0 })
	second:wait()
	test.matches(p:read "first", "LAUNCH snlua bootstrap\n")
	test.matches(reef:output(), "cannot write the log %./pipe: ")
end)

test.case("a process ends although its log pipe is not drained", { timeout = 60 }, function()
	local p = project.new { ["flood.lua"] = FLOOD }
	os.execute("mkfifo " .. p:path "pipe")
	local reader = process.start { "sh", "-c", "exec < pipe; exec sleep 60", cwd = p.dir }
	local reef = p:start(p:config "start = 'flood 2000 200' logger = './pipe'")
	wait_for_ticks(p)
	reef:signal "TERM"
	test.equal({ test.within(20, reef.wait, reef) }, { 0 })
	test.matches(reef:output(), "reef: the end of the log %./pipe is missing, %d+ bytes could not be written\n")
	reader:signal "KILL"
end)

test.case("a full disk is said once; lines are kept and written when there is room", { timeout = 60 }, function()
	local p = project.new { ["flood.lua"] = FLOOD }
	os.execute("ln -s /dev/full " .. p:path "log.txt")
	local reef = p:start(p:config "start = 'flood 3000 50' logger = './log.txt'")
	wait_for_ticks(p)
	os.remove(p:path "log.txt")
	reef:signal "HUP"
	test.eventually("all of it is written", 20, function()
		local found, lost = lines_of(p:read "log.txt" or "")
		return #found == 3000 and lost == 0
	end)
	reef:signal "TERM"
	test.equal({ reef:wait() }, { 0 })
	assert_in_order((lines_of(p:read "log.txt")))
	test.matches(p:read "log.txt",
		"^%d%d/%d%d/%d%d %d%d:%d%d:%d%d%.%d%d %[:%x+%] reef [^\n]*\n[^\n]*%[:%x+%] LAUNCH snlua bootstrap\n")
	local _, times = reef:output():gsub("reef: cannot write the log %./log.txt: No space left on device", "")
	test.equal(times, 1)
end)

test.case("a file that may not grow does not end the process", { timeout = 60 }, function()
	local p = project.new { ["flood.lua"] = FLOOD, ["tick"] = "0" }
	local words = p:config "start = 'flood 3000 50' logger = './log.txt'"
	local reef = process.start { "sh", "-c", "ulimit -f 40; exec " .. test.reef .. " " .. words[1], cwd = p.dir }
	test.eventually("it is said", 20, function()
		return reef:output():find "cannot write the log ./log.txt: File too large"
	end)
	wait_for_ticks(p)
	reef:signal "TERM"
	test.equal({ reef:wait() }, { 0 })
	local text = p:read "log.txt"
	test.between(#text, 1, 40 * 1024)
end)

test.case("with stdout and stderr closed nothing is written into other files", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			local f = io.open("data", "w")
			skynet.error "a line of the log"
			skynet.sleep(5)
			f:write "data"
			f:close()
			require("skynet.manager").abort()
		end)
	]] }
	local words = p:config()
	local code = process.run { "sh", "-c", "exec " .. test.reef .. " " .. words[1] .. " <&- >&- 2>&-", cwd = p.dir }
	test.equal(code, 0)
	test.equal(p:read "data", "data")
end)

-- ---- what may stand in it ----

local pieces = {
	"\27[31m", "\27]0;title\7", "\r", "\8\8\8", "\0", "\127", "\155", "\194\155", "\194\133", "\226\128\174", "\n", "\t",
	"\n[:00000001] ", "\n01/01/26 00:00:00.00 [:00000001] ", "é€🐚", "\192\155", "\237\160\128", "\255\254", "plain ",
	"stack traceback:\n\t[C]: in ?",
	"redis://:s3cr3t/x@h ", "unix://u:s3cr3t@/tmp/x ", "redis://h?password=s3cr3t ", "mongodb://u:s3cr3t@a:1,b:2/?w=1 ",
	"password = 's3cr3t' ",
}

local function hostile_text()
	local list = {}
	for i = 1, math.random(8) do
		list[i] = pieces[math.random(#pieces)]
	end
	return table.concat(list)
end

test.case("no control character, forged line or password gets into it, by whatever way", { timeout = 60 }, function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = function(s) return s end }
			local f <close> = io.open("input", "rb")
			local texts = load(f:read "a")()
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, text) error(text, 0) end)
				for i, text in ipairs(texts) do
					if i % 4 == 0 and skynet.getenv "logservice" == "logger" then
						skynet.send(".logger", "text", text)
					elseif i % 4 == 1 then
						pcall(skynet.call, skynet.self(), "lua", text)
					elseif i % 4 == 2 then
						pcall(skynet.newservice, (text:gsub("%z", "")))
					else
						skynet.error(text)
					end
				end
				require("skynet.manager").abort()
			end)
		]],
	}
	local texts = {}
	for i = 1, test.count(2000) do
		texts[i] = ("%q"):format(hostile_text()):gsub("[\r\26]", { ["\r"] = "\\13", ["\26"] = "\\26" })
	end
	p:write("input", "return {" .. table.concat(texts, ",") .. "}")
	p:write("mylog.lua", [[
		local skynet = require "skynet"
		skynet.register_protocol {
			name = "text", id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
			dispatch = function(_, address, line)
				io.stdout:write(("[:%08x] %s\n"):format(address, line))
			end,
		}
		skynet.start(function() end)
	]])
	for _, logger in ipairs { "logger = './log.txt'", "", "logservice = 'snlua' logger = 'mylog'" } do
		local code, output = p:run(p:config(logger))
		test.equal(code, 0)
		local log = p:read "log.txt" or ""
		local text = logger:find "log.txt" and log or output
		local control = text:find "[%z\1-\8\11-\31\127]"
		test.equal(control, nil, control and ("%q"):format(text:sub(control - 20, control + 20)))
		test.truthy(utf8.len(text), "not UTF-8")
		test.equal(text:find "\194[\128-\159]", nil)
		test.equal(text:find("s3cr3t", 1, true), nil)
		test.equal(not logger:find "mylog" and text:find "\n%[:00000001%]" or nil, nil)
		test.equal(not logger:find "mylog" and text:find "\n%d%d/%d%d/%d%d [%d:.]+ %[:00000001%]" or nil, nil)
		test.matches(text, "\\x1b%[31m")
		test.matches(text, "\nstack traceback:\n")
	end
end)

test.case("errors are red on a terminal, with nothing but our own colour", function()
	if not os.execute "command -v script > /dev/null" then
		test.skip "no script(1) to make a terminal with"
	end
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			skynet.dispatch("lua", function() error("boom \27[5m", 0) end)
			skynet.send(skynet.self(), "lua")
			skynet.timeout(5, require("skynet.manager").abort)
		end)
	]] }
	local words = p:config()
	local _, output = process.run { "script", "-qec", test.reef .. " " .. words[1], "/dev/null", cwd = p.dir }
	test.matches(output, "error : \27%[31mboom \\x1b%[5m\r?\n.*stack traceback:.*\27%[0m\r?\n")
	test.equal(select(2, output:gsub("\27", "")), 2)
end)

test.case("what is said on stderr before there is a log is clean, too", function()
	local p = project.new { ["main.lua"] = "error('\\27[31m redis://:s3cr3t@h')" }
	for _, lines in ipairs {
		"database = 'redis://:s3cr3t@h", "x = error \"redis://:s3cr3t/x@h \27[31m\"",
		"logger = './no/redis://:s3cr3t@h/\\27[31m'", "",
	} do
		local code, output = p:run(p:config(lines))
		test.equal(code, 1, lines)
		test.equal(output:find("s3cr3t", 1, true), nil, output)
		test.equal(output:find "\27", nil)
	end
end)

test.case("reef check shows names and values of files without their control characters", function()
	local p = project.new {
		["data/a.json"] = '{"x": "\\u001b[31m"}', ["data/a.schema.lua"] = [[return { x = "integer" }]],
	}
	p:write("data/\27[2Jb.json", "[1,")
	p:write("data/c.csv", "id,n\n1,\27]0;t\7\n1,\155\n")
	local _, output = p:run { "check", "data" }
	test.matches(output, "\\x1b%[2Jb%.json")
	test.equal(output:find "[%z\1-\8\11-\31\127]", nil, output)
end)

test.case("printed lines are not torn by others, nor by the log", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				local left = 6
				for i = 1, 6 do
					skynet.newservice("prints", i)
				end
				skynet.dispatch("lua", function()
					left = left - 1
					if left == 0 then
						require("skynet.manager").abort()
					end
				end)
				for i = 1, 6 do
					skynet.send(".prints" .. i, "lua", skynet.self())
				end
			end)
		]],
		["prints.lua"] = [[
			local skynet = require "skynet"
			require "skynet.manager"
			local number = ...
			skynet.start(function()
				skynet.register(".prints" .. number)
				skynet.dispatch("lua", function(_, _, main)
					for i = 1, 300 do
						print("print", number, i, nil, true, 1.5, "end")
						skynet.error("log", number, i, "end")
						if i % 10 == 0 then
							skynet.yield()
						end
					end
					skynet.send(main, "lua")
				end)
			end)
		]],
	}
	local code, output = p:run(p:config "thread = 4")
	test.equal(code, 0, output)
	local printed = 0
	for line in output:gmatch "[^\n]+" do
		if line:find("print", 1, true) and not line:find("LAUNCH", 1, true) then
			test.matches(line, "^print\t%d\t%d+\tnil\ttrue\t1%.5\tend$")
			printed = printed + 1
		end
	end
	test.equal(printed, 6 * 300)
end)

test.run()
