-- The suites in the unified format, against a real server. All of it runs within the first case, which owns the server;
-- the others report what came of theirs.
-- timeout: 1800
local bson = require "bson"
local mongo_server = require "test.mongo"
local spec = require "test.spec"
local test = require "test"
local unified = require "test.unified"

local SUITES = {
	"crud", "sessions", "read-write-concern", "command-logging-and-monitoring", "run-command", "retryable-reads",
	"retryable-writes", "transactions",
}

-- What FerretDB answers otherwise than the server that the suites are for.
local FERRETDB = {
	["crud/unified/aggregate-merge-errorResponse 1"] = "FerretDB has no $merge and says so by another code",
	["command-logging-and-monitoring/monitoring/updateMany 2"] = "FerretDB leaves n out beside a write error",
}

local cases = {}
local unreached = "the server did not start"

local function run_all()
	local server = mongo_server.start()
	local context = unified.context(server:uri())
	for _, case in ipairs(cases) do
		local known = context.ferretdb and FERRETDB[case.name]
		if known then
			case.err = { skipped = known }
		else
			case.ok, case.err = xpcall(unified.run, function(e)
				return type(e) == "table" and e.skipped and e or debug.traceback(tostring(e))
			end, context, case.file, case.case)
		end
	end
	context.internal:disconnect()
	unreached = nil
end

local function report(case)
	if unreached then
		test.skip(unreached)
	elseif not case.ok and type(case.err) == "table" then
		test.skip(case.err.skipped)
	elseif not case.ok then
		error(case.err, 0)
	end
end

if spec.root then
	test.case("a server runs the suites", { timeout = 1700 }, run_all)
end
for _, suite in ipairs(SUITES) do
	spec.files("mongodb/" .. suite .. "/tests", function(name, data, text)
		local file = bson.decode_exact(bson.from_json(text))
		for i, case in ipairs(file.tests or {}) do
			if data.createEntities then
				local entry = { file = file, case = case, name = ("%s/%s %d"):format(suite, name, i) }
				cases[#cases + 1] = entry
				test.case(entry.name .. ": " .. case.description, function()
					report(entry)
				end)
			end
		end
	end)
end

test.run()
