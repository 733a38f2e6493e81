---@meta skynet.profile
-- What of it is Lua's own: time is counted whoever resumes a coroutine.

local profile = {}

---As Lua's coroutine.resume.
---@param thread thread
---@param ... any
---@return boolean ok
---@return any ...
function profile.resume(thread, ...) end

---As Lua's coroutine.wrap.
---@param f function
---@return function
function profile.wrap(f) end

return profile
