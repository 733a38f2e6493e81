-- What the operating system knows of the process, read from /proc.
local files = require "reef.files"

local TICKS = 100 -- clock ticks a second in /proc, the same on every Linux: sysconf(_SC_CLK_TCK)

local system = {}

---@param path string
---@return string|nil
function system.read(path)
	local f = io.open(path, "rb")
	if f then
		local content = f:read "a"
		f:close()
		return content
	end
end

-- proc(5): fields behind the command's closing parenthesis.
local function stat_fields()
	local fields = {}
	for word in ((system.read "/proc/self/stat" or ""):match ".*%)(.*)" or ""):gmatch "%S+" do
		fields[#fields + 1] = word
	end
	return fields
end

---@return number|nil seconds  user and system CPU time
function system.cpu()
	local fields = stat_fields()
	return fields[13] and (fields[12] + fields[13]) / TICKS
end

---@return integer|nil bytes  in RAM
function system.resident()
	local kilobytes = (system.read "/proc/self/status" or ""):match "VmRSS:%s*(%d+) kB"
	return kilobytes and math.tointeger(kilobytes) * 1024
end

---@return integer|nil open  file descriptors
---@return integer|nil most
function system.descriptors()
	local most = (system.read "/proc/self/limits" or ""):match "Max open files%s+(%d+)"
	local open = files.count "/proc/self/fd"
	-- One of them is the directory.
	return open and open - 1, most and math.tointeger(most)
end

---@return integer|nil
function system.pid()
	return math.tointeger((system.read "/proc/self/stat" or ""):match "^%d+")
end

---@return string
function system.host()
	return ((system.read "/proc/sys/kernel/hostname" or ""):gsub("%s+$", ""))
end

return system
