-- Errors of request/response channels: what a request that failed tells its caller.
--
--     local ok, err = pcall(db.incr, db, "points")
--     if not ok and err.outcome == "not sent" then ... end      -- safe to try again
--
-- `outcome` is one of
--     "not sent"       the server has not seen the request
--     "maybe applied"  it was sent, and no answer came
--     "rejected"       the server said no
--     "applied in part"  the server said no to a part, and has done the rest
-- and `code` says why: "connect", "auth", "timeout", "closed", "protocol", "overload", or the server's own first word.
-- Errors below the protocol print as `[Error: socket] ...` and equal skynet.socketchannel's `error`.

---@class reef.channel.error
---@field code string
---@field outcome "not sent"|"maybe applied"|"rejected"|"applied in part"
---@field host string|nil        the server's address
---@field command string|nil     what was asked
---@field waited number|nil      seconds
---@field in_flight integer|nil  other requests that waited on the same connection
---@field unsent integer|nil     bytes that had not been given to the kernel
---@field message string         all of it in one sentence

local redacted = require("reef.text").redacted

local M = {}
local meta = { __name = "channel error" }

---The object that all errors of sockets are equal to.
---@type reef.channel.error
M.socket = setmetatable({ code = "closed", outcome = "maybe applied", message = "socket" }, meta)

-- The server has answered: the socket is not to blame.
local answered = { rejected = true, ["applied in part"] = true }

function meta.__tostring(self)
	if rawequal(self, M.socket) then
		return "[Error: socket]"
	end
	return answered[self.outcome] and self.message or "[Error: socket] " .. self.message
end

function meta.__concat(a, b)
	return tostring(a) .. tostring(b)
end

function meta.__eq(a, b)
	if rawequal(b, M.socket) then
		return not answered[a.outcome]
	end
	return rawequal(a, M.socket) and not answered[b.outcome]
end

-- Seconds, in units that people read.
local function duration(seconds)
	if seconds >= 1 then
		return ("%.3g s"):format(seconds)
	elseif seconds >= 0.001 then
		return ("%.0f ms"):format(seconds * 1000)
	end
	return "less than 1 ms"
end

local function explain(e, why)
	local parts = { e.host and e.host .. ": " or "", e.command or "request" }
	if e.waited and e.waited > 0 then
		parts[#parts + 1] = " failed after " .. duration(e.waited)
	else
		parts[#parts + 1] = " failed"
	end
	parts[#parts + 1] = ": " .. why .. " (" .. e.outcome
	if e.in_flight and e.in_flight > 0 then
		parts[#parts + 1] = string.format(", %d more in flight", e.in_flight)
	end
	if e.unsent and e.unsent > 0 then
		parts[#parts + 1] = string.format(", %d bytes unsent", e.unsent)
	end
	parts[#parts + 1] = ")"
	return table.concat(parts)
end

---Makes an error object of `fields`; without a `message` one is made that begins with `why` and shows no password; nor
---may `host`.
---@param fields table
---@param why string|nil
---@return reef.channel.error
function M.new(fields, why)
	if not fields.message then
		fields.message = redacted(explain(fields, why or fields.code))
	end
	return setmetatable(fields, meta)
end

---@return boolean
function M.is(value)
	return getmetatable(value) == meta
end

return M
