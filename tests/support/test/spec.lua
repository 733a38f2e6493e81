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

---Calls add(name, text, data) for each file of the suite, whose name is its path below `tests` without `.json`.
---@param suite string for example "mongodb/bson-corpus/tests"
---@param add fun(name: string, data: table, text: string)
function spec.files(suite, add)
	if not spec.root then
		test.case("the suite " .. suite .. " passes", function()
			test.skip "REEF_SPECS does not name the directory of the public test suites"
		end)
		return
	end
	local directory = spec.root .. "/" .. suite
	local files = list(directory)
	if #files == 0 then
		test.case("the suite " .. suite .. " passes", function()
			test.skip("no such files below " .. suite)
		end)
	end
	for _, path in ipairs(files) do
		local text = read(path)
		add(path:sub(#directory + 2, -6), json.decode(text), text)
	end
end

return spec
