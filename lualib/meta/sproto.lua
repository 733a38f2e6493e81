---@meta sproto
-- What of it is written in C.

local sproto = {}

---Packs bytes: those that are zero take little room.
---@param bytes string|lightuserdata
---@param size? integer of a lightuserdata
---@return string
function sproto.pack(bytes, size) end

---@param bytes string|lightuserdata what was packed
---@param size? integer of a lightuserdata
---@return string
function sproto.unpack(bytes, size) end

return sproto
