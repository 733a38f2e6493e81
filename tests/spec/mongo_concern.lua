-- tsan: no, one thread does all of it
-- Read and write concerns as they are given to a client, and as its commands carry them.
local settings = require "reef.mongo.settings"
local spec = require "test.spec"
local test = require "test"

local function options_of(case)
	local read, write = case.readConcern or {}, case.writeConcern or {}
	return { readConcernLevel = read.level, w = write.w, wTimeoutMS = write.wtimeoutMS, journal = write.journal }
end

local function check(case)
	local options = options_of(case)
	if not case.valid then
		test.raises("write concern", settings.of_client, {}, options, "a")
		return
	end
	local made = settings.of_client({}, options, "a")
	local got = case.writeConcern and made.write_concern or case.readConcern and made.read_concern or nil
	test.equal(got or {}, case.writeConcernDocument or case.readConcernDocument)
	test.equal(got == nil, case.isServerDefault, "the server's own")
	if case.isAcknowledged ~= nil then
		test.equal(not (got and got.w == 0), case.isAcknowledged, "acknowledged")
	end
	-- The same for a database or a collection.
	local derived = settings.derive(settings.of_client({}, {}, "a"), { readConcern = made.read_concern or {},
		writeConcern = made.write_concern or {} })
	test.equal({ derived.read_concern, derived.write_concern }, { made.read_concern, made.write_concern })
end

spec.files("read-write-concern", function(name, data)
	for _, case in ipairs(not spec.is_unified(data) and data.tests or {}) do
		if not case.uri then
			test.case(("%s: %s"):format(name, case.description), function()
				check(case)
			end)
		end
	end
end)

test.run()
