-- Something is away, and is there again: both are said in the log, once each.
local now = require "reef.base.now"
local skynet = require "skynet"

---@class reef.outage
---@field what string
---@field since? number of an outage that has been told, seconds
local outage = {}
outage.__index = outage

---@param what string whose outages these are: "redis 127.0.0.1:6379"
---@return reef.outage
function outage.new(what)
	return setmetatable({ what = what }, outage)
end

---It is away. Said if that is news.
---@param line string? the line in the log; nil: it was said elsewhere
function outage:begins(line)
	if not self.since then
		self.since = now()
		if line then
			skynet.error(line)
		end
	end
end

---It is there. Said if it was away.
function outage:ends()
	local since = self.since
	self.since = nil
	if since then
		skynet.error(("%s is back after %.1f s"):format(self.what, now() - since))
	end
end

return outage
