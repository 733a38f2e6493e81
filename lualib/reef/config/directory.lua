-- A directory of configuration and the sheets that were made of it: loading what has changed, all or nothing.
--
-- What was published is not kept a second time. A file that has not changed since is not read again; when another
-- sheet's references need it, they look at the published sheet.

local checker = require "reef.config.checker"
local datasheet = require "reef.datasheet"
local files = require "reef.config.files"
local new_progress = require("reef.config.progress").new
local report = require "reef.config.report"
local skynet = require "skynet"

---@class reef.config.known
---@field stamp string
---@field spec reef.config.type|nil
---@field file string
---@field rows integer
---@field bytes integer
---@field gone boolean|nil the file is not there any more

---@class reef.config.directory
---@field dir string
---@field options table
---@field published table<string, reef.config.known> by the names of sheets
---@field directories string[] all that the last scan has seen
---@field ways { directory: string, name: string }[] links that the last scan has gone through, and where they lead
---@field signature string what the last scan has seen, all of it
local directory = {}
directory.__index = directory

directory.defaults = {
	max_errors = 100,
	max_bytes = 1 << 28,
	max_instructions = 100000000,
}

---@param dir string
---@param options table
---@return reef.config.directory
function directory.new(dir, options)
	local all = setmetatable(options or {}, { __index = directory.defaults })
	return setmetatable({
		dir = dir, options = all, published = {}, directories = {}, ways = {}, signature = "",
	}, directory)
end

