---@meta reef.await
-- C functions that run beside the workers, so that they may block; see docs/c.md. They are started from C.

local await = {}

---How many there are in the process.
---@return integer running
---@return integer waiting for one of the `await_threads` of the configuration
function await.count() end

return await
