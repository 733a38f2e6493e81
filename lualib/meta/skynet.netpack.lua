---@meta skynet.netpack
-- Packets with a length of two bytes, big-endian, in front: made, and found in what sockets receive. For services that
-- dispatch socket messages themselves, as snax.gateserver does.

local netpack = {}

---A packet with its length in front. Raises when it has 65,536 bytes or more.
---@param data string|lightuserdata is only read
---@param size? integer of a lightuserdata
---@return lightuserdata packet the caller's; `socket.write` takes it
---@return integer size
function netpack.pack(data, size) end

---A packet as a string. Frees the memory.
---@param packet lightuserdata
---@param size integer
---@return string
function netpack.tostring(packet, size) end

---Looks through a socket message.
---@param queue userdata? what the last call returned
---@param message lightuserdata
---@param size integer
---@return userdata? queue
---@return "data"|"more"|"open"|"close"|"error"|"warning"|"init"|nil kind data: one packet; more: several, for `pop`
---@return integer? id of the socket
---@return any ... packet and its size; the address of who connects; a text; kilobytes that wait
function netpack.filter(queue, message, size) end

---The next packet that waits in a queue; nothing when it is empty.
---@param queue userdata?
---@return integer? id
---@return lightuserdata? packet the caller's
---@return integer? size
function netpack.pop(queue) end

---Frees what waits.
---@param queue userdata?
function netpack.clear(queue) end

return netpack
