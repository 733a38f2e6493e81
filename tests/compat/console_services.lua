-- timeout: 60
-- The services `console`, `dbg` and `cmemory`, which a configuration starts by name.
local process = require "test.process"
local project = require "project"
local test = require "test"

test.case("lines of standard input start services and snax services, and what fails does not end that", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice "console"
				skynet.timeout(1000, require("skynet.manager").abort)
			end)
		]],
		["says.lua"] = [[
			local skynet = require "skynet"
			local words = table.concat({ ... }, "+")
			skynet.start(function()
				print("says", words)
				io.stdout:flush()
				if words == "end" then
					require("skynet.manager").abort()
				end
				skynet.exit()
			end)
		]],
		["part.lua"] = "function init(...) print('part', ...) io.stdout:flush() end",
	}
	p:config "snax = './?.lua'"
	local code, output = process.run {
		"/bin/sh", "-c", ("printf 'says a b\\n\\nno_such\\nsnax part x\\nsays end\\n' | '%s' config"):format(test.reef),
		cwd = p.dir,
	}
	test.equal(code, 0, output)
	-- What services print and what is logged come by two ways, so the order of the two is chance.
	test.matches(output, "says\ta%+b\n.*part\tx\n.*says\tend\n")
	test.matches(output, "no_such")
end)

test.case("dbg prints what a command of the launcher says, cmemory what services hold", function()
	if test.sanitizer then
		test.skip "the allocator of a sanitizer tells nothing"
	end
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice("dbg", "mem")
				skynet.newservice("dbg", "list")
				skynet.newservice "cmemory"
				require("skynet.manager").abort()
			end)
		]],
	}
	local code, output = p:run(p:config "")
	test.equal(code, 0, output)
	test.matches(output, ":%x+\t[%d.]+ Kb %(snlua main%)")
	test.matches(output, ":%x+\tsnlua main\n")
	test.matches(output, "Total memory: %d+, blocks: %d+")
end)

test.run()
