---@meta reef.log
-- Lines of the log with a level, and from which level on lines are written; see docs/config.md.
--
--     local log = require "reef.log"
--     log.warn("no answer from", address, { tries = 3 })       -- tables show what is in them
--     log.set("debug", "agent*")                               -- from now on, of all services whose names fit
--
-- A line that is not written is not made.

---@alias reef.log.level "debug"|"verbose"|"info"|"warn"|"error"

local log = {}

---@param ... any joined by spaces; tables show what is in them
function log.debug(...) end

---As skynet.error: tables print as their addresses.
---@param ... any joined by spaces
function log.info(...) end

---@param ... any joined by spaces; tables show what is in them
function log.warn(...) end

---@param ... any joined by spaces; tables show what is in them
function log.error(...) end

---Would a line of this service's with that level be written? Raises when there is no such level.
---@param level reef.log.level
---@return boolean
function log.enabled(level) end

---Writes lines from that level on, of all services whose names fit. The last rule that fits a service counts.
---Raises when there is no such level, or no room for another rule.
---@param level reef.log.level
---@param pattern? string name of a service; `*` stands for anything; by default `*`, which replaces all rules
function log.set(level, pattern) end

---The rules; the last that fits a service counts.
---@return { pattern: string, level: reef.log.level }[]
function log.rules() end

---What became of the lines of the process.
---@return integer written
---@return integer lost could not be written in time
---@return integer waiting bytes
---@return boolean failing it cannot be written at this moment
function log.numbers() end

return log
