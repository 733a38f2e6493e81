-- timeout: 300
-- Every block of code in the README and in docs/ is run, or is marked as a part with a reason; parts are compiled, and
-- what they call has to exist.
local process = require "test.process"
local redis = require "test.redis"
local settings = require "reef.settings"
local test = require "test"

local read = function(path)
	local f <close> = assert(io.open(test.root .. "/" .. path, "rb"))
	return f:read "a"
end

local function write(path, text)
	local f <close> = assert(io.open(path, "wb"))
	f:write(text)
end

local function new_directory()
	local dir = process.path "docs"
	assert(process.mkdir(dir))
	return dir
end

local pages = {}
for path in io.popen("cd '" .. test.root .. "' && ls README.md docs/*.md"):lines() do
	pages[#pages + 1] = path
end

---@class docs.block
---@field info string behind the three backticks
---@field code string
---@field where string page:line

-- All fenced blocks of a page.
local function blocks(path)
	local found, line, open = {}, 0, nil
	for text in read(path):gmatch "([^\n]*)\n" do
		line = line + 1
		local info = text:match "^```(.*)$"
		if open and info then
			open.code = table.concat(open, "\n") .. "\n"
			found[#found + 1], open = open, nil
		elseif open then
			open[#open + 1] = text
		elseif info then
			open = { info = info, where = ("%s:%d"):format(path, line) }
		end
	end
	test.equal(open, nil, path .. " ends within a block")
	return found
end

local function kind_of(block)
	local name = block.code:match "^%-%- ([%w_/.]+%.lua)\n"
	if not block.info:find "^lua" then
		return block.info:match "^%w*"
	elseif block.info:find "^lua part:" then
		return "part"
	elseif block.code:find "^%-%- config" then
		return "config"
	elseif name then
		return "file", name
	end
	return "runs"
end

-- Each page with its blocks and their kinds.
local function each_block(f)
	for _, path in ipairs(pages) do
		for _, block in ipairs(blocks(path)) do
			block.kind, block.name = kind_of(block)
			f(block, path)
		end
	end
end

-- Lines of the first block that is indented by four spaces after `command`; nil: nobody shows it.
local function lines_below(text, command)
	local lines = {}
	local _, stop = text:find("    $ " .. command .. "\n", 1, true)
	if not stop then
		return nil
	end
	for line in text:sub(stop + 1):gmatch "([^\n]*)\n" do
		if not line:find "^    " then
			break
		end
		lines[#lines + 1] = line:sub(5) .. "\n"
	end
	return table.concat(lines)
end

-- ---- blocks that run ----

-- What is only a piece of a service gets these around it. Modules have their usual names.
local before = [[
	local skynet = require "skynet"
	local usual = {
		bson = "bson", bus = "reef.bus", cluster = "skynet.cluster", config = "reef.config", log = "reef.log",
		datasheet = "reef.datasheet", metrics = "reef.metrics", mongo = "skynet.db.mongo", mysql = "skynet.db.mysql",
		pool = "reef.pool", postgres = "reef.db.postgres", schedule = "reef.schedule", sharetable = "skynet.sharetable",
		socket = "skynet.socket",
	}
	setmetatable(_G, { __index = function(_, name) return usual[name] and require(usual[name]) end })
	skynet.start(function()
		local redis = require "skynet.db.redis"
		local db = redis.connect "redis://127.0.0.1:6379"
]]
local after = [[

		print "(the example has ended)"
	end)
]]

-- Runs an example until it has ended and printed what its `-->` comments say, and checks that this is all.
local function check_example(dir, block, port)
	local code, expected = block.code, {}
	for text in code:gmatch "%-%->%s*([^\n]*)" do
		expected[#expected + 1] = (text:gsub("%s+", " ") .. "\n")
	end
	local whole = code:find("skynet.start(", 1, true)
	test.truthy(not whole or #expected > 0, block.where .. ": a whole example says with --> what it prints")
	if not whole then
		code = before .. code .. after
	end
	write(dir .. "/example.lua", (code:gsub("6379", port)))
	write(dir .. "/log", "")
	local example = process.start { test.reef, "run", "example.lua", cwd = dir, stderr = dir .. "/log" }
	pcall(test.eventually, "its end", 20, function()
		local _, lines = example:output():gsub("\n", "\n")
		return not example:running() or lines >= #expected + (whole and 0 or 1)
	end)
	-- Before it is killed, which is an error of a service that has not ended.
	local f <close> = assert(io.open(dir .. "/log"))
	local log = f:read "a"
	example:kill()
	local printed = example:output():gsub("%(the example has ended%)\n", ""):gsub("[ \t]+", " ")
	test.equal(printed, table.concat(expected), block.where .. "\n" .. log)
	-- An error of a service is in the log of those examples only that show how one is caught.
	-- One that has printed all may have been interrupted by its end.
	local quiet = not log:find("stack traceback", 1, true) or log:find("interrupted: the service is to end", 1, true)
	test.truthy(quiet or block.code:find("pcall", 1, true), block.where .. "\n" .. log)
end

-- The page about TLS says how.
local function make_certificates(dir)
	local commands = {}
	for line in read "docs/tls.md":gmatch "\n    ([^\n]+)" do
		commands[#commands + 1] = line
	end
	local code, output = process.run { "sh", "-ec", table.concat(commands, "\n"), cwd = dir }
	test.equal(code, 0, output)
end

test.case("every script that is shown with what it prints prints it", function()
	local server, found = redis.start(), 0
	each_block(function(block, path)
		local text = read(path)
		local shown = block.kind == "file" and
			(lines_below(text, "build/release/reef run " .. block.name .. " 2>/dev/null")
				or lines_below(text, "reef run " .. block.name .. " 2>/dev/null"))
		if shown and path ~= "docs/config-data.md" then -- whose files are those of tests/integration/config_check.lua
			found = found + 1
			local dir = new_directory()
			write(dir .. "/" .. block.name, block.code)
			local exit, output = process.run {
				test.reef, "run", block.name, cwd = dir, stderr = dir .. "/log", env = { REDIS_PORT = server.port },
			}
			test.equal({ exit, output }, { 0, shown }, block.where)
		end
	end)
	test.truthy(found >= 2)
end)

for _, path in ipairs(pages) do
	test.case(("every example in %s runs, and prints what it says"):format(path), { timeout = 120 }, function()
		if path == "docs/profile.md" and test.sanitizer == "tsan" then
			test.skip "ThreadSanitizer hands signals on late"
		end
		local server, dir, certificates
		for _, block in ipairs(blocks(path)) do
			local kind, name = kind_of(block)
			if kind == "file" or kind == "runs" then
				dir = dir or new_directory()
			end
			if kind == "file" then
				process.run { "mkdir", "-p", (dir .. "/" .. name):match "^(.*)/" }
				write(dir .. "/" .. name, block.code)
				test.truthy(load(block.code, "=" .. block.where), select(2, load(block.code, "=" .. block.where)))
			elseif kind == "runs" then
				server = server or redis.start()
				if path == "docs/tls.md" and not certificates then
					make_certificates(dir)
					certificates = true
				end
				check_example(dir, block, server.port)
			end
		end
	end)
end

-- ---- blocks that are parts ----

-- Modules by the names that texts give them, unless a block says what a name is.
local usual = {
	skynet = "skynet", socket = "skynet.socket", redis = "skynet.db.redis", mongo = "skynet.db.mongo", pool = "reef.pool",
	mysql = "skynet.db.mysql", postgres = "reef.db.postgres", datasheet = "reef.datasheet", bson = "bson",
	sharetable = "skynet.sharetable", metrics = "reef.metrics", schedule = "reef.schedule", log = "reef.log",
	socketchannel = "skynet.socketchannel", singleton = "reef.singleton", sharemap = "skynet.sharemap",
}

test.case("a block that does not run says why, compiles, and calls what there is", function()
	require "skynet.manager"
	local parts, calls = 0, 0
	each_block(function(block)
		local reason = block.info:match "^lua part:(.*)$"
		if not reason then
			return
		end
		parts = parts + 1
		test.truthy(#reason > 5, block.where .. ": why does it not run?")
		-- `...` stands for what is left out, and a list of fields for what there is.
		local code = ("\n" .. block.code):gsub("%.%.%.(%s+end)", "%1"):gsub("\n([%w_]+%.[%w_]+, )", "\nlocal _ = %1"):sub(2)
		local f, wrong = load(code, "=" .. block.where)
		test.truthy(f, wrong)
		local names = setmetatable({}, { __index = usual })
		for name, module in code:gmatch "local ([%w_]+)%s*=%s*require%s*%(?%s*[\"']([%w_.]+)[\"']" do
			names[name] = module
		end
		for name, method in code:gmatch "%f[%w_.:]([%a_][%w_]*)%.([%a_][%w_]*)%s*[%({]" do
			local module = names[name]
			if module then
				calls = calls + 1
				test.truthy(type(require(module)) ~= "table" or require(module)[method] ~= nil,
					("%s: %s.%s is not there"):format(block.where, module, method))
			end
		end
	end)
	test.truthy(calls > 20)
	test.truthy(parts < 60, "blocks that do not run are few")
end)

test.case("every configuration that is shown can be read, and has good values", function()
	local found = 0
	each_block(function(block)
		if block.kind == "config" then
			found = found + 1
			local path = process.path "config"
			write(path, (block.code:gsub('include "[^\n]*', ""):gsub("%$(%u+)", "%1"):gsub("_TOKEN", "%0_of_16_characters")))
			for key, value in pairs(settings.read(path)) do
				if not settings.names_file(key) then
					local verdict, why = settings.check(key, value.value)
					test.equal(verdict, "good", ("%s: %s %s"):format(block.where, key, why or ""))
				end
			end
		end
	end)
	test.truthy(found > 4)
end)

test.case("every block says what language it is in, or has none", function()
	local known = {
		[""] = true, lua = true, sh = true, c = true, csv = true, json = true, yaml = true, ini = true, toml = true,
		text = true, dockerfile = true,
	}
	each_block(function(block)
		test.truthy(known[block.info:match "^%w*"], block.where .. ": " .. block.info)
	end)
end)

-- ---- the tutorial ----

test.case("what the tutorial shows is what lies in examples/tutorial", function()
	local here = {}
	for _, block in ipairs(blocks "docs/tutorial.md") do
		here[block.code] = true
	end
	local code, list = process.run { "sh", "-c", "cd '" .. test.root .. "/examples/tutorial' && find . -type f" }
	test.equal(code, 0, list)
	local files = 0
	for path in list:gmatch "%./(%S+)" do
		files = files + 1
		test.truthy(here[read("examples/tutorial/" .. path)], "docs/tutorial.md shows " .. path .. " as it is")
	end
	test.truthy(files > 5)
end)

-- Whoever has said all hears the rest of the answer, and the end.
local function check_echo(port)
	local code, output = process.run { "python3", "-c", [[
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
s.sendall(b"one\ntwo\n")
s.shutdown(socket.SHUT_WR)
text = b""
while piece := s.recv(100):
    text += piece
print(text.decode(), end="")
]], port }
	test.equal({ code, output }, { 0, "one\ntwo\n" })
end

test.case("what the tutorial types works", { timeout = 120 }, function()
	local server, dir = redis.start(), process.path "tutorial"
	test.equal(process.run { "cp", "-r", test.root .. "/examples/tutorial", dir }, 0)
	local port = process.free_port()
	write(dir .. "/echo.lua", (read "examples/tutorial/echo.lua":gsub("7000", port)))
	local env = { PORT = port, REDIS_PORT = server.port, METRICS_PORT = process.free_port(), REEF_TEST_DIR = dir }
	local done = 0
	for _, block in ipairs(blocks "docs/tutorial.md") do
		local arguments = block.info == "sh" and block.code:match "^reef ([^\n]*)\n$"
		if arguments then
			local command = { test.reef, cwd = dir, env = env }
			for word in arguments:gmatch "%S+" do
				command[#command + 1] = word
			end
			done = done + 1
			if arguments:find "^check" or arguments:find "^test" then
				local code, output = process.run(command, 100)
				test.equal(code, 0, arguments .. "\n" .. output)
			else
				local started = process.start(command)
				started:expect(("127.0.0.1 %d"):format(port), 20)
				if arguments:find "echo" then
					check_echo(port)
				end
				started:signal "TERM"
				test.equal(started:wait(), 0, started:output())
				test.truthy(not started:output():find("stack traceback", 1, true), started:output())
			end
		end
	end
	test.equal(done, 5)
end)

-- ---- files of contrib ----

test.case("a file of contrib that a page shows is shown as it is", function()
	local shown = 0
	each_block(function(block)
		local path, rest = block.code:match "^# (contrib/%S+)\n(.*)$"
		if path then
			shown = shown + 1
			test.equal(rest, read(path), ("%s shows %s"):format(block.where, path))
		end
	end)
	test.equal(shown, 2)
end)

-- What the unit of the package and that of a project each say for themselves.
local OWN <const> = {
	Description = true, Documentation = true, EnvironmentFile = true, ExecStartPre = true, ExecStart = true, User = true,
	Group = true, LogsDirectory = true, LogsDirectoryMode = true, StateDirectory = true, WorkingDirectory = true,
	DynamicUser = true,
}

test.case("the unit of a project is that of the package but for user, directories and configuration", function()
	local function common(path)
		local lines = {}
		for line in read(path):gmatch "[^\n]+" do
			if not line:find "^#" and not OWN[line:match "^(%w+)="] then
				lines[#lines + 1] = line
			end
		end
		return lines
	end
	local of_package = common "contrib/debian/reef.service"
	test.truthy(#of_package > 10)
	test.equal(common "examples/project/NAME.service", of_package)
end)

-- ---- Kubernetes ----

test.case("the manifest's configuration is good, and its probes are answered", function()
	local text = read "contrib/kubernetes/reef.yaml"
	local config = text:match "\n  config: |\n(.-)\n%-%-%-":gsub("\n    ", "\n"):gsub("^    ", "")
	local dir, at = new_directory(), ("127.0.0.1:%d"):format(process.free_port())
	write(dir .. "/main.lua", 'require("skynet").start(function() end) require("reef.process").daemon()')
	write(dir .. "/config", (config:gsub("/srv/service", dir)))
	local env = { REEF_METRICS_AT = at }
	local code, output = process.run { test.reef, "check", dir .. "/config", env = env }
	test.equal(code, 0, output)
	local server = process.start { test.reef, dir .. "/config", env = env }
	local probes = 0
	for path in text:gmatch "httpGet: { path: (%S+)," do
		probes = probes + 1
		test.eventually(path .. " is answered", 20, function()
			local _, status = process.run { "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://" .. at .. path }
			return status == "200"
		end)
	end
	test.equal(probes, 3)
	server:signal "TERM"
	test.equal(server:wait(), 0, server:output())
end)

test.case("docs/commands.md says what each command says of itself", function()
	local text, said = read "docs/commands.md", {}
	for name, help in ("\n## reef \n" .. text):gmatch "\n## reef ?(%a*)\n.-```text\n(.-)```" do
		said[name] = help
	end
	local code, names = process.run { "ls", test.root .. "/lualib/command" }
	test.equal(code, 0, names)
	for name in ("\nrun.lua\n" .. names):gmatch "(%a+)%.lua\n" do
		local _, help = process.run { test.reef, name, "--help" }
		test.equal(said[name], help, "reef " .. name)
	end
	local _, help = process.run { test.reef, "--help" }
	test.equal(said[""], help)
end)

test.case("a build without its optional parts has the help of each command, too", function()
	local dir, commands = new_directory(), 0
	write(dir .. "/without.lua", ([[
		for _, part in ipairs { "reef.http.core", "reef.http.frames", "reef.mysql.core", "reef.postgres.core" } do
			package.preload[part] = function()
				error("built without " .. part)
			end
		end
		for _, name in ipairs { "reef.http.client", "http.websocket", "skynet.db.mysql", "reef.db.postgres" } do
			assert(not pcall(require, name), name)
		end
		require("skynet").setenv("reef_arg1", "--help")
		assert(loadfile(%q .. ... .. ".lua"))()
	]]):format(test.root .. "/lualib/command/"))
	local code, names = process.run { "ls", test.root .. "/lualib/command" }
	test.equal(code, 0, names)
	for name in names:gmatch "(%a+)%.lua\n" do
		commands = commands + 1
		local exit, output = process.run { test.reef, "run", "without.lua", name, cwd = dir }
		test.equal(exit, 0, output)
		test.matches(output, "Usage: reef " .. name)
	end
	test.truthy(commands > 7)
end)

test.run()
