---@meta skynet.stm
-- A message that one service publishes again and again, and others read when they want to: each sees the newest, and
-- misses those between. Tables go through `skynet.pack`; see docs/shared-data.md for what reads faster.
--
--     local w = stm.new(skynet.pack(state))                    -- in the service that writes
--     skynet.send(reader, "lua", "follow", stm.copy(w))
--     w(skynet.pack(state))                                    -- publishes another one
--
--     local r = stm.newcopy(copy)                              -- in the one that reads
--     local new, state = r(skynet.unpack)

local stm = {}

---A writer with a first message. Call it with another one to publish that.
---@param message string|lightuserdata whose memory it takes
---@param size? integer of a lightuserdata
---@return fun(message: string|lightuserdata, size?: integer) writer
function stm.new(message, size) end

---A reader in the making, which may be sent to another service.
---@param writer function
---@return lightuserdata copy for exactly one call of `newcopy`, anywhere in the process
function stm.copy(writer) end

---A reader: `reader(f, ud)` calls `f(message, size, ud)` if there is something new, and returns true and what that
---returns. False: nothing new, or the writer is gone.
---@param copy lightuserdata
---@return fun(f: function, ud: any): boolean, ... reader
function stm.newcopy(copy) end

return stm
