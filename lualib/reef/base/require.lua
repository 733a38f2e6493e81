-- `require` of services. In a coroutine the body of a module, and the functions it gave to skynet.init, may call other
-- services; who requires the same module meanwhile waits for it. The host loads this file when the first coroutine
-- requires something or skynet.init is called, so it must not need `skynet` itself while it loads.

local M = {}

local MAIN = "main" -- stands for the main thread among the contexts

-- Init functions by the coroutine whose module is being loaded.
local contexts = { [MAIN] = {} } ---@type table<thread|string, function[]>

---@class skynet.require.loading
---@field name string
---@field thread thread|string who loads it
---@field outer? function[] the context of the module that requires this one
---@field waiting table[] tokens of those who wait
---@field done? boolean

local loading = {} ---@type table<string, skynet.require.loading>
local waits_for = {} ---@type table<thread|string, string> the module that a coroutine waits for

local function current()
	local thread, is_main = coroutine.running()
	return is_main and MAIN or thread
end

local function run_all(functions)
	for _, f in ipairs(functions) do
		f()
	end
end

---Would waiting for `name` mean that `thread` waits for itself?
local function circular(name, thread)
	while name do
		local owner = loading[name].thread
		if owner == thread then
			return true
		end
		name = waits_for[owner]
	end
	return false
end

local function wait_for(name, thread)
	if circular(name, thread) then
		error(("circular dependency: module %s is being loaded by who requires it"):format(name))
	end
	local skynet = package.loaded.skynet
	local entry = loading[name]
	local token = {}
	table.insert(entry.waiting, token)
	waits_for[thread] = name
	while not entry.done do
		skynet.wait(token)
	end
	waits_for[thread] = nil
	local module = package.loaded[name]
	if module == nil then
		error(("require %s failed"):format(name))
	end
	return module
end

---The loader of a module, as the stock `require` finds it; nil, and why there is none.
local function find(name)
	local tried = {}
	for _, searcher in ipairs(package.searchers) do
		local loader, extra = searcher(name)
		if type(loader) == "function" then
			return loader, extra
		elseif type(loader) == "string" then
			tried[#tried + 1] = "\n\t" .. loader
		end
	end
	return nil, ("module '%s' not found:%s"):format(name, table.concat(tried))
end

local loading_type = {
	-- Runs also when the coroutine fails, or is killed while it loads.
	__close = function(entry)
		entry.done = true
		loading[entry.name] = nil
		contexts[entry.thread] = entry.outer
		for _, token in ipairs(entry.waiting) do
			package.loaded.skynet.wakeup(token)
		end
	end,
}

local function load_here(name, loader, extra, thread)
	local functions = thread == MAIN and contexts[MAIN] or {}
	local entry <close> = setmetatable(
		{ name = name, thread = thread, outer = contexts[thread], waiting = {} }, loading_type)
	loading[name] = entry
	contexts[thread] = functions
	local module = loader(name, extra)
	if module == nil then
		module = package.loaded[name]
	end
	if thread ~= MAIN then
		run_all(functions)
	end
	if module == nil then
		module = true
	end
	package.loaded[name] = module
	return module
end

---As `require`, but a module that is not found raises nothing. Internal.
---@param name string
---@return any module
---@return any extra
---@return string|nil why  it was not found
function M.load(name)
	local module = package.loaded[name]
	if module ~= nil and not loading[name] then
		return module
	end
	local thread = current()
	if loading[name] then
		return wait_for(name, thread)
	end
	local loader, extra = find(name)
	if not loader then
		return nil, nil, extra
	end
	return load_here(name, loader, extra, thread), extra
end

---@param name string
---@return any module
---@return any extra what the searcher said, usually the file, when this call loaded it
function M.require(name)
	local module, extra, why = M.load(name)
	if why then
		error(why)
	end
	return module, extra
end

---Queues f to run before the start function of the service, or at the end of the module that is being loaded.
---@param f fun()
function M.init(f)
	assert(type(f) == "function", "skynet.init needs a function")
	local functions = contexts[current()]
	if not functions then
		error("skynet.init belongs into the main chunk of a service or module")
	end
	table.insert(functions, f)
end

---Runs what the main chunk queued, at the start of the service. Later calls of `init` in the main thread raise.
function M.init_all()
	local functions = contexts[MAIN]
	contexts[MAIN] = nil
	run_all(functions or {})
end

return M
