-- Directories of configuration files for tests.
local config = require "reef.config"
local datasheet = require "reef.datasheet"
local test = require "test"

local data = {}

local count = 0

---Makes a directory of these files (path -> text) and returns its name.
function data.directory(files)
	count = count + 1
	local dir = ("%s/data%d"):format(test.dir, count)
	for path, text in pairs(files) do
		os.execute(("mkdir -p '%s'"):format((dir .. "/" .. path):match "^(.*)/"))
		local file = assert(io.open(dir .. "/" .. path, "wb"))
		file:write(text)
		file:close()
	end
	return dir
end

---Loads them; returns the sheets by their names.
function data.load(files, options)
	local result = assert(config.load(data.directory(files), options))
	local sheets = {}
	for _, sheet in ipairs(result.sheets) do
		sheets[sheet.name] = datasheet.query(sheet.name)
	end
	return sheets, result
end

---A copy of a sheet.
function data.copy(t)
	local result = {}
	for k, v in pairs(t) do
		result[k] = type(v) == "table" and data.copy(v) or v
	end
	return result
end

---What is said of bad ones.
function data.lines_of(files, options)
	local dir = data.directory(files)
	local result, err = config.check(dir, options)
	if result then
		test.fail "these files have been found good"
	end
	-- Every line has the directory.
	return (("\n" .. tostring(err)):gsub("\n" .. dir:gsub("%p", "%%%0") .. "/", "\n"):sub(2))
end

return data
