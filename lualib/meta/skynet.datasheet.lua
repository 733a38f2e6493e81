---@meta skynet.datasheet
-- What readers of sheets need of reef.datasheet.

local datasheet = {}

---A sheet, which follows updates by itself; waits until there is one of that name.
---@param name string
---@return table
function datasheet.query(name) end

return datasheet
