-- Goes through a project from what its configuration starts: each file that is loaded, what that file needs, and so on;
-- then through what lies beside. Nothing of the project is run.

local config = require "reef.doctor.config"
local differences = require "reef.moving.differences"
local findings = require "reef.doctor.findings"
local judge = require "reef.doctor.judge"
local needs = require "reef.doctor.needs"
local places = require "reef.doctor.places"
local presence = require "reef.moving.presence"
local source = require "reef.doctor.source"
local tree_of = require "reef.doctor.tree"

local MAX_PARENTS = 3
local MAX_PARTS = 4 -- of the names of Reef's modules

---@class reef.doctor.examination
---@field tree reef.doctor.tree
---@field places table
---@field found table
---@field keys table<string, reef.doctor.value>
---@field read table<string, reef.doctor.facts> by file
---@field queue { file: string, directory?: string }[]
---@field any_service? boolean is a service started whose name is made at run time?
---@field reached boolean are the files that are read now loaded by something that is started?
---@field assigned table<string, boolean> members that a file of the project sets itself
local examination = {}
examination.__index = examination

---What is not there is certain only of files that something loads.
function examination:missing(file, line, message, package)
	self.found:add(self.reached and "missing" or "perhaps", file, line, message, package)
end

function examination:add(file, directory)
	if not self.read[file] then
		table.insert(self.queue, { file = file, directory = directory })
	end
end

