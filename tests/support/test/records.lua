-- Records of services, made in processes of their own in a folder of theirs, and replayed there.
local process = require "test.process"
local project = require "project"
local test = require "test"

local records = {}

local SERVICES <const> = test.root .. "/tests/replay/service/?.lua"
local SECONDS <const> = 120

---Runs a process that records one service, of tests/replay/service, until it ends by itself.
---@param start string  the service that is started, and its arguments
---@param recorded string  the one that is recorded
---@param more? string  lines of the configuration
---@param meanwhile? fun(running: test.process)
---@return table project, string output
function records.play(start, recorded, more, meanwhile)
	local p = project.new {
		config = ('thread = 2\nharbor = 0\nluaservice = %q\nstart = %q\nrecord = %q\n%s\n')
			:format(SERVICES, start, recorded, more or ""),
	}
	local running = process.start { test.reef, "config", cwd = p.dir }
	if meanwhile then
		meanwhile(running)
	end
	test.equal(running:wait(SECONDS), 0, running:output())
	return p, running:output()
end

---The only record in a project's folder, or the first.
---@return string name
function records.first(p)
	local code, names = process.run { "sh", "-c", "ls *.rec", cwd = p.dir }
	test.equal(code, 0, names)
	return (names:match "^[^\n]+")
end

---Replays a record.
---@param name? string  of its file; the first if there is none
---@param ... string  more words of the command line
---@return integer code, string output
function records.replay(p, name, ...)
	return process.run({ test.reef, "replay", name or records.first(p), cwd = p.dir, ... }, SECONDS)
end

---Replays the record, and holds that it goes as it went, to the same fingerprint.
---@param fingerprint string  a line that was printed
---@param what string
---@return string output
function records.expect_the_same(p, fingerprint, what)
	local code, output = records.replay(p)
	test.equal(code, 0, what .. "\n" .. output)
	test.truthy(output:find(fingerprint, 1, true), what .. "\n" .. output)
	test.matches(output, "answers: as recorded; the service has ended", what)
	return output
end

return records
