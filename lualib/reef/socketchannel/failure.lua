-- Errors of a socket channel: objects that say whether the request may have happened (reef.channel.error).
local errors = require "reef.channel.error"
local now = require "reef.base.now"
local redacted = require("reef.text").redacted

local failure = {}

---Where the channel leads to, or the given place.
---@param self socketchannel
---@param host string|nil
---@param port integer|nil
---@return string
function failure.address(self, host, port)
	host, port = host or self.host, host and port or self.port
	return port and string.format("%s:%s", host, port) or host
end

---@param self socketchannel
---@param code string
---@param outcome string
---@param why string
---@param since number|nil
---@return reef.channel.error
function failure.new(self, code, outcome, why, since)
	return errors.new({
		code = code, outcome = outcome, host = redacted(failure.address(self)), command = "request",
		waited = since and now() - since,
	}, why)
end

return failure
