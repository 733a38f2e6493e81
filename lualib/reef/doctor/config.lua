-- Reads a project's configuration as Reef does (core/host/config.c): variables of the environment, `include`, and
-- nothing else of Lua's library; within bounds of steps, and with what is wrong collected instead of raised.

local budget = require "reef.budget"
local settings = require "reef.settings"

local config = {}

local MAX_STEPS = 10000000
local MAX_INCLUDES = 100

---@class reef.doctor.value
---@field value string
---@field file string
---@field line integer

---@class reef.doctor.config
---@field keys table<string, reef.doctor.value>
---@field files string[]
---@field problems { file: string, line: integer, message: string }[]

---The line of a file in which `key = ` is last said.
local function line_of(text, key)
	local line, found = 0, nil
	for one in text:gmatch "([^\n]*)\n?" do
		line = line + 1
		if one:find("%f[%w_]" .. key .. "%s*=[^=]") or one:find("%f[%w_]" .. key .. "%s*=$") then
			found = line
		end
	end
	return found
end

---Puts variables in; one that is not set is a problem, and stays as its name.
local function expand(text, file, problems)
	local expanded, wrong = settings.expand(text)
	for _, problem in ipairs(wrong) do
		problems[#problems + 1] = { file = file, line = problem.line, message = problem.message }
	end
	return expanded
end

---@param message any
---@param file string
---@return { file: string, line: integer, message: string }
local function problem_of(message, file)
	local where, line, rest = tostring(message):match "^(.-):(%d+): (.*)$"
	return { file = where or file, line = math.tointeger(tonumber(line)) or 1, message = rest or tostring(message) }
end

---Runs a file of assignments in an environment of its own: what it assigned.
---@param tree reef.doctor.tree
---@param path string
---@param expands boolean are `$NAME` and `include` known?
---@return table<any, any> env
---@return reef.doctor.config partly filled: files, problems
---@return table<any, { file: string, text: string }> where each key was assigned last
local function run(tree, path, expands)
	local result = { keys = {}, files = {}, problems = {} }
	local env, origin = {}, {}
	local function run_file(file)
		local text, reason = tree:read(file)
		if not text then
			return error(("%s:1: %s"):format(file, reason), 0)
		elseif #result.files >= MAX_INCLUDES then
			return error(("%s:1: more than %d files are included"):format(file, MAX_INCLUDES), 0)
		end
		result.files[#result.files + 1] = file
		text = expands and expand(text, file, result.problems) or text
		local directory = file:match "^.*/" or ""
		local proxy = setmetatable({}, {
			__index = function(_, key)
				if key == "include" and expands then
					return function(name)
						if type(name) ~= "string" or name:find("\0", 1, true) then
							error("include takes the name of a file")
						end
						run_file(name:sub(1, 1) == "/" and name or directory .. name)
					end
				end
				return env[key]
			end,
			__newindex = function(_, key, value)
				env[key] = value
				origin[key] = { file = file, text = text }
			end,
		})
		local chunk, why = load(text, "@" .. file, "t", proxy)
		if not chunk then
			error(why, 0)
		end
		chunk()
	end
	-- Patterns and repetitions count as steps; the service's own limit bounds memory.
	local ok, reason = budget.call(MAX_STEPS, ("%s:1: it runs for too long"):format(path), run_file, path)
	if not ok then
		result.problems[#result.problems + 1] = problem_of(reason, path)
	end
	return env, result, origin
end

---@param tree reef.doctor.tree
---@param path string
---@return reef.doctor.config
function config.read(tree, path)
	local env, result, origin = run(tree, path, true)
	for key, value in pairs(env) do
		local kind = type(value)
		local place = origin[key]
		local line = type(key) == "string" and line_of(place.text, (key:gsub("%p", "%%%0"))) or 1
		if type(key) ~= "string" then
			table.insert(result.problems, { file = place.file, line = 1, message = "keys are names, not a " .. type(key) })
		elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
			table.insert(result.problems, { file = place.file, line = line,
				message = ("%s is a %s; values are strings, numbers and booleans"):format(key, kind) })
		else
			result.keys[key] = { value = tostring(value), file = place.file, line = line }
		end
	end
	return result
end

---Reads the file of a cluster's nodes.
---@param tree reef.doctor.tree
---@param path string
---@return table<string, string|boolean> nodes, { file: string, line: integer, message: string }[] problems
function config.read_cluster(tree, path)
	local env, result, origin = run(tree, path, false)
	for name, value in pairs(env) do
		if type(name) == "string" and name:sub(1, 2) ~= "__" and value ~= false and type(value) ~= "string" then
			table.insert(result.problems, { file = path, line = line_of(origin[name].text, (name:gsub("%p", "%%%0"))) or 1,
				message = ("the node %s is a %s; it has to be \"host:port\" or false"):format(name, type(value)) })
		end
	end
	return env, result.problems
end

return config
