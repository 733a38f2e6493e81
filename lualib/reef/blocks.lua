-- Large blocks beside small packets, over a connection whose packets have a length of 2 bytes: a block travels in
-- pieces with a number, each in a packet of its own, at low priority, so that other packets pass between them.
--
--     blocks.send(fd, text)                       -- of any size; the peer has to know the format, too
--
-- The last byte of a packet says what it is; numbers are big-endian, 4 bytes:
--
--     bytes, 0                        a whole message, of up to 65,534 bytes
--     bytes, number, size, 1          the first piece of a block of that size; the numbers of unfinished blocks differ
--     bytes, number, 2                a further piece; the block is whole when `size` bytes have come
--
-- A gate takes blocks with `blocks = true` in what it is opened with (snax.gateserver). Whoever has packets of other
-- origin asks an inbox.
local core = require "reef.blocks.core"

local blocks = {}

local MIB <const> = 1 << 20

---@class reef.blocks.limits of each stream
---@field most? integer bytes of a block (16 MiB)
---@field together? integer bytes that have come of unfinished blocks (as many as `most`)
---@field open? integer unfinished blocks (16)

---Sends a message to a socket, in one packet or, if it has more than 32 KiB, in pieces. Those that are sent later and
---are small may arrive earlier.
---@param fd integer
---@param data string|userdata bytes; a light userdata is freed
---@param size? integer of a userdata
---@return boolean accepted false: the socket is unknown or closing
function blocks.send(fd, data, size)
	return core.send(fd, data, size)
end

local KNOWN <const> = { most = true, together = true, open = true }

---What puts the pieces of any number of streams together: `inbox:add(stream, msg, sz)` takes a packet and returns a
---message, which is the caller's (block and size), nothing while more of it has to come, or nil and why the stream
---cannot be gone on with. `inbox:forget(stream)` when one ends; `inbox:unfinished(cs)` lists those that take longer.
---@param limits? reef.blocks.limits|true
---@return userdata inbox
function blocks.inbox(limits)
	if type(limits) ~= "table" then
		limits = {}
	end
	require("reef.options").check("blocks", limits, KNOWN)
	for name in pairs(KNOWN) do
		local value = limits[name]
		if value ~= nil and (math.type(value) ~= "integer" or value < 1) then
			error(("blocks: %s is a positive integer, not %s"):format(name, tostring(value)))
		end
	end
	local most = limits.most or 16 * MIB
	return core.inbox(most, math.max(limits.together or most, most), limits.open or 16)
end

return blocks
