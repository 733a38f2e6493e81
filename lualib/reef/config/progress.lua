-- How far a long load is: one line on the terminal that is written anew, or a line in the log every few seconds. Short
-- loads say nothing.

local now = require "reef.base.now"
local core = require "reef.config.core"
local printable = require("reef.text").printable
local skynet = require "skynet"

local progress = {}
progress.__index = progress

local QUIET, REDRAW, LOG = 1, 0.2, 5 -- seconds

---@param dir string
---@param total integer bytes
---@param silence number|false|nil seconds before anything is said; false: for ever
function progress.new(dir, total, silence)
	local terminal = core.terminal()
	if silence == nil then
		silence = terminal and QUIET or LOG
	end
	return setmetatable({ dir = dir, total = total, done = 0, terminal = terminal, width = 0,
		due = now() + (silence or math.huge) }, progress)
end

---@param bytes integer of the file that is next or was done
---@param what string its name
function progress:advance(bytes, what)
	self.done = self.done + bytes
	local time = now()
	if time < self.due then
		return
	end
	local percent = self.total > 0 and self.done * 100 // self.total or 100
	local text = printable(("config: %s: %d of %d MB (%d%%), %s"):format(self.dir, self.done // 1000000,
		self.total // 1000000, percent, what))
	if self.terminal then
		io.stderr:write("\r", text, (" "):rep(self.width - #text))
		self.width = #text
		self.due = time + REDRAW
	else
		skynet.error(text)
		self.due = time + LOG
	end
end

---Removes the line.
function progress:finish()
	if self.width > 0 then
		io.stderr:write("\r", (" "):rep(self.width), "\r")
		self.width = 0
	end
end

return progress
