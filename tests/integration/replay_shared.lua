-- timeout: 600
-- What services share, datasheets and shared tables, is in a record where the service comes to see it: at the same
-- message, and in the same order.
local process = require "test.process"
local project = require "project"
local test = require "test"

local SERVICES <const> = test.root .. "/tests/replay/service/?.lua"

local function play(start)
	local p = project.new {
		config = ('thread = 2\nharbor = 0\nluaservice = %q\nstart = %q\nrecord = "replay_shared"\n'):format(SERVICES, start),
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	test.equal(output:find("ends here", 1, true), nil, output)
	return p, output
end

local function replay(p, ...)
	local code, names = process.run { "sh", "-c", "ls *.rec", cwd = p.dir }
	test.equal(code, 0, names)
	return process.run({ test.reef, "replay", names:match "^[^\n]+", cwd = p.dir, ... }, 120)
end

test.case("datasheets and shared tables that others change are replayed as they were seen", function()
	local switched = 0
	for i = 1, test.count(10) do
		local what = "seed " .. test.seed + i
		local p, output = play("replay_shared_main " .. test.seed + i)
		local fingerprint = output:match "fingerprint\t%d+\t%d+\n" or test.fail(output)
		local code, again = replay(p)
		test.equal(code, 0, what .. "\n" .. again)
		test.truthy(again:find(fingerprint, 1, true), what .. "\n" .. again)
		test.matches(again, "answers: as recorded; the service has ended", what)
		switched = switched + tonumber(again:match "(%d+) events")
	end
	test.truthy(switched > 0)
end)

test.run()