---Does this file belong to the implementation that the project comes from? Its directory has what only that has.
function examination:is_foreign(file)
	for directory in pairs(self.foreign) do
		if file:sub(1, #directory) == directory then
			return true
		end
	end
	return false
end

-- ---- files ----

---What a file uses of our modules: members that are not there, and those that differ.
function examination:members(facts, from)
	local told = {}
	for _, use in ipairs(facts.uses) do
		local name = use.module .. "." .. use.member
		if use.assigned then
			self.assigned[name] = true
		elseif not told[name] and presence.is_own(use.module) then
			told[name] = true
			local why = differences[name] or use.module == "skynet" and differences["skynet.manager." .. use.member]
			if presence.has(use.module, use.member) == false then
				if not self.assigned[name] then
					table.insert(self.later, { from.file, use.line, name, self.reached })
				end
			elseif why then
				self.found:add("differs", from.file, use.line, ("%s: %s"):format(name, why))
			end
		end
	end
end

function examination:file(from)
	local file = from.file
	if self.read[file] then
		return
	end
	local text, reason = self.tree:read(file)
	if not text then
		self.read[file] = {}
		return self.tree:skip(file, reason)
	elseif text:sub(1, 4) == "\27Lua" then
		self.read[file] = {}
		return self.tree:skip(file, "is compiled; what it needs cannot be seen")
	elseif text:find("\0", 1, true) then
		self.read[file] = {}
		return self.tree:skip(file, "is no text")
	end
	local facts = source.read(text, file)
	self.read[file] = facts
	if facts.reason then
		local line, message = facts.reason:match ":(%d+): (.*)$"
		self.found:add(self.reached and "broken" or "perhaps", file, math.tointeger(tonumber(line)),
			"does not compile: " .. (message or facts.reason))
	end
	for _, pattern in ipairs(facts.paths) do
		self.places:add(pattern)
	end
	for _, entry in ipairs(facts.needs) do
		if not entry.name then
			self:made_at_run_time(entry, from)
			self.found:add("unknown", file, entry.line, ("%s: the name is made when it runs; %s"):format(entry.text,
				entry.prefix and "what begins like it is looked at" or "what it loads is not looked at"))
		elseif entry.name == "" or entry.name:find "[%z\1-\31]" then
			self:missing(file, entry.line, entry.text .. ": nothing has such a name")
		else
			needs[entry.kind](self, entry, from)
		end
	end
	self:members(facts, from)
	for _, protocol in ipairs(facts.protocols) do
		table.insert(self.protocols, { file = file, line = protocol.line, name = protocol.name, id = protocol.id })
	end
end

---A name that is made at run time: what it can be, as far as that can be told.
function examination:made_at_run_time(entry, from)
	if entry.kind == "service" then
		self.any_service = self.any_service or self.reached
	elseif entry.prefix then
		local below = entry.prefix:gsub("%.", "/")
		for directory, pattern in places.directories(self.places.lua_path) do
			local ending = pattern:match "%?(.*)$"
			if not ending:find("/", 1, true) then
				for _, file in ipairs(self.tree:list((directory .. below):match "^(.*/)" or "./", ending, 1)) do
					if file:sub(1, #directory + #below) == directory .. below then
						self:add(file, from.directory)
					end
				end
			end
		end
	end
end

function examination:drain()
	while #self.queue > 0 and self.tree:in_time() do
		self:file(table.remove(self.queue, 1))
	end
end

---What the configuration itself starts.
function examination:roots()
	local keys = self.keys
	local function from_key(key, value)
		local entry = keys[key]
		return { text = ("%s = %s"):format(key, entry and entry.value or value), line = entry and entry.line },
			{ file = entry and entry.file or self.config_file }
	end
	local function start(key, line, kind)
		local entry, from = from_key(key, line)
		entry.name = line:match "%S+"
		if entry.name then
			needs[kind](self, entry, from)
		end
	end
	for _, key in ipairs { "preload", "lualoader" } do
		local path = keys[key] and keys[key].value
		if path and not (key == "lualoader" and path:find "lualib/loader%.lua$") and self.tree:is_file(path) then
			self:add(path)
		end
	end
	local bootstrap = keys.bootstrap and keys.bootstrap.value or "snlua bootstrap"
	local module, rest = bootstrap:match "^%s*(%S+)%s*(.*)$"
	start("bootstrap", module == "snlua" and rest or bootstrap, module == "snlua" and "service" or "c_service")
	start("start", keys.start and keys.start.value or "main", "service")
	if keys.logservice and keys.logservice.value == "snlua" then
		start("logger", keys.logger and keys.logger.value or "logger", "service")
	elseif keys.logservice then
		start("logservice", keys.logservice.value, "c_service")
	end
end

-- ---- what lies beside ----

---Which directories are those of another implementation, and what of them and of the project stands behind Reef's own.
function examination:shadows()
	local _, _, lualib = self.tree:stat(presence.lualib())
	local function tell(key, kind, own)
		for directory in places.directories(self.places[key]) do
			local names = {}
			local depth = kind == "service" and 1 or MAX_PARTS
			local _, _, id = self.tree:stat(directory)
			local ending = key == "lua_cpath" and ".so" or ".lua"
			for _, path in ipairs(id == lualib and {} or self.tree:list(directory, ending, depth)) do
				local name = path:sub(#directory + 1):gsub("%.%a+$", "")
				name = kind == "module" and name:gsub("/", "."):gsub("%.init$", "") or name
				if own(name) and not self.places[key]:find("@reef", 1, true) then
					names[#names + 1] = name
				end
			end
			if #names > 0 then
				local entry = self.keys[key]
				local few = table.concat(names, ", ", 1, math.min(#names, 6))
				self.found:add("shadowed", entry and entry.file or self.config_file, entry and entry.line,
					("%s: %d %s stand behind Reef's own: %s%s"):format(directory, #names,
						kind == "service" and "services" or "modules", few, #names > 6 and " ..." or ""))
			end
		end
	end
	tell("lua_path", "module", presence.is_own)
	tell("lua_cpath", "module", presence.is_own)
	tell("luaservice", "service", presence.service)
end

---Directories that have what only the API's implementation brings.
function examination:find_foreign()
	local marks_of = { lua_path = { "skynet.lua", "loader.lua" }, luaservice = { "launcher.lua", "bootstrap.lua" } }
	for key, marks in pairs(marks_of) do
		for directory in places.directories(self.places[key]) do
			if self.tree:is_file(directory .. marks[1]) and self.tree:is_file(directory .. marks[2]) then
				self.foreign[directory] = true
			end
		end
	end
end

---Files of the project in the directories of its services that nothing seems to load.
function examination:rest()
	self.reached = self.any_service or false
	for _, key in ipairs { "luaservice", "snax_path" } do
		for directory, pattern in places.directories(self.places[key]) do
			local ending = pattern:match "%?(.*)$"
			local _, parts = ending:gsub("/", "")
			for _, file in ipairs(self:is_foreign(directory) and {} or self.tree:list(directory, ending, parts + 1)) do
				local name = file:sub(#directory + 1, -#ending - 1)
				if not name:find("/", 1, true) and not (key == "luaservice" and presence.service(name)) then
					self:add(file, parts > 0 and file:match "^.*/" or nil)
				end
			end
		end
	end
	self:drain()
end

---Where the relative paths of a configuration begin: where Reef is started, or where it has to be.
local function find_base(tree, keys, path)
	local start = (keys.start and keys.start.value or "main"):match "%S+"
	local function is_there()
		return start == nil or places.new(tree, keys):service(start) ~= nil
	end
	if is_there() then
		return true
	end
	local directory = path:match "^(.*/)" or ""
	for _ = 0, MAX_PARENTS do
		tree.base = directory
		if directory ~= "" and is_there() then
			return false
		end
		directory = directory == "" and "../" or directory:find "%.%./$" and directory .. "../"
			or directory:match "^(.*/)[^/]+/$" or ""
	end
	tree.base = ""
	return true
end

local examine = {}

---Examines a project.
---@param path string its configuration
---@param seconds number how long that may take
---@return reef.doctor.examination? result nil: the configuration cannot be read
---@return string? reason
function examine.run(path, seconds)
	local tree = tree_of.new(seconds)
	local text, reason = tree:read(path)
	if not text then
		return nil, ("%s: %s"):format(path, reason)
	end
	local result = config.read(tree, path)
	local is_here = find_base(tree, result.keys, path)
	local self = setmetatable({
		tree = tree, found = findings.new(), keys = result.keys, config_file = path, config_files = result.files,
		read = {}, queue = {}, reached = true, assigned = {}, later = {}, used = {}, protocols = {}, foreign = {},
	}, examination)
	self.places = places.new(tree, result.keys)
	if not is_here then
		self.found:add("unknown", path, nil,
			("its relative paths lead nowhere from here; start Reef in %s, as is assumed below"):format(tree.base))
	end
	judge.config(self.found, tree, result)
	self:find_foreign()
	self:roots()
	self:drain()
	self:shadows()
	self:rest()
	for _, entry in ipairs(self.later) do
		local file, line, name, reached = table.unpack(entry)
		if not self.assigned[name] then
			self.found:add(reached and "missing" or "perhaps", file, line, name .. ": Reef's module has no such member")
		end
	end
	if tree.late then
		self.found:add("unfinished", path, nil,
			("%g seconds were not enough to look at everything (--seconds)"):format(seconds))
	end
	for _, entry in ipairs(tree.skipped) do
		self.found:add("skipped", entry.file, nil, entry.message)
	end
	return self
end

return examine
