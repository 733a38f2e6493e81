-- Text of a loop that never ends, for services under test. ThreadSanitizer holds signals back until the thread calls
-- into the C library, so there the loop does.
local test = require "test"

return test.sanitizer == "tsan" and "while true do os.time() end" or "while true do end"
