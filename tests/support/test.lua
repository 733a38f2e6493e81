-- The house's tests: reef.test, and what only they need. See tests/README.md.
local test = require "reef.test"

---@class test: reef.test

---Root of the source tree.
test.root = os.getenv "REEF_TEST_ROOT" or "."
---Directory of the programs made from tests/tools.
test.tools = os.getenv "REEF_TEST_TOOLS" or "."
---"asan", "tsan", or nil: what the executable was built with.
test.sanitizer = ({ asan = "asan", tsan = "tsan" })[os.getenv "REEF_TEST_PRESET" or ""]
if test.sanitizer then
	test.slowness = 5
end

---Fewer repetitions under a sanitizer: n there becomes n / 10.
---@param n integer
---@return integer
function test.count(n)
	return test.sanitizer and math.max(1, n // 10) or n
end

return test
