-- Data files of public test suites: $REEF_SPECS/mongodb/SUITE/tests/**.json. Where the variable is not set, the suite's
-- only case says so and is skipped.
local test = require "test"
local json = require "test.json"

local spec = {}

spec.root = os.getenv "REEF_SPECS"

local function list(directory)
	local files = {}
	local pipe = assert(io.popen(("find %q -name '*.json' 2>/dev/null | LC_ALL=C sort"):format(directory)))
	for path in pipe:lines() do
		files[#files + 1] = path
	end
	pipe:close()
	return files
end

local function read(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read "a"
	file:close()
	return text
end

---The names of all suites that are there.
---@return string[]
function spec.suites()
	local names, seen = {}, {}
	for _, path in ipairs(spec.root and list(spec.root .. "/mongodb") or {}) do
		local name = path:sub(#spec.root + 10):match "^([^/]+)/tests/"
		if name and not seen[name] then
			seen[name] = true
			names[#names + 1] = name
		end
	end
	return names
end

---Calls add(name, data, text) for each file of a suite, whose name is SUITE/PATH: the path below `tests`, without
---`.json`. Cases are to be named "SUITE/PATH: description", so that they can be counted by suite and file.
---@param suite string for example "bson-corpus"
---@param add fun(name: string, data: table, text: string)
function spec.files(suite, add)
	if not spec.root then
		test.case("the suite " .. suite .. " passes", function()
			test.skip "REEF_SPECS does not name the directory of the public test suites"
		end)
		return
	end
	local directory = ("%s/mongodb/%s/tests"):format(spec.root, suite)
	for _, path in ipairs(list(directory)) do
		local name = suite .. path:sub(#directory + 1, -6)
		local text = read(path)
		local ok, data = pcall(json.decode, text)
		if ok then
			add(name, data, text)
		else
			test.case(name .. ": can be read", function()
				error(data, 0)
			end)
		end
	end
end

---Is it a file of the unified test format? Those of all suites are run by one test.
---@return boolean
function spec.is_unified(data)
	return type(data) == "table" and data.schemaVersion ~= nil
end

return spec
