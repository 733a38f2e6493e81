-- New code for the methods of a running snax service. The patch is a chunk that defines some of the methods again. A
-- local variable at its top that has no value means the variable of that name in the running code; others are new.

local interface = require "reef.snax.interface"

local hotfix = {}

---@class hotfix.variable
---@field f function a function that has it
---@field index integer of the upvalue
---@field id userdata
---@field ambiguous boolean two variables have this name

---Adds the upvalues of f, and of the functions among them, to those by name.
---@param found table<string, hotfix.variable>
local function collect(f, found, seen)
	if seen[f] then
		return
	end
	seen[f] = true
	for index = 1, math.huge do
		local name, value = debug.getupvalue(f, index)
		if not name then
			return
		end
		if name ~= "" then
			local id = debug.upvalueid(f, index)
			local known = found[name]
			if not known then
				found[name] = { f = f, index = index, id = id, ambiguous = false }
			elseif known.id ~= id then
				known.ambiguous = true
			end
			if type(value) == "function" and name ~= "_ENV" then
				collect(value, found, seen)
			end
		end
	end
end

---Lists what is to be joined in f and in the functions that it refers to: { f, index, variable }.
local function plan_joins(f, variables, joins, seen)
	if seen[f] then
		return
	end
	seen[f] = true
	for index = 1, math.huge do
		local name, value = debug.getupvalue(f, index)
		if not name then
			return
		end
		local variable = variables[name]
		if name == "_ENV" or value == nil and variable then
			if variable.ambiguous then
				error(("ambiguity local value %s"):format(name), 0)
			end
			joins[#joins + 1] = { f, index, variable }
		elseif type(value) == "function" then
			plan_joins(value, variables, joins, seen)
		end
	end
end

---Goes back to the methods that were there if the patch's own function has failed.
local function finish(patches, ok, ...)
	if not ok then
		for _, patch in ipairs(patches) do
			patch.method.f = patch.old
		end
		error(..., 0)
	end
	return ...
end

---Changes the methods. They stay what they were when it raises.
---@param methods snax.method[]
---@param env table the service's globals
---@param source string
---@param ... any arguments of the patch's function `hotfix`
---@return any ... what that returns
function hotfix.apply(methods, env, source, ...)
	if type(source) ~= "string" then
		error(("snax: a patch is a string, not a %s"):format(type(source)), 0)
	end
	local by_name = { system = {}, accept = {}, response = {} } ---@type table<string, table<string, snax.method>>
	local variables, seen = {}, {}
	for _, method in ipairs(methods) do
		by_name[method.group][method.name] = method
		if method.f then
			collect(method.f, variables, seen)
		end
	end
	-- What a patched function sees as its globals, whatever the running code has made of its own _ENV.
	local env_function = assert(load("return _ENV", "=(globals)", "t", env))
	variables._ENV = { f = env_function, index = 1, id = debug.upvalueid(env_function, 1), ambiguous = false }

	local patch_env = setmetatable({}, { __index = env, __newindex = env })
	local chunk, reason = load(source, "=(hotfix)", "bt", patch_env)
	if not chunk then
		error(reason, 0)
	end
	local patches = {} ---@type {method: snax.method, f: function, old: function}[]
	local after
	interface.run(patch_env, function(group, name, f)
		if group == "system" and name == "hotfix" then
			after = f
			return
		end
		local method = by_name[group][name]
		if not method or not method.f then
			error(("Patch mismatch %s.%s"):format(group, name), 0)
		end
		patches[#patches + 1] = { method = method, f = f }
	end, chunk)

	local joins, joined = {}, {}
	for _, patch in ipairs(patches) do
		plan_joins(patch.f, variables, joins, joined)
	end
	if after then
		plan_joins(after, variables, joins, joined)
	end
	for _, join in ipairs(joins) do
		debug.upvaluejoin(join[1], join[2], join[3].f, join[3].index)
	end
	for _, patch in ipairs(patches) do
		patch.old, patch.method.f = patch.method.f, patch.f
	end
	if after then
		return finish(patches, pcall(after, ...))
	end
end

return hotfix
