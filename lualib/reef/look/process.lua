-- The process as a whole.
local log = require "reef.log"
local look = require "reef.look"
local memory = require "reef.allocator"
local netstat = require "reef.socketcore".netstat
local sample = require "reef.look.sample"
local skynet = require "skynet"
local system = require "reef.look.system"

local process = {}

process.parameters = {}

local function sums(s)
	local messages, queued, errors = 0, 0, 0
	for i, n in ipairs(s.messages) do
		messages, queued, errors = messages + n, queued + s.queued[i], errors + s.errors[i]
	end
	return messages, queued, errors
end

local function level()
	local found = "info"
	for _, rule in ipairs(log.rules()) do
		if rule.pattern == "*" then
			found = rule.level
		end
	end
	return found
end

---@param _ table<string, string>
---@param server table  { changes = boolean, not_ready = fun(): string[] }
---@return table
function process.look(_, server)
	local now, old = sample.both()
	local span = now.at - old.at
	local messages, queued, errors = sums(now)
	local message_rate, error_rate = 0, 0
	for i = 1, #now.address do
		message_rate = message_rate + sample.rate(now, old, "messages", i)
		error_rate = error_rate + sample.rate(now, old, "errors", i)
	end
	local lines, lost = log.numbers()
	local files, files_limit = system.descriptors()
	local waits_for = server.not_ready()
	return {
		time = now.time, seconds = span, host = system.host(), pid = system.pid(), version = look.version,
		config = skynet.getenv "reef_config", started = skynet.starttime(),
		workers = math.tointeger(skynet.getenv "thread"), ready = #waits_for == 0,
		not_ready = #waits_for > 0 and waits_for or nil, changes = server.changes,
		cpu = now.cpu_of_process,
		cpu_rate = now.cpu_of_process and old.cpu_of_process and (now.cpu_of_process - old.cpu_of_process) / span or nil,
		messages = messages, message_rate = message_rate, services = #now.address, queued = queued, errors = errors,
		error_rate = error_rate, resident = system.resident(), allocated = memory.total(), sockets = #netstat(),
		files = files, files_limit = files_limit, log_lines = lines, log_lost = lost, log_level = level(),
	}
end

return process
