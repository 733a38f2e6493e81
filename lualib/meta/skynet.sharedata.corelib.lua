---@meta skynet.sharedata.corelib
-- What of it is written in C.

---@class skynet.sharedata.host
local host = {}

---Freezes a table.
---@param values table keys are strings and integers; values nil, booleans, numbers, strings and tables
---@return lightuserdata box with a count of one
function host.new(values) end

---Frees a box, whatever its count.
---@param box lightuserdata
function host.delete(box) end

---@param box lightuserdata
---@return integer count
function host.getref(box) end

---Says that there is something newer.
---@param box lightuserdata
function host.markdirty(box) end

---@param box lightuserdata
---@return integer count
function host.incref(box) end

---@param box lightuserdata
---@return integer count
function host.decref(box) end

---@class skynet.sharedata.corelib
---@field host skynet.sharedata.host boxes that are counted by hand
local corelib = {}

return corelib
