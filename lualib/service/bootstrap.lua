-- The first service of a process: brings up the system services in the order that the API promises, starts what the
-- configuration (or `reef run`) names, and goes away. When that first user service cannot start, the process ends with
-- exit code 1: a server that runs without its main service helps nobody.

local skynet = require "skynet"
local core = require "skynet.core"
require "reef.manager"
local process = require "reef.process"

local START <const> = "the start service"

local metrics ---@type table?  reef.metrics, if they are served

---What is to be started: the service, its arguments in the same string.
---@return string
local function start_line()
	local script = skynet.getenv "reef_run"
	if not script then
		return skynet.getenv "start" or "main"
	end
	local directory, name, extension = script:match "^(.-)([^/]-)(%.?[^/.]*)$"
	if name == "" then
		name, extension = extension, ""
	end
	if (name .. extension):find "%s" then
		error(("cannot run %q: a service's name has no spaces"):format(script), 0)
	end
	local own = io.open(skynet.getenv "reef_lualib" .. "/service/" .. name .. ".lua")
	if own then
		own:close()
		error(("cannot run %s: %q is a service of Reef's own, give the script another name"):format(script, name), 0)
	end
	directory = directory == "" and "./" or directory
	skynet.setenv("luaservice", directory .. "?" .. extension)
	skynet.setenv("lua_path", directory .. "?.lua;" .. directory .. "?/init.lua")
	skynet.setenv("snax", directory .. "?.lua")
	local arguments = skynet.getenv "reef_run_args"
	return arguments and name .. " " .. arguments or name
end

---The service `.cslave`, and the network behind it if the configuration describes one.
local function start_network()
	if skynet.getenv "harbor" == "0" then
		assert(skynet.getenv "standalone" == nil, "`standalone` needs harbor > 0: remove it from the configuration")
		skynet.setenv("standalone", "true")
		return skynet.newservice "cdummy"
	elseif not skynet.getenv "master" then
		skynet.error(("harbor = %s: no network, since there is no `master`; set harbor = 0 to leave this line out")
			:format(skynet.getenv "harbor"))
		skynet.setenv("standalone", "true")
		return skynet.newservice "cdummy"
	end
	if skynet.getenv "standalone" then
		skynet.newservice "cmaster"
	end
	return skynet.newservice "cslave"
end

---What the configuration says of what is not there.
local function check_configuration()
	local loader = skynet.getenv "lualoader"
	if loader and loader:find "lualib/loader%.lua$" and io.open(loader) then
		skynet.error(("lualoader %s: a file of this name stands for Reef's own loader, which is used; to use yours, "
			.. "give it another name"):format(loader))
	end
end

local function boot()
	local launcher = assert(skynet.launch("snlua", "launcher"), "cannot start the launcher")
	skynet.name(".launcher", launcher)
	core.command("MONITOR", skynet.address(launcher))
	check_configuration()
	skynet.name(".cslave", start_network())
	if skynet.getenv "standalone" then
		skynet.name("DATACENTER", skynet.newservice "datacenterd")
	end
	skynet.newservice "service_mgr"
	local rate, endpoint = skynet.getenv "trace_rate", skynet.getenv "otlp_endpoint"
	if rate or endpoint then
		require("reef.trace").start {
			rate = rate and (tonumber(rate) or error(("trace_rate is a number from 0 to 1, not %s"):format(rate), 0)),
			services = skynet.getenv "trace_services", otlp = endpoint, service_name = skynet.getenv "cluster_name",
		}
	end
	local address = skynet.getenv "metrics"
	if address and not skynet.getenv "reef_prompt" then
		metrics = require "reef.metrics"
		metrics.not_ready(START)
		metrics.serve(address)
	end
end

skynet.start(function()
	local ok, reason = pcall(boot)
	if not ok then
		return process.fail("Bootstrap error : " .. tostring(reason))
	end
	local line
	ok, line = pcall(start_line)
	if not ok then
		return process.fail(line)
	end
	ok, reason = pcall(skynet.newservice, line)
	if not ok then
		return process.fail(("cannot start %s: %s"):format(line:match "%S+" or "main", reason))
	end
	if metrics then
		metrics.ready(START)
	end
	if skynet.getenv "reef_run" or skynet.getenv "reef_test" then
		skynet.send(".launcher", "lua", "END_WITH_LAST")
	end
	skynet.exit()
end)
