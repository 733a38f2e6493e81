-- The suites in the unified format once more, with the clients' requests through pools.
-- timeout: 1800
require("test.unified.entities").through_pools = true
dofile(require("test").root .. "/tests/spec/mongo_unified.lua")
