-- Records of services, made in processes of their own in a folder of theirs, and replayed there.
local process = require "test.process"
local project = require "project"
local test = require "test"

local records = {}

local REPLAY <const> = test.root .. "/tests/replay"
local SECONDS <const> = 120

---Runs a process that records one service, of tests/replay/service, until it ends by itself.
---@param start string  the service that is started, and its arguments
---@param recorded string  the one that is recorded
---@param more? string  lines of the configuration
---@param meanwhile? fun(running: test.process)
---@return table project, string output
function records.play(start, recorded, more, meanwhile)
	local p = project.new {
		config = ('thread = 2\nharbor = 0\nluaservice = %q\nlua_path = %q\nstart = %q\nrecord = %q\n%s\n')
			:format(REPLAY .. "/service/?.lua", REPLAY .. "/lualib/?.lua", start, recorded, more or ""),
	}
	local running = process.start { test.reef, "config", cwd = p.dir }
	if meanwhile then
		meanwhile(running)
	end
	test.equal(running:wait(SECONDS), 0, running:output())
	return p, running:output()
end

---A service that adds up the numbers it is sent.
records.SUM = [[
local sum = 0
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		sum = sum + (n > 12 and n * 2 or n)
		print("sum", sum)
		skynet.retpack(sum)
	end)
end)
]]

---Records a service of a few lines, which is sent the numbers to 20.
---@param body string  behind the line that requires `skynet`
---@param more? string  lines of the configuration
---@param files? table<string, string>  more files
---@return table project, string output
function records.of(body, more, files)
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n' .. (more or ""),
		["service/main.lua"] = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	local one = skynet.newservice "one"
	for i = 1, 20 do
		pcall(skynet.call, one, "lua", i)
	end
	skynet.kill(one)
	skynet.sleep(2)
	require("reef.process").stop()
end)
]],
		["service/one.lua"] = 'local skynet = require "skynet"\n' .. body,
	}
	for name, text in pairs(files or {}) do
		p:write(name, text)
	end
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, SECONDS)
	test.equal(code, 0, output)
	return p, output
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

---Replays the record, and holds that it goes as it went, to the same fingerprint (tests/replay/lualib).
---@param recorded string  the output of the process that was recorded
---@param what string
---@return string output
function records.expect_the_same(p, recorded, what)
	local fingerprint = recorded:match "fingerprint\t%x+\t%d+\n" or test.fail(what .. "\n" .. recorded)
	local code, output = records.replay(p)
	test.equal(code, 0, what .. "\n" .. output)
	test.truthy(output:find(fingerprint, 1, true), what .. "\n" .. output)
	test.matches(output, "answers: as recorded; the service has ended", what)
	return output
end

return records
