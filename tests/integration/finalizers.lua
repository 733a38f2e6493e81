-- timeout: 200
-- Finalizers run wherever the collector does its work: also while an answer is put on the stack of the coroutine that
-- waits for it.
local process = require "test.process"
local project = require "project"
local test = require "test"

test.case("a finalizer may call with protection while an answer comes", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\n',
		["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	local echo, ended, tables = skynet.newservice "echo", 0, {}
	local mortal = { __gc = function() ended = ended + (pcall(error, "caught") and 0 or 1) end }
	for i = 1, 3000 do
		for j = 1, 4 do
			tables[j] = setmetatable({}, mortal)
		end
		assert(#skynet.call(echo, "text", ("x"):rep(1000)) == 1000)
	end
	tables = nil
	collectgarbage()
	print("ended", ended)
	require("reef.process").stop()
end)
skynet.register_protocol { name = "text", id = 0, pack = tostring, unpack = skynet.tostring }
]],
		["service/echo.lua"] = [[
local skynet = require "skynet"
skynet.register_protocol { name = "text", id = 0, pack = tostring, unpack = skynet.tostring }
skynet.start(function()
	skynet.dispatch("text", function(_, _, text)
		skynet.ret(text)
	end)
end)
]],
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	test.matches(output, "ended\t12000\n")
end)

test.run()
