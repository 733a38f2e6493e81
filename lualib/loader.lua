-- The first Lua file of every service: finds the service's main file and returns its function, and the files that it
-- was looked for in before, separated by zero bytes. Gets the pattern of our own services if the name is one of them,
-- the service's name and its arguments. Our own services come first, or where `@reef` stands among the patterns of
-- `luaservice`, which follow in their order; a file that does not compile is passed over like one that is not there,
-- and all reasons are raised if none is left.
--
-- Where many services of a name are launched, only the first ones run this file: it may do nothing that depends on the
-- arguments, but for the preload file.

local skynet = require "skynet"

local own, name = ...

if not name then
	error("a Lua service needs a name", 0)
end
SERVICE_NAME = name

package.path = skynet.getenv "lua_path" or "./lualib/?.lua;./lualib/?/init.lua"
package.cpath = skynet.getenv "lua_cpath" or "./luaclib/?.so"

local OWN = "@reef"

---Says once in the process which file is passed over because a service of ours has its name.
local function say_passed_over(file)
	local key = "reef_passed_over_" .. name
	if skynet.getenv(key) then
		return
	end
	local f = io.open(file)
	if f then
		f:close()
		-- Somebody else may be faster.
		if pcall(skynet.setenv, key, file) then
			skynet.error(("service %s: Reef's own is used, not %s; to use yours, end luaservice with ;%s"):format(
				name, file, OWN))
		end
	end
end

local main, pattern
local reasons, passed = {}, {}
local patterns = skynet.getenv "luaservice" or "./service/?.lua"
if own and not (";" .. patterns .. ";"):find(";" .. OWN .. ";", 1, true) then
	for candidate in patterns:gmatch "[^;]+" do
		say_passed_over((candidate:gsub("%?", name)))
	end
	patterns = OWN .. ";" .. patterns
end
for candidate in patterns:gmatch "[^;]+" do
	local reason
	candidate = candidate == OWN and own or candidate
	local file = candidate:gsub("%?", (name:gsub("%%", "%%%%")))
	main, reason = loadfile(file)
	if main then
		pattern = candidate
		break
	end
	reasons[#reasons + 1], passed[#passed + 1] = reason, file
end
if not main then
	error(table.concat(reasons, "\n"), 0)
end

-- In `dir/?/main.lua` the service has a directory of its own, where its modules are found too.
local directory, rest = pattern:match "^(.*/)([^/]*)$"
directory = directory or "./"
if directory:find("?", 1, true) and rest then
	directory = directory:gsub("%?", (name:gsub("%%", "%%%%")))
	package.path = directory .. "?.lua;" .. package.path
end
SERVICE_PATH = directory

local preload = skynet.getenv "preload"
if preload then
	assert(loadfile(preload))(select(2, ...))
end
return main, table.concat(passed, "\0")
