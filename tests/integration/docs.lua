-- The examples in the README and in docs/ print what they say.
local process = require "test.process"
local redis = require "test.redis"
local test = require "test"

local function read(path)
	local f = assert(io.open(test.root .. "/" .. path))
	local text = f:read "a"
	f:close()
	return text
end

local function write(path, text)
	local f = assert(io.open(path, "w"))
	f:write(text)
	f:close()
end

local function new_directory()
	local dir = process.path "docs"
	assert(process.mkdir(dir))
	return dir
end

-- Lines of the first block that is indented by four spaces after `command`.
local function lines_below(text, command)
	local lines = {}
	local _, stop = text:find("    $ " .. command .. "\n", 1, true)
	for line in text:sub(test.truthy(stop, command) + 1):gmatch "([^\n]*)\n" do
		if not line:find "^    " then
			break
		end
		lines[#lines + 1] = line:sub(5) .. "\n"
	end
	return table.concat(lines)
end

test.case("every script in the README prints what stands below it", function()
	local text, found = read "README.md", 0
	local server = redis.start()
	for code in text:gmatch "```lua\n(.-)```" do
		local name = code:match "^%-%- (%w+%.lua)\n"
		found = found + 1
		local dir = new_directory()
		write(dir .. "/" .. name, code)
		local exit, output = process.run {
			test.reef, "run", name, cwd = dir, stderr = dir .. "/log", env = { REDIS_PORT = server.port },
		}
		test.equal({ exit, output }, { 0, lines_below(text, "build/release/reef run " .. name .. " 2>/dev/null") })
	end
	test.equal(found, 2)
end)

-- An example that is only a piece of a service gets these around it.
local before = [[
	local skynet = require "skynet"
	skynet.start(function()
		local redis = require "skynet.db.redis"
		local db = redis.connect "redis://127.0.0.1:6379"
]]
local after = [[

		skynet.exit()
	end)
]]

-- Runs an example until it has printed what its `-->` comments say, and checks that this is all.
local function check_example(dir, code, port)
	local expected = {}
	for text in code:gmatch "%-%->%s*([^\n]*)" do
		expected[#expected + 1] = (text:gsub("%s+", " ") .. "\n")
	end
	if not code:find("skynet.start(", 1, true) then
		code = before .. code .. after
	end
	write(dir .. "/example.lua", (code:gsub("6379", port)))
	local example = process.start { test.reef, "run", "example.lua", cwd = dir, stderr = dir .. "/log" }
	pcall(test.eventually, "the output", 10, function()
		return #example:output() >= #table.concat(expected) or not example:running()
	end)
	example:kill()
	test.equal(example:output():gsub("[ \t]+", " "), table.concat(expected), code)
	os.remove(dir .. "/log")
end

-- The page about TLS says how.
local function make_certificates(page, dir)
	if page == "tls" then
		local commands = {}
		for line in read "docs/tls.md":gmatch "\n    ([^\n]+)" do
			commands[#commands + 1] = line
		end
		local code, output = process.run { "sh", "-ec", table.concat(commands, "\n"), cwd = dir }
		test.equal(code, 0, output)
	end
end

local pages = {
	"services", "sockets", "tls", "http", "redis", "cluster", "bus", "errors", "together", "diff",
}

for _, page in ipairs(pages) do
	test.case(("every example in docs/%s.md that says what it prints does so"):format(page), function()
		local server, dir, found = redis.start(), new_directory(), 0
		make_certificates(page, dir)
		for code in read("docs/" .. page .. ".md"):gmatch "```lua\n(.-)```" do
			local name = code:match "^%-%- (%w+%.lua)\n"
			if name then
				write(dir .. "/" .. name, code)
			elseif code:find("-->", 1, true) then
				found = found + 1
				check_example(dir, code, server.port)
			end
		end
		test.truthy(found > 0)
	end)
end

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

test.run()
