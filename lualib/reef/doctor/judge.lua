-- What a configuration says that is wrong, or that Reef takes differently.

local config = require "reef.doctor.config"
local differences = require "reef.moving.differences"
local places = require "reef.doctor.places"
local settings = require "reef.settings"
local text = require "reef.text"

local judge = {}

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

---What a value is, and what cannot go together.
---@param found table findings
---@param tree reef.doctor.tree
---@param keys table<string, reef.doctor.value>
local function check_values(found, tree, keys)
	local function wrong(key, message)
		found:add("broken", keys[key].file, keys[key].line, ("%s = %s: %s"):format(key,
			text.names_secret(key) and "***" or keys[key].value, message))
	end
	local function value(key)
		return keys[key] and keys[key].value
	end
	for key, entry in pairs(keys) do
		local path = settings.names_file(key)
		local verdict, why = settings.check(key, path and not entry.value:find "lualib/loader%.lua$" and tree:at(entry.value)
			or entry.value)
		if verdict ~= "good" and path then
			found:add("missing", entry.file, entry.line, ("%s = %s: %s"):format(key, entry.value, why))
		elseif verdict == "doubtful" then
			found:add("unknown", entry.file, entry.line, ("%s = %s: %s"):format(key, entry.value, why))
		elseif verdict == "wrong" then
			wrong(key, why)
		end
		local meant = settings.meant(key)
		if meant then
			found:add("unknown", entry.file, entry.line, ("Reef knows no key %s (did you mean %s?)"):format(key, meant))
		end
	end
	local harbor = value "harbor" and math.tointeger(tonumber(value "harbor"))
	if harbor == 0 and value "standalone" then
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
end

---Files that the configuration names.
local function check_files(found, tree, keys)
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

---What a configuration says that is wrong.
---@param found table findings
---@param tree reef.doctor.tree
---@param keys table<string, reef.doctor.value>
function judge.keys(found, tree, keys)
	check_values(found, tree, keys)
	check_files(found, tree, keys)
end

---The same, and what Reef takes differently.
---@param found table findings
---@param tree reef.doctor.tree
---@param result reef.doctor.config
function judge.config(found, tree, result)
	for _, problem in ipairs(result.problems) do
		found:add("broken", problem.file, problem.line, problem.message)
	end
	judge.keys(found, tree, result.keys)
	tell_differences(found, result.keys)
end

return judge
