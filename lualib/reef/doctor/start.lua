-- Would a process start from this configuration? What `reef check CONFIG` says: the values are judged, and what the
-- first services are made of is looked for and compiled. Nothing of it is run.

local judge = require "reef.doctor.judge"
local places_of = require "reef.doctor.places"
local plural = require "reef.plural"
local printable = require "reef.text".printable
local settings = require "reef.settings"
local tree_of = require "reef.doctor.tree"

local SECONDS <const> = 30

local start = {}

---@class reef.start.problem
---@field file string
---@field line integer|nil
---@field message string
---@field warning boolean

---@class reef.start.result
---@field problems reef.start.problem[] in the order of files and lines
---@field errors integer
---@field keys integer
---@field own { key: string, file: string, line: integer }[] keys that Reef does not know

---@param path string
---@return string? reason nil: it compiles
local function compile(path)
	local chunk, reason = loadfile(path, "bt")
	return not chunk and tostring(reason) or nil
end

---@class reef.start.look
---@field keys table<string, reef.doctor.value>
---@field path string
---@field add fun(self: table, kind: string, file: string, line: integer|nil, message: string)

---Says something about the value that a key has, or has by default.
local function about(look, key, default, message)
	local entry = look.keys[key]
	look:add("missing", entry and entry.file or look.path, entry and entry.line,
		("%s = %s: %s"):format(key, entry and entry.value or default, message))
end

local function look_for_service(look, places, key, default, name)
	local place = name and places:service(name)
	if not name then
		about(look, key, default, "names no service")
	elseif not place then
		about(look, key, default, ("there is no service %s in luaservice = %s"):format(name, places.luaservice))
	elseif place.how == "lua" then
		local reason = compile(place.path)
		if reason then
			about(look, key, default, reason)
		end
	end
end

local function look_for_launched(look, places, key, default)
	local line = look.keys[key] and look.keys[key].value or default
	local module, name = line:match "^(%S*)%s*(%S*)"
	if module == "snlua" then
		look_for_service(look, places, key, default, name ~= "" and name or nil)
	elseif not places:c_service(module) then
		about(look, key, default, ("there is no C service %s in cpath = %s"):format(module, places.cpath))
	end
end

---Can the file be written, or made? Nothing is made.
local function look_for_directory(look, tree, key, is_directory)
	local value = look.keys[key] and look.keys[key].value
	if not value then
		return
	end
	local directory = is_directory and value or value:match "^(.*/)[^/]*$" or "."
	if tree:stat(directory) ~= "directory" then
		about(look, key, "", ("there is no directory %s"):format(directory))
	elseif not is_directory and tree:stat(value) == "directory" then
		about(look, key, "", "is a directory")
	end
end

local function look_at_start(look, tree)
	local keys = look.keys
	local places = places_of.new(tree, keys)
	look_for_launched(look, places, "bootstrap", "snlua bootstrap")
	look_for_service(look, places, "start", "main", (keys.start and keys.start.value or "main"):match "%S+")
	local logservice = keys.logservice and keys.logservice.value or "logger"
	if logservice == "snlua" then
		look_for_service(look, places, "logger", "logger", (keys.logger and keys.logger.value or "logger"):match "%S+")
	elseif not places:c_service(logservice) then
		about(look, "logservice", "logger", ("there is no C service %s in cpath = %s"):format(logservice, places.cpath))
	elseif logservice == "logger" then
		look_for_directory(look, tree, "logger")
	end
	look_for_directory(look, tree, "daemon")
	look_for_directory(look, tree, "logpath", true)
	for _, key in ipairs { "preload", "lualoader", "snax_loader" } do
		local entry = keys[key]
		local reason = entry and tree:is_file(entry.value) and compile(entry.value)
		if reason then
			about(look, key, "", reason)
		end
	end
end

local function in_order(a, b)
	if a.file ~= b.file then
		return a.file < b.file
	end
	return (a.line or 0) < (b.line or 0) or a.line == b.line and (a.message or a.key) < (b.message or b.key)
end

---Looks at a configuration.
---@param path string
---@return reef.start.result
function start.check(path)
	local result = { problems = {}, errors = 0, keys = 0, own = {} }
	local look = { path = path, keys = {} }
	function look:add(kind, file, line, message)
		local warning = kind == "unknown"
		result.errors = result.errors + (warning and 0 or 1)
		table.insert(result.problems, { file = file, line = line, message = message, warning = warning })
	end
	local ok, keys, doubts = pcall(settings.read, path)
	if not ok then
		local file, line, message = tostring(keys):match "^(.-):(%d+): (.*)$"
		look:add("broken", file or path, math.tointeger(tonumber(line)), message or tostring(keys))
		return result
	end
	look.keys = keys
	for _, doubt in ipairs(doubts) do
		local file, line, message = doubt:match "^(.-):(%d+): warning: (.*)$"
		look:add("unknown", file, math.tointeger(tonumber(line)), message)
	end
	local tree = tree_of.new(SECONDS)
	judge.keys(look, tree, keys)
	look_at_start(look, tree)
	local known = {}
	for _, key in ipairs(settings.known()) do
		known[key] = true
	end
	for key, entry in pairs(keys) do
		result.keys = result.keys + 1
		if not known[key] and not settings.meant(key) then
			table.insert(result.own, { key = key, file = entry.file, line = entry.line })
		end
	end
	table.sort(result.problems, in_order)
	table.sort(result.own, in_order)
	return result
end

---The result as text: a line for each problem, then what else is worth knowing.
---@param result reef.start.result
---@param path string
---@param quiet boolean|nil only what is wrong
---@return string
function start.text(result, path, quiet)
	local lines = {}
	local function add(format, ...)
		lines[#lines + 1] = (printable(format:format(...)):gsub("\n", "\n\t")) .. "\n"
	end
	for _, problem in ipairs(result.problems) do
		local place = problem.line and ("%s:%d"):format(problem.file, problem.line) or problem.file
		-- What the file system says of the file itself begins with its name.
		local said = problem.message:sub(1, #place + 1) == place .. ":"
		add("%s%s%s", said and "" or place .. ": ", problem.warning and "warning: " or "", problem.message)
	end
	if not quiet then
		for _, own in ipairs(result.own) do
			add("%s:%d: note: %s is none of Reef's keys; services find it with skynet.getenv", own.file, own.line, own.key)
		end
		if result.errors == 0 then
			add("%s is good: %s, %d of them the project's own", path, plural(result.keys, "key"), #result.own)
		else
			add("%s: %s", path, plural(result.errors, "error"))
		end
	end
	return table.concat(lines)
end

return start
