-- timeout: 600
local process = require "test.process"
local test = require "test"

test.case("Lua with the hooks for shared data passes the test suite of its authors", { timeout = 500 }, function()
	local code, output = process.run { test.root .. "/scripts/test-lua" }
	if code == 77 then
		test.skip(output:match "skipped: ([^\n]*)" or "it cannot be had")
	end
	test.equal(code, 0, output)
end)

test.run()
