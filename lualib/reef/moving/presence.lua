-- What is there, asked of the process in which this runs: modules by requiring ours, members by looking, services by
-- their files, C functions by linking. Nothing of a project is loaded: ours come before all others, and what is not
-- ours is not there.

local contract = require "reef.moving.contract"
local skynet = require "skynet"

local presence = {}

local lualib = skynet.getenv "reef_lualib"
local own_search = package.searchers[2]

---Is this a module of ours?
---@param name string
---@return boolean
function presence.is_own(name)
	local ok, loader = pcall(own_search, name)
	return ok and type(loader) == "function"
end

---The module of today that an older name stands for, and the pattern that finds it under that name.
---@param name string
---@return string? target, string? pattern
function presence.of_older_name(name)
	local pattern = lualib .. "/compat10/?.lua"
	local path = not name:find "[^%w_]" and package.searchpath(name, pattern)
	local file <close> = path and io.open(path) or nil
	return file and file:read "a":match '^return require "([%w_.]+)"\n$', pattern
end

local modules = {} ---@type table<string, { value: any, reason: string? }>

---A module of ours: its value; nil and why there is none.
---@param name string
---@return any value, string? reason
function presence.module(name)
	local known = modules[name]
	if not known then
		if not presence.is_own(name) then
			known = { reason = "not there" }
		else
			local ok, value = pcall(require, name)
			known = ok and { value = value } or { reason = tostring(value) }
		end
		modules[name] = known
	end
	return known.value, known.reason
end

---Does this value have what the name promises? Otherwise what it has instead.
---@param owner any
---@param entry reef.moving.name
---@return boolean, string?
function presence.member(owner, entry)
	local ok, value = pcall(function()
		return owner[entry.name]
	end)
	if not ok then
		return false
	end
	if entry.kind == "field" then
		return true
	elseif entry.kind == "value" then
		return value ~= nil
	end
	local call = type(value) == "function" and value or type(value) == "table" and (getmetatable(value) or {}).__call
	if not call then
		return false, value ~= nil and "a " .. type(value) or nil
	end
	local info = debug.getinfo(call, "u")
	if entry.arity and not info.isvararg and info.nparams < entry.arity then
		return false, ("takes %d arguments"):format(info.nparams)
	end
	return true
end

local extras = { skynet = "skynet.manager" }

---Does one of our modules have a member of any name? nil: nobody can say.
---@param name string the module
---@param member string
---@return boolean?
function presence.has(name, member)
	local value = presence.module(extras[name] or name)
	if type(value) ~= "table" then
		return nil
	end
	for _, chapter in ipairs(contract.chapters) do
		for _, part in ipairs(chapter.parts) do
			if part.module == name then
				for _, entry in ipairs(contract.names(part.names)) do
					if entry.kind == "field" and entry.name == member then
						return true
					end
				end
			end
		end
	end
	return value[member] ~= nil
end

---@param path string
---@return boolean
local function readable(path)
	local f = io.open(path, "rb")
	if f then
		f:close()
	end
	return f ~= nil
end

---The file of a service of ours.
---@param name string
---@return string? path
function presence.service(name)
	local path = ("%s/service/%s.lua"):format(lualib, name)
	return not name:find "[^%w_]" and readable(path) and path or nil
end

---What starts the services in C that may come with us, each for a moment. `true`: it is in the program.
local c_services = { snlua = true, logger = true, gate = "S ! 127.0.0.1:0 0 8" }

---Does this kind of service in C come with us?
---@param name string
---@return boolean
function presence.c_service(name)
	local arguments = c_services[name]
	if type(arguments) == "string" then
		local manager = require "reef.manager"
		local address = manager.launch(name, arguments)
		if address then
			manager.kill(address)
		end
		c_services[name] = address ~= nil
	end
	return c_services[name] == true
end

---Does the program have this function for what is linked against it?
---@param name string
---@return boolean
function presence.c_function(name)
	return package.loadlib("", name) ~= nil
end

---@return string
function presence.lualib()
	return lualib
end

return presence
