-- timeout: 900
local process = require "test.process"
local test = require "test"

local code, output

test.case("shared data pass their tests with each version of Lua that is supported", { timeout = 800 }, function()
	if test.sanitizer then
		test.skip "it builds programs of its own"
	end
	code, output = process.run({ test.root .. "/scripts/test-lua" }, 800)
	test.truthy(code == 0 or code == 77, output)
end)

test.case("Lua with the hooks for shared data passes the test suite of its authors", function()
	if test.sanitizer then
		test.skip "it builds programs of its own"
	elseif code == 77 then
		test.skip(output:match "skipped: ([^\n]*)")
	end
	test.equal(code, 0, output)
end)

test.run()
