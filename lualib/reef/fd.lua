-- Waiting for descriptors that belong to a C library. Times are in hundredths of a second.
--
-- libpq, libmariadb and their like open, use and close non-blocking sockets of their own, and say what they wait for.
--
--     local status = connection:query_start "SELECT 1"       -- your C module, around the library
--     while status ~= "done" do
--         assert(fd.wait(connection:fd(), status, 500))      -- status: "r", "w" or "rw"
--         status = connection:query_continue()
--     end
--
-- Ask for the descriptor's number before each wait: the library may have opened another one since. Nothing is kept
-- about it between waits, and nothing here reads, writes or closes.
local core = require "reef.fd.core"

---@class reef.fd
local fd = {}

local BITS <const> = { r = 1, w = 2, rw = 3 }
local NAMES <const> = { "r", "w", "rw" }
local CANCELED <const> = -125 -- ECANCELED

local idle, count = {}, 0 -- waiters that can be used again

---Waits until a descriptor can be read or written.
---@param number integer the descriptor
---@param events "r"|"w"|"rw"
---@param timeout number|nil 1/100 s (3000)
---@return "r"|"w"|"rw"|nil ready  also when the peer has ended or broken the connection: using it tells
---@return string|nil err "timeout"; "closed" when another wait for the same number has begun; or the system's words
function fd.wait(number, events, timeout)
	local bits = BITS[events] or error(("fd.wait: events are r, w or rw, not %s"):format(tostring(events)))
	local waiter
	if count > 0 then
		waiter = idle[count]
		idle[count], count = nil, count - 1
	else
		waiter = core.new()
	end
	local result = core.wait(waiter, number, bits, timeout or 3000)
	count = count + 1
	idle[count] = waiter
	if result > 0 then
		return NAMES[result]
	elseif result == 0 then
		return nil, "timeout"
	end
	return nil, result == CANCELED and "closed" or core.strerror(-result)
end

return fd