---Looks at the directory.
---@return table<string, reef.config.file>|nil
---@return reef.config.problem[]
function directory:scan()
	local sheets, problems, directories, ways = files.scan(self.dir)
	self.directories, self.ways = directories, ways
	local stamps = {}
	for name, file in pairs(sheets or {}) do
		stamps[#stamps + 1] = name .. " " .. file.stamp
	end
	for _, problem in ipairs(problems) do
		stamps[#stamps + 1] = report.line(problem)
	end
	table.sort(stamps)
	self.signature = table.concat(stamps, "\n")
	return sheets, problems
end

---How long is to be waited before all that has changed is read, because some of it does not look whole.
---@param sheets table<string, reef.config.file>
---@return number|nil seconds
function directory:unfinished(sheets)
	local longest
	for name, file in pairs(sheets) do
		local known = self.published[name]
		if not known or known.stamp ~= file.stamp then
			local seconds = files.unfinished(self.dir, file)
			longest = seconds and math.max(longest or 0, seconds) or longest
		end
	end
	return longest
end

-- The sheet that references into `name` look at; false if they cannot be checked because it is bad itself.
local function target_of(documents, name, live)
	local document = documents[name]
	if document then
		return document.good and document.sheet
	end
	return live and datasheet.exists(name) and datasheet.query(name) or nil
end

local function check_references(document, documents, live)
	local check = checker.new(document.file.format == "csv")
	local known = {} -- what is wrong with a value is said once
	for _, problem in ipairs(document.problems) do
		known[checker.path_text(problem.path or {})] = true
	end
	checker.references(document.spec, document.value, {}, function(value, name, path)
		local target = target_of(documents, name, live)
		if target and target[value] == nil and not known[checker.path_text(path)] then
			check:problem(path, ("%s is not a key of the sheet '%s'"):format(check:show(value), name))
		end
	end)
	for name in pairs(checker.targets(document.spec)) do
		if target_of(documents, name, live) == nil then
			table.insert(document.problems, { file = document.file.schema,
				message = ("ref = '%s': there is no such sheet"):format(name) })
		end
	end
	for _, problem in ipairs(check.problems) do
		problem.file = document.file.path
		table.insert(document.problems, problem)
	end
end

-- All sheets as they are going to be, for a schema's own check.
local function future(documents, live)
	return setmetatable({}, {
		__index = function(_, name)
			return target_of(documents, name, live) or nil
		end,
	})
end

local function run_check(document, documents, limits, live)
	local check = checker.new()
	local ok, err = files.call(limits, checker.run, document.spec, document.value, future(documents, live),
		function(message, path)
			check.problems[#check.problems + 1] = { path = path, message = message, file = document.file.path }
		end)
	table.move(check.problems, 1, #check.problems, #document.problems + 1, document.problems)
	if not ok then
		table.insert(document.problems, files.lua_problem(document.file.schema, err))
	end
end

local function all_good(documents)
	for _, document in pairs(documents) do
		if #document.problems > 0 then
			return false
		end
	end
	return true
end

-- Does what was published before still have what it refers to, and is it still right?
local function is_whole(name, spec, documents, limits)
	local whole = true
	if spec.check and all_good(documents) then
		whole = files.call(limits, checker.run, spec, datasheet.query(name), future(documents, true), function()
			whole = false
		end) and whole
	end
	checker.references(spec, datasheet.query(name), {}, function(value, target, _)
		local sheet = whole and target_of(documents, target, true)
		if sheet and sheet[value] == nil then
			whole = false
		end
	end)
	return whole
end

local function depends_on(spec, changed)
	for target in pairs(checker.targets(spec)) do
		if changed[target] then
			return true
		end
	end
	return spec and spec.check and next(changed) ~= nil
end

-- Files that have not changed, but do not go with what has: they are read for the places.
function directory:load_broken(sheets, documents)
	local changed = {}
	for name in pairs(documents) do
		changed[name] = true
	end
	for name, known in pairs(self.published) do
		if sheets[name] and not changed[name] and depends_on(known.spec, changed)
			and not is_whole(name, known.spec, documents, self.options) then
			documents[name] = files.load(self.dir, sheets[name], self.options)
		end
	end
end

function directory:load_changed(sheets)
	local names, bytes, documents = {}, 0, {}
	for name, file in pairs(sheets) do
		local known = self.published[name]
		if not known or known.stamp ~= file.stamp then
			names[#names + 1] = name
			bytes = bytes + file.size
		end
	end
	table.sort(names)
	local progress = new_progress(self.dir, bytes, self.options.progress)
	for _, name in ipairs(names) do
		progress:advance(0, name)
		documents[name] = files.load(self.dir, sheets[name], self.options)
		progress:advance(sheets[name].size, name)
		skynet.yield()
	end
	progress:finish()
	return documents
end

local function collect_problems(documents, problems)
	local more = 0
	for _, document in pairs(documents) do
		files.locate(document, document.problems)
		table.move(document.problems, 1, #document.problems, #problems + 1, problems)
		more = more + (document.more or 0)
	end
	return more
end

-- All the new sheets at one moment.
local function publish(documents)
	local tables = {}
	for name, document in pairs(documents) do
		tables[name] = document.sheet
	end
	if next(tables) == nil then
		return { changed = 0, added = 0, removed = 0 }
	end
	return datasheet.publish(tables)
end

---Loads what has changed since the last time, and publishes it if nothing is wrong.
---@param live boolean false: only check
---@return table? report { sheets = { { name=, file=, rows=, bytes= } }, rows=, bytes=, ms=, loaded=, changed=, added=,
---removed= }
---@return reef.config.error? error
function directory:load(live)
	local start = skynet.hpc()
	local sheets, problems = self:scan()
	local documents, more = {}, 0
	if sheets then
		documents = self:load_changed(sheets)
		if live then
			self:load_broken(sheets, documents)
		end
		for _, document in pairs(documents) do
			if document.sheet then
				check_references(document, documents, live)
			end
		end
		-- A schema's own check may look at all sheets, so all have to be good by themselves.
		if #problems == 0 and all_good(documents) then
			for _, document in pairs(documents) do
				if document.spec and document.spec.check then
					run_check(document, documents, self.options, live)
				end
			end
		end
		more = collect_problems(documents, problems)
	end
	if problems[1] then
		return nil, report.collect(self.dir, problems, more, self.options.max_errors)
	end
	local rows = { changed = 0, added = 0, removed = 0 }
	if live then
		local ok, result = pcall(publish, documents)
		if not ok then
			return nil, report.collect(self.dir, { { file = self.dir, message = tostring(result) } }, 0, 1)
		end
		rows = result
	end
	local loaded = 0
	for name, document in pairs(documents) do
		loaded = loaded + 1
		self.published[name] = { stamp = document.file.young and "" or document.file.stamp, spec = document.spec,
			file = document.file.path, rows = document.rows, bytes = document.file.size }
	end
	for name, known in pairs(self.published) do
		known.gone = not sheets[name] or nil
	end
	local result = self:summary()
	result.loaded = loaded
	result.changed, result.added, result.removed = rows.changed, rows.added, rows.removed
	result.ms = (skynet.hpc() - start) / 1e6
	return result
end

---@return table { sheets=, rows=, bytes= }, where sheets are { name=, file=, rows=, bytes=, gone= }
function directory:summary()
	local result = { sheets = {}, rows = 0, bytes = 0 }
	for name, known in pairs(self.published) do
		table.insert(result.sheets, { name = name, file = known.file, rows = known.rows, bytes = known.bytes,
			gone = known.gone })
		result.rows = result.rows + known.rows
		result.bytes = result.bytes + known.bytes
	end
	table.sort(result.sheets, function(a, b)
		return a.name < b.name
	end)
	return result
end

return directory
