-- Configuration from files. Times are in seconds; see docs/config-data.md.
--
-- A directory of Lua, JSON, CSV and TOML files becomes datasheets.
--
--	local config = require "reef.config"
--	assert(config.load "data")
--	local items = require("reef.datasheet").query "items"

local checks = require "reef.options"
local report = require "reef.config.report"
local skynet = require "skynet"
require "reef.manager"

local config = {}

local DEFAULT_MEMORY = 2 << 30

local once_options = {
	max_errors = true, max_bytes = true, max_instructions = true, max_memory = true, timeout = true, progress = true,
}
local watch_options = { quiet = true, max_delay = true, retry = true, rescan = true }
for name in pairs(once_options) do
	watch_options[name] = true
end

---@class reef.config.options
---@field max_errors integer|nil        how many errors are told; 100
---@field max_bytes integer|nil         of one file; 256 MiB
---@field max_instructions integer|nil  of Lua, for one file; 100 million
---@field max_memory integer|nil        bytes that the files of a load may need as Lua values; 2 GiB
---@field timeout number|nil            seconds until the caller gets an error instead; none
---@field progress number|false|nil     seconds after which a line says how far a load is; 1 on a terminal, 5 in the log
---@field quiet number|nil              watch: seconds without a change before changed files are read; 0.2
---@field max_delay number|nil          watch: seconds after which they are read although changes go on; 5
---@field retry number|nil              watch: seconds between looks for a directory that is gone; 1
---@field rescan number|nil             watch: look every so many seconds, for network file systems; never

---@class reef.config.report
---@field sheets table[]  { name=, file=, rows=, bytes= } by name
---@field rows integer
---@field bytes integer   of the files
---@field ms number       that it took
---@field loaded integer  files that were read
---@field changed integer rows that publishing changed
---@field added integer
---@field removed integer

local function ask(service, timeout, dir, ...)
	if not timeout then
		return skynet.call(service, "lua", ...)
	end
	local next_reply, request = skynet.request({ service, "lua", ... }):select(math.ceil(timeout * 100))
	local asked, reply = next_reply(request)
	if reply then
		return table.unpack(reply, 1, reply.n)
	elseif asked then
		error(("config: %s: the service has ended"):format(dir), 0)
	end
	return nil, { code = "timeout", dir = dir, count = 1,
		errors = { { file = dir, message = ("not done after %g s"):format(timeout) } } }
end

local function start(dir, options, known)
	if type(dir) ~= "string" then
		error("reef.config: the directory's name is a string")
	end
	checks.check("reef.config", options, known)
	return skynet.newservice("reef_config", options and options.max_memory or DEFAULT_MEMORY)
end

local function once(dir, options, only_check)
	local service = start(dir, options, once_options)
	local ok, result, err = pcall(ask, service, options and options.timeout, dir, "LOAD", dir, options, only_check)
	skynet.kill(service)
	if not ok then
		error(result, 0)
	end
	return result, err and report.new(err)
end

---Loads all files of a directory and publishes their sheets at one moment. If anything is wrong, nothing is published.
---@param dir string
---@param options? reef.config.options
---@return reef.config.report? report
---@return reef.config.error? error prints as `file:line:column: message` lines; has `code`, `errors`, `count`
function config.load(dir, options)
	return once(dir, options, false)
end

---The same without publishing.
---@param dir string
---@param options? reef.config.options
---@return reef.config.report?
---@return reef.config.error?
function config.check(dir, options)
	return once(dir, options, true)
end

---@class reef.config.watcher
---@field dir string
---@field report reef.config.report of the first load
---@field package service integer
local watcher = {}
watcher.__index = watcher

---Looks for changes now.
---@param timeout? number seconds
---@return reef.config.report?
---@return reef.config.error?
function watcher:reload(timeout)
	local result, err = ask(self.service, timeout, self.dir, "RELOAD")
	return result, err and report.new(err)
end

---@param timeout? number seconds
---@return table? { version = publications, attempts=, loaded_at=, sheets=, rows=, bytes=, errors = those of the last
---attempt or nil, dir=, directories= }
---@return reef.config.error?
function watcher:stat(timeout)
	local stat, err = ask(self.service, timeout, self.dir, "STAT")
	if stat and stat.errors then
		report.new(stat.errors)
	end
	return stat, err and report.new(err)
end

---Stops watching. The sheets stay.
function watcher:stop()
	pcall(skynet.call, self.service, "lua", "STOP")
end

---Loads a directory and keeps an eye on it: what changes is loaded again and published, or, if it is bad, logged.
---@param dir string
---@param options? reef.config.options
---@return reef.config.watcher? watcher nil: the first load has failed, nothing is watched
---@return reef.config.error?
function config.watch(dir, options)
	local service = start(dir, options, watch_options)
	local ok, result, err = pcall(ask, service, options and options.timeout, dir, "WATCH", dir, options)
	if ok and result then
		return setmetatable({ dir = dir, report = result, service = service }, watcher)
	end
	skynet.kill(service)
	if not ok then
		error(result, 0)
	end
	return nil, report.new(err)
end

return config
