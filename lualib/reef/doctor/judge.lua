-- What a configuration says that is wrong, or that Reef takes differently.

local config = require "reef.doctor.config"
local differences = require "reef.moving.differences"
local places = require "reef.doctor.places"

local judge = {}

local MAX_THREADS = 1024

---Is a key's difference one for this value?
local applies = {
	harbor = function() return false end,
	lualoader = function(value) return value:find "lualib/loader%.lua$" ~= nil end,
	thread = function() return false end,
	lua_path = function() return false end,
	lua_cpath = function() return false end,
	luaservice = function() return false end,
}

---@param found table findings
---@param keys table<string, reef.doctor.value>
local function tell_differences(found, keys)
	for key, entry in pairs(keys) do
		local why = differences["config " .. key]
		if why and (not applies[key] or applies[key](entry.value)) then
			found:add("differs", entry.file, entry.line, ("%s = %s: %s"):format(key, entry.value, why))
		end
	end
end

local function check_values(found, keys)
	local function wrong(key, message)
		found:add("broken", keys[key].file, keys[key].line, ("%s = %s: %s"):format(key, keys[key].value, message))
	end
	local function value(key)
		return keys[key] and keys[key].value
	end
	local threads = value "thread" and math.tointeger(tonumber(value "thread"))
	if value "thread" and not (threads and threads >= 1 and threads <= MAX_THREADS) then
		wrong("thread", ("must be a number from 1 to %d"):format(MAX_THREADS))
	end
	local harbor = value "harbor" and math.tointeger(tonumber(value "harbor"))
	if value "harbor" and not (harbor and harbor >= 0 and harbor <= 255) then
		wrong("harbor", "must be a number from 0 to 255")
	elseif harbor == 0 and value "standalone" then
		wrong("standalone", "needs harbor > 0; leave it out")
	elseif (harbor or (value "master" or value "standalone") and 1 or 0) ~= 0
		and (value "address" or value "master" or value "standalone") then
		for _, key in ipairs { "address", "master" } do
			if not value(key) then
				local said = value "standalone" and "standalone" or value "master" and "master" or "address"
				wrong(said, ("a node of a network needs `%s`, such as \"127.0.0.1:2526\""):format(key))
			end
		end
	end
	for _, key in ipairs { "cpath", "luaservice", "snax" } do
		for pattern in (value(key) or ""):gmatch "[^;]+" do
			if pattern ~= "@reef" and not pattern:find("?", 1, true) then
				wrong(key, ("the pattern %s has no ?"):format(pattern))
			end
		end
	end
end

---Files that the configuration names.
local function check_files(found, tree, keys)
	for _, key in ipairs { "preload", "lualoader", "snax_loader", "certfile", "keyfile", "cluster" } do
		local entry = keys[key]
		local stands_for_ours = key == "lualoader" and entry and entry.value:find "lualib/loader%.lua$"
		if entry and not stands_for_ours and not tree:is_file(entry.value) then
			found:add("missing", entry.file, entry.line, ("%s = %s: there is no such file"):format(key, entry.value))
		end
	end
	if keys.cluster and tree:is_file(keys.cluster.value) then
		local _, problems = config.read_cluster(tree, keys.cluster.value)
		for _, problem in ipairs(problems) do
			found:add("broken", problem.file, problem.line, problem.message)
		end
	end
	for _, key in ipairs { "luaservice", "lua_path", "lua_cpath", "cpath", "snax" } do
		local entry = keys[key]
		for directory, pattern in places.directories(entry and entry.value) do
			if tree:stat(directory) ~= "directory" then
				found:add("unknown", entry.file, entry.line, ("%s: there is no directory %s (for %s)"):format(
					key, directory, pattern))
			end
		end
	end
end

---@param found table findings
---@param tree reef.doctor.tree
---@param result reef.doctor.config
function judge.config(found, tree, result)
	for _, problem in ipairs(result.problems) do
		found:add("broken", problem.file, problem.line, problem.message)
	end
	check_values(found, result.keys)
	check_files(found, tree, result.keys)
	tell_differences(found, result.keys)
end

return judge
