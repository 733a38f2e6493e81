-- What a project's need comes to: a module or service that is there, one of another implementation, or none. Each
-- function is for one kind of need; `self` is the examination that goes on.

local binary = require "reef.doctor.binary"
local contract = require "reef.moving.contract"
local differences = require "reef.moving.differences"
local packages = require "reef.moving.packages"
local presence = require "reef.moving.presence"

local needs = {}

local in_contract = {}
for _, chapter in ipairs(contract.chapters) do
	for _, part in ipairs(chapter.parts) do
		if part.module then
			in_contract[part.module] = true
		end
	end
end

---A shared library that would be loaded: has it what is called, and has the program what it needs?
local function library(self, path, symbol, entry, from)
	local result, reason, not_read = binary.read(self.tree, path)
	if not_read then
		return self.tree:skip(path, reason)
	elseif not result then
		return self.found:add("broken", from.file, entry.line, ("%s: %s %s"):format(entry.text, path, reason))
	elseif not result.defines[symbol] then
		self.found:add("broken", from.file, entry.line, ("%s: %s has no function %s"):format(entry.text, path, symbol))
	end
	local lacks = {}
	for _, name in ipairs(result.needs) do
		if not presence.c_function(name) then
			lacks[#lacks + 1] = name
		end
	end
	if #lacks > 0 then
		self:missing(from.file, entry.line, ("%s: %s needs %s, which Reef does not have (it has Lua 5.4: was this built for "
			.. "another version?)"):format(entry.text, path, table.concat(lacks, ", ", 1, math.min(#lacks, 5))))
	end
end

local function package_of(name)
	return packages[name] or packages[name:match "^[^.]*"]
end

---Says that something of another implementation is used where Reef has nothing.
local function tell_foreign(self, entry, from, what, path)
	self.found:add("foreign", from.file, entry.line,
		("%s: Reef has no %s; %s is loaded, which was written for another implementation"):format(entry.text, what, path))
end

function needs:module(entry, from)
	local name = entry.name
	local place = self.places:module(name, from.directory)
	if place and place.how == "own" then
		self.used[name] = true
		if differences[name] and name ~= "skynet" then
			self.found:add("differs", from.file, entry.line, ("%s: %s"):format(name, differences[name]))
		end
	elseif place and place.how == "lua" then
		if in_contract[name] or self:is_foreign(place.path) then
			tell_foreign(self, entry, from, "module " .. name, place.path)
		end
		self:add(place.path, from.directory)
	elseif place and place.how == "library" then
		library(self, place.path, "luaopen_" .. name:gsub("^[^-]*%-", ""):gsub("%.", "_"), entry, from)
	elseif place and place.how == "distribution" then
		local package = package_of(name)
		self.found:add("installed", from.file, entry.line, ("%s: %s%s"):format(entry.text, place.path,
			package and (", Debian's package %s"):format(package) or ""), package)
	elseif not place then
		local package = package_of(name)
		local today, pattern = presence.of_older_name(name)
		local why = today and ("the older name of %s: put %s into lua_path"):format(today, pattern)
			or in_contract[name] and "not in Reef yet"
			or package and ("Debian's package %s has it: apt-get install %s"):format(package, package)
			or "it is neither Reef's, nor in lua_path or lua_cpath, nor installed"
		if entry.optional then
			self.found:add("unknown", from.file, entry.line, ("%s, tried with pcall: %s"):format(entry.text, why), package)
		else
			self:missing(from.file, entry.line, ("%s: %s"):format(entry.text, why), package)
		end
	end
end

---A file that is run by its path.
function needs:file(entry, from)
	if self.tree:is_file(entry.name) then
		self:add(entry.name, from.directory)
	else
		self.found:add("unknown", from.file, entry.line, entry.text .. ": there is no such file now")
	end
end

function needs:service(entry, from)
	local place = self.places:service(entry.name)
	if not place then
		local known = false
		for _, name in ipairs(contract.services) do
			known = known or name == entry.name
		end
		return self:missing(from.file, entry.line, ("%s: %s"):format(entry.text, known and "not in Reef yet"
			or ("no pattern of luaservice has the service %s"):format(entry.name)))
	end
	local why = differences["service " .. entry.name]
	if place.how == "own" and why then
		self.found:add("differs", from.file, entry.line, ("%s: %s"):format(entry.text, why))
	elseif place.how == "lua" then
		if self:is_foreign(place.path) then
			tell_foreign(self, entry, from, "service " .. entry.name, place.path)
		end
		self:add(place.path, place.directory)
	end
end

function needs:snax(entry, from)
	if not self.keys.snax then
		return self:missing(from.file, entry.line, ("%s: the configuration has no key snax, where snax services lie"):format(
			entry.text))
	end
	local place = self.places:snax(entry.name)
	if not place then
		return self:missing(from.file, entry.line, ("%s: no pattern of snax has %s"):format(entry.text, entry.name))
	end
	self:add(place.path, place.directory)
end

function needs:c_service(entry, from)
	local place = self.places:c_service(entry.name)
	if not place then
		local known = false
		for _, name in ipairs(contract.c_services) do
			known = known or name == entry.name
		end
		self:missing(from.file, entry.line, ("%s: no pattern of cpath has the C service %s, and it is not in Reef%s"):format(
			entry.text, entry.name, known and " yet" or ""))
	elseif place.path then
		library(self, place.path, entry.name:match "[^.]*$" .. "_init", entry, from)
	end
end

return needs
