-- The examples in the README print what the README says.
local process = require "test.process"
local redis = require "test.redis"
local test = require "test"

local function read_readme()
	local f = assert(io.open(test.root .. "/README.md"))
	local text = f:read "a"
	f:close()
	return text
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
	local text, found = read_readme(), 0
	local server = redis.start()
	for code in text:gmatch "```lua\n(.-)```" do
		local name = code:match "^%-%- (%w+%.lua)\n"
		found = found + 1
		local dir = process.path "readme"
		process.mkdir(dir)
		local script = assert(io.open(dir .. "/" .. name, "w"))
		script:write(code)
		script:close()
		local exit, output = process.run {
			test.reef, "run", name, cwd = dir, stderr = dir .. "/log", env = { REDIS_PORT = server.port },
		}
		test.equal({ exit, output }, { 0, lines_below(text, "build/release/reef run " .. name .. " 2>/dev/null") })
	end
	test.equal(found, 2)
end)

test.run()
