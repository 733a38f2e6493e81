---@meta skynet.coroutine
-- What of it is Lua's own.

local coroutine = {}

---As Lua's.
---@return thread
---@return boolean main
function coroutine.running() end

---As Lua's.
---@return boolean
function coroutine.isyieldable() end

---As Lua's.
---@param thread thread
---@return boolean ok
---@return any error
function coroutine.close(thread) end

return coroutine
