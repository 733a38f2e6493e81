-- Where a project's modules and services are found, in the order in which Reef looks: its own, the patterns of the
-- configuration, and for modules the directories of the distribution.

local presence = require "reef.moving.presence"

local places = {}
places.__index = places

---@class reef.doctor.place
---@field how "own"|"standard"|"lua"|"library"|"distribution"
---@field path? string
---@field passed_over? string a file of the project's that stands behind Reef's own
---@field directory? string of a service that has one of its own: ends with a slash

local OWN = "@reef"
local standard = {}
for name in ("_G coroutine debug io math os package string table utf8"):gmatch "%S+" do
	standard[name] = true
end

local defaults = {
	lua_path = "./lualib/?.lua;./lualib/?/init.lua",
	lua_cpath = "./luaclib/?.so",
	luaservice = "./service/?.lua",
	cpath = "./cservice/?.so",
}

---@param tree reef.doctor.tree
---@param keys table<string, reef.doctor.value>
function places.new(tree, keys)
	local self = setmetatable({ tree = tree, more = {}, known = {}, modules = {} }, places)
	for key, default in pairs(defaults) do
		self[key] = keys[key] and keys[key].value or default
	end
	self.snax_path = keys.snax and keys.snax.value
	return self
end

local function replaced(pattern, name)
	return (pattern:gsub("%?", (name:gsub("%%", "%%%%"))))
end

---The first regular file that a list of patterns gives for a name.
---@return string? path, string? pattern
function places:first(patterns, name)
	for pattern in patterns:gmatch "[^;]+" do
		if pattern ~= OWN then
			local path = replaced(pattern, name)
			if self.tree:is_file(path) then
				return path, pattern
			end
		end
	end
end

---More patterns for modules: what the sources put into package.path and package.cpath.
---@param pattern string
function places:add(pattern)
	if not self.known[pattern] then
		self.known[pattern] = true
		table.insert(self.more, pattern)
		self.modules = {}
	end
end

---@param self table
---@param name string
---@param own_directory? string
---@return reef.doctor.place?
local function find_module(self, name, own_directory)
	if standard[name] then
		return { how = "standard" }
	end
	local file = name:gsub("%.", "/")
	local extra = table.concat(self.more, ";")
	local lua = (own_directory and own_directory .. "?.lua;" or "") .. self.lua_path .. ";" .. extra
	local path = self:first(lua, file)
	local root = name:match "^[^.]*"
	local library = self:first(self.lua_cpath .. ";" .. extra, file)
		or root ~= name and self:first(self.lua_cpath .. ";" .. extra, root) or nil
	if presence.is_own(name) then
		return { how = "own", passed_over = path or library }
	elseif path and not path:find "%.so$" then
		return { how = "lua", path = path }
	elseif library then
		return { how = "library", path = library }
	end
	local ok, _, where = pcall(package.searchers[#package.searchers], name)
	return ok and where and { how = "distribution", path = where } or nil
end

---@param name string
---@param own_directory? string of the service that requires it
---@return reef.doctor.place?
function places:module(name, own_directory)
	local key = name .. "\0" .. (own_directory or "")
	if self.modules[key] == nil then
		self.modules[key] = find_module(self, name, own_directory) or false
	end
	return self.modules[key] or nil
end

---@param name string
---@return reef.doctor.place?
function places:service(name)
	local own = presence.service(name)
	local path, pattern = self:first(self.luaservice, name)
	if own then
		local ours_at = (";" .. self.luaservice .. ";"):find(";" .. OWN .. ";", 1, true)
		local theirs_at = pattern and self.luaservice:find(pattern, 1, true)
		if not (ours_at and theirs_at and theirs_at < ours_at) then
			return { how = "own", passed_over = path }
		end
	end
	if path then
		local directory, rest = pattern:match "^(.*/)([^/]*)$"
		local has_own = rest and directory:find("?", 1, true)
		return { how = "lua", path = path, directory = has_own and replaced(directory, name) or nil }
	end
end

---@param name string
---@return reef.doctor.place?
function places:snax(name)
	local path, pattern = self:first(self.snax_path or "", name)
	if path then
		local directory = replaced(pattern:match "^(.*/)[^/]*$" or "./", name)
		return { how = "lua", path = path, directory = directory .. name .. "/" }
	end
end

---@param name string
---@return reef.doctor.place?
function places:c_service(name)
	if presence.c_service(name) then
		return { how = "own" }
	end
	local path = self:first(self.cpath, name)
	return path and { how = "library", path = path }
end

---The directories that patterns lead to: what stands before the first `?`.
---@param patterns string?
---@return fun(): string?, string? directory, pattern
function places.directories(patterns)
	return coroutine.wrap(function()
		for pattern in (patterns or ""):gmatch "[^;]+" do
			if pattern ~= OWN then
				local before = pattern:match "^([^?]*)%?"
				if before then
					coroutine.yield(before:match "^(.*/)" or "./", pattern)
				end
			end
		end
	end)
end

return places
