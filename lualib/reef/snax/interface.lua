-- What a snax service can do, learnt by running its file. The service runs it in its own globals; whoever calls the
-- service runs it too, in an environment that has nothing but a `require` that loads nothing, so that both number the
-- methods alike: `init`, `exit`, `hotfix`, `profile`, then `accept` and `response` in the order of their definition.

local skynet = require "skynet"

local interface = {}

---@class snax.method
---@field id integer
---@field group "system"|"accept"|"response"
---@field name string
---@field f? function

---Names of the methods that every snax service has, in the order of their ids.
interface.system_names = { "init", "exit", "hotfix", "profile" }

local function check_method(group, name, f, known)
	if type(name) ~= "string" then
		error(("%s: a method's name is a string, not a %s"):format(group, type(name)))
	elseif type(f) ~= "function" then
		error(("%s.%s must be a function, not a %s"):format(group, name, type(f)))
	elseif known then
		error(("%s.%s is defined twice"):format(group, name))
	end
end

---A table that hears of each `accept.name = function`.
local function recorder(group, define)
	local known = {}
	return setmetatable({}, {
		__index = known,
		__newindex = function(_, name, f)
			check_method(group, name, f, known[name])
			known[name] = f
			define(group, name, f)
		end,
	})
end

---Runs f, a chunk whose environment is `env`, with `accept`, `response` and the system methods caught.
---@param env table
---@param define fun(group: string, name: string, f: function)
---@param f function
---@param ... any its arguments
function interface.run(env, define, f, ...)
	local system = {}
	for _, name in ipairs(interface.system_names) do
		system[name] = true
	end
	local groups = { accept = recorder("accept", define), response = recorder("response", define) }
	local meta = getmetatable(env)
	local outer = meta and meta.__index
	local function look_up(_, key)
		local group = groups[key]
		if group ~= nil or outer == nil then
			return group
		elseif type(outer) == "function" then
			return outer(env, key)
		end
		return outer[key]
	end
	local _ <close> = setmetatable({}, { __close = function()
		setmetatable(env, meta)
	end })
	local outer_new = meta and meta.__newindex
	setmetatable(env, {
		__index = look_up,
		__newindex = function(t, key, value)
			if system[key] then
				check_method("system", key, value)
				define("system", key, value)
			elseif type(outer_new) == "function" then
				outer_new(t, key, value)
			elseif outer_new then
				outer_new[key] = value
			else
				rawset(t, key, value)
			end
		end,
	})
	return f(...)
end

---Finds the file of a snax service: the first of the patterns whose file loads.
---@param path string patterns, separated by `;`
---@param name string
---@param env table the chunk's environment
---@return function? chunk
---@return string pattern, or the reasons why there is none
local function load_from(path, name, env)
	local reasons = {}
	for pattern in path:gmatch "[^;]+" do
		local file = pattern:gsub("%?", (name:gsub("%%", "%%%%")))
		local chunk, reason = loadfile(file, "bt", env)
		if chunk then
			return chunk, pattern
		end
		reasons[#reasons + 1] = reason
	end
	return nil, table.concat(reasons, "\n")
end

---The methods of a snax service, in the order of their ids.
---@param name string
---@param env table what the file finds as its globals
---@param loader? fun(path: string, name: string, env: table): function, string
---@return snax.method[]
---@return string pattern where the file was found
function interface.methods(name, env, loader)
	local path = skynet.getenv "snax" or error("snax needs the key `snax` in the configuration: patterns for its files", 0)
	if type(name) ~= "string" then
		error(("snax: the name of a service is a text, not a %s"):format(type(name)))
	end
	local chunk, pattern = (loader or load_from)(path, name, env)
	if not chunk then
		error(("cannot load the snax service %s: %s"):format(name, pattern))
	end
	local methods = {} ---@type snax.method[]
	local system = {} ---@type table<string, integer>
	for id, system_name in ipairs(interface.system_names) do
		methods[id] = { id = id, group = "system", name = system_name }
		system[system_name] = id
	end
	interface.run(env, function(group, method, f)
		if group == "system" then
			methods[system[method]].f = f
		else
			methods[#methods + 1] = { id = #methods + 1, group = group, name = method, f = f }
		end
	end, chunk)
	return methods, pattern
end

---@class snax.interface
---@field name string
---@field accept table<string, integer> name -> id
---@field response table<string, integer>
---@field system table<string, integer>

---@param name string
---@param methods snax.method[]
---@return snax.interface
function interface.ids(name, methods)
	local ids = { name = name, accept = {}, response = {}, system = {} }
	for _, method in ipairs(methods) do
		ids[method.group][method.name] = method.id
	end
	return ids
end

return interface
