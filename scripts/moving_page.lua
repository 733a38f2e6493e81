-- Writes docs/moving.md: asks this process for every name of reef.moving.contract. Started by scripts/moving.

local contract = require "reef.moving.contract"
local differences = require "reef.moving.differences"
local objects = require "moving_objects"
local presence = require "reef.moving.presence"
local process = require "reef.process"
local skynet = require "skynet"

local root = skynet.getenv "moving_root"
local used = {} ---@type table<string, boolean> differences that something has asked for
local out = {}
local counts = { here = 0, differs = 0, missing = 0 }

local function add(line, ...)
	out[#out + 1] = select("#", ...) > 0 and line:format(...) or line
end

local function read(path)
	local f <close> = assert(io.open(path, "rb"))
	return f:read "a"
end

local function difference_of(key)
	used[key] = true
	return differences[key]
end

---Sorts a list of names into what is here, what differs, and what is not there; one row of a table.
---@param label string
---@param keys string what stands before a name in the table of differences
---@param names { name: string, there: boolean, instead?: string }[]
---@param whole? string a difference of all of them
local function row(label, keys, names, whole)
	local here, differs, missing = {}, {}, {}
	for _, entry in ipairs(names) do
		local name = ("`%s`"):format(entry.name)
		local why = difference_of(keys .. entry.name)
		if entry.instead then
			why = why or entry.instead
			entry.there = true
		end
		if not entry.there then
			counts.missing = counts.missing + 1
			missing[#missing + 1] = name
		elseif why then
			counts.differs = counts.differs + 1
			differs[#differs + 1] = ("%s: %s."):format(name, why)
		else
			counts.here = counts.here + 1
			here[#here + 1] = name
		end
	end
	if whole and #missing < math.max(#names, 1) then
		table.insert(differs, 1, whole:sub(1, 1):upper() .. whole:sub(2) .. ".")
	end
	add("| %s | %s | %s | %s |", label, table.concat(here, " "), table.concat(differs, " "), table.concat(missing, " "))
end

local function table_head(what)
	add ""
	add("| %s | here | here, differs | not yet |", what)
	add "|---|---|---|---|"
end

-- ---- parts of the contract ----

local function module_row(part)
	local value = presence.module(part.module)
	local names = contract.names(part.names)
	if #names == 0 then
		names = { { name = part.module:match "[^.]+$", kind = "function" } }
		local there = value ~= nil
		local why = difference_of(part.module)
		return row(("`%s`"):format(part.module), part.module .. ".", { { name = names[1].name, there = there } }, why)
	end
	local owner = part.module == "skynet" and presence.module "skynet.manager" or value
	for _, entry in ipairs(names) do
		entry.there = false
		if value ~= nil then
			local there, instead = presence.member(owner, entry)
			entry.there, entry.instead = there, instead
		end
	end
	row(("`%s`"):format(part.module), part.module .. ".", names, difference_of(part.module))
end

local function object_row(part)
	local names = contract.names(part.names)
	local made
	-- An object of a module that is there has to be made: whoever adds the module learns it here.
	if presence.module(part.of) ~= nil then
		made = objects[part.make]()
	end
	for _, entry in ipairs(names) do
		entry.there = made ~= nil and presence.member(made, entry)
	end
	row(("`%s`"):format(part.object), part.object .. ":", names, difference_of(part.object))
end

local function commands_row(part)
	local source = ""
	for file in part.file:gmatch "%S+" do
		local ok, text = pcall(read, root .. "/" .. file)
		source = source .. (ok and text or "")
	end
	local names = contract.names(part.commands)
	for _, entry in ipairs(names) do
		entry.there = source:find(("function [%%w_]+%%.%s%%("):format(entry.name)) ~= nil
	end
	row("commands of " .. part.of, part.of .. " ", names, difference_of("service " .. part.of))
end

---Is there a C function behind a command's name? It has a line in the engine's table.
local function quoted_in(source, name)
	return source:find(('"%s"'):format(name), 1, true) ~= nil
end

---All sources that may read the configuration.
local function sources()
	local list = {}
	local find = ("find '%s/core' '%s/lualib' -name '*.[ch]' -o -name '*.lua'"):format(root, root)
	local pipe <close> = assert(io.popen(find))
	for path in pipe:lines() do
		if not path:find("/moving/", 1, true) and not path:find("/doctor/", 1, true) then
			list[#list + 1] = read(path)
		end
	end
	return table.concat(list, "\n")
end

local function is_read(all, key)
	for _, form in ipairs { 'reef_env_%%a+%%("%s"', 'getenv%%(?%%s?"%s"', '{"%s", ', '"%s"}' } do
		if all:find(form:format(key)) then
			return true
		end
	end
	return false
end

local function surroundings()
	local all = sources()
	add "\n## Configuration\n\n[The keys](config.md#keys)."
	table_head "keys"
	local keys = {}
	for _, key in ipairs(contract.config) do
		keys[#keys + 1] = { name = key, there = is_read(all, key) or differences["config " .. key] ~= nil }
	end
	row("config", "config ", keys)

	add "\n## Services by name"
	table_head "kind"
	local services = {}
	for _, name in ipairs(contract.services) do
		services[#services + 1] = { name = name, there = presence.service(name) ~= nil }
	end
	row("Lua", "service ", services)
	local c_services = {}
	for _, name in ipairs(contract.c_services) do
		c_services[#c_services + 1] = { name = name, there = presence.c_service(name) }
	end
	row("C", "C service ", c_services)

	add "\n## Services in C\n\n[How they are built](c.md)."
	table_head "what"
	local functions = {}
	for _, name in ipairs(contract.c_functions) do
		functions[#functions + 1] = { name = name, there = presence.c_function(name) }
	end
	row("functions", "C ", functions)
	local commands = {}
	local engine = read(root .. "/core/command.c")
	for _, name in ipairs(contract.c_commands) do
		commands[#commands + 1] = { name = name, there = quoted_in(engine, name) }
	end
	row("`skynet_command`", "skynet_command ", commands)

	add "\n## Older names\n\n`lualib/compat10` in `lua_path` makes these stand for the modules of today."
	table_head "how"
	local aliases = {}
	local pipe <close> = assert(io.popen(("ls '%s/lualib/compat10'"):format(root)))
	for file in pipe:lines() do
		local target = read(("%s/lualib/compat10/%s"):format(root, file)):match '^return require "([%w_.]+)"\n$'
		aliases[#aliases + 1] = { name = file:gsub("%.lua$", ""), there = target ~= nil and presence.module(target) ~= nil }
	end
	row("`require`", "alias ", aliases)
end

local HEAD = [[
# Moving from skynet

    reef doctor path/to/config

reads your configuration and your sources, runs none of them, and says what your project needs that is not there, what
will behave differently, and what of yours is passed over, each with file and line. Call it where you start Reef, since
relative paths begin there. `--json` is for programs; the exit code is 1 if something is missing. Then start it:
`reef path/to/config`.

This page lists every name of skynet's API (v1.8.0). A script writes it that asks Reef for each of them, so it is what
is so: %d are here, %d are here and differ, %d are not there yet.

- **here**: by name and meaning.
- **here, differs**: what the sentence says is different; all else is as it was.
- **not yet**: `require` or the call fails, and the doctor says where your project does it.

What holds for all: %s. In the log, %s. `debug` %s.

The directory of the implementation that you come from may stay on the paths of your configuration. Reef's own modules
and services are found first, so what lies there under their names is passed over; the doctor says what. A module that
Reef does not have is taken from there, and the doctor says that, too. C libraries are loaded if they were built for Lua
5.4: the doctor says which functions one needs that nobody has. Modules that the distribution packages for Lua 5.4
(`lpeg`, `cjson`, `lfs` ...) are found without an entry in `lua_cpath`.
]]

local function write_page()
	for _, chapter in ipairs(contract.chapters) do
		add("\n## %s", chapter.title)
		table_head "module, object"
		for _, part in ipairs(chapter.parts) do
			if part.commands then
				commands_row(part)
			elseif part.object then
				object_row(part)
			else
				module_row(part)
			end
		end
	end
	surroundings()
	local head = HEAD:format(counts.here, counts.differs, counts.missing, difference_of "process", difference_of "log",
		difference_of "debug")
	for key in pairs(differences) do
		assert(used[key], ("reef.moving.differences: %s: no such name in reef.moving.contract"):format(key))
	end
	local f <close> = assert(io.open(skynet.getenv "moving_dir" .. "/moving.md", "w"))
	f:write(head, table.concat(out, "\n"), "\n")
end

skynet.start(function()
	write_page()
	process.stop(0)
end)
