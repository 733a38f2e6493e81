-- How much may wait for a service: beyond it a `call` to it fails at once, and a `send` to it returns false.
--
--     local mailbox = require "reef.mailbox"
--     mailbox.limit { messages = 10000, bytes = 64 << 20 }
--
-- Without a limit of its own a service has that of the config (`mailbox_messages`, `mailbox_bytes`), if there is one.
-- What answers, and what sockets, timers and debuggers send, is never refused.

local checks = require "reef.options"
local core = require "reef.services"

local KNOWN <const> = { messages = true, bytes = true }

local mailbox = {}

local function number(options, key, before)
	local n = options[key]
	if n == nil then
		return before
	elseif math.type(n) ~= "integer" or n < 0 then
		error(("mailbox.limit: '%s' has to be an integer of at least 0"):format(key))
	end
	return n
end

---Sets the limits of this service's mailbox.
---@param options { messages: integer?, bytes: integer? } what is absent stays as it is; 0: no limit
function mailbox.limit(options)
	checks.check("mailbox.limit", options, KNOWN)
	local _, _, _, messages, bytes = core.mailbox()
	core.limit(number(options, "messages", messages), number(options, "bytes", bytes))
end

---@class reef.mailbox.stat
---@field messages integer that wait
---@field bytes integer in their payloads; 0 without a limit
---@field refused integer messages that found the mailbox full
---@field most_messages integer the limits; 0: none
---@field most_bytes integer

---@return reef.mailbox.stat
function mailbox.stat()
	local messages, bytes, refused, most_messages, most_bytes = core.mailbox()
	return {
		messages = messages, bytes = bytes, refused = refused, most_messages = most_messages, most_bytes = most_bytes,
	}
end

return mailbox
