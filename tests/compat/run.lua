-- `reef run SCRIPT`.
local project = require "project"
local test = require "test"

test.case("a script that ends, ends the process", function()
	local p = project.new { ["hello.lua"] = [[
		local skynet = require "skynet"
		local words = table.concat({ ... }, "+")
		skynet.start(function()
			print("hello", words)
			io.stdout:flush()
			skynet.exit()
		end)
	]] }
	local code, output = p:run { "run", "hello.lua", "a", "b" }
	test.equal(code, 0, output)
	test.matches(output, "hello\ta%+b\n")
end)

test.case("a script that has the name of one of our services is refused, not mistaken for it", function()
	local p = project.new { ["console.lua"] = "print 'mine'" }
	local code, output = p:run { "run", "console.lua" }
	test.equal(code, 1, output)
	test.matches(output, 'cannot run console.lua: "console" is a service of Reef\'s own')
end)

test.case("the process lives as long as a service that the script started", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice "worker"
				skynet.uniqueservice "lobby"
				skynet.exit()
			end)
		]],
		["worker.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.timeout(5, function()
					print "worker ends"
					io.stdout:flush()
					skynet.exit()
				end)
			end)
		]],
		["lobby.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.timeout(20, function()
					print "lobby ends"
					io.stdout:flush()
					require("skynet.manager").kill(skynet.self())
				end)
			end)
		]],
	}
	local code, output = p:run { "run", "main.lua" }
	test.equal(code, 0, output)
	test.matches(output, "worker ends\n.*lobby ends\n")
end)

test.case("services that work for others do not keep the process alive", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice "helper"
				require("skynet.service").new("made", function()
					require("reef.process").daemon()
				end)
				skynet.exit()
			end)
		]],
		["helper.lua"] = "require('skynet').start(require('reef.process').daemon)",
	}
	local code, output = p:run { "run", "main.lua" }
	test.equal(code, 0, output)
end)

test.case("modules beside the script are found, wherever it is called from", function()
	local p = project.new {
		["deep/script.lua"] = [[
			local skynet = require "skynet"
			print((require "part"), (require "whole"))
			io.stdout:flush()
			skynet.start(skynet.exit)
		]],
		["deep/part.lua"] = "return 'part'",
		["deep/whole/init.lua"] = "return 'whole'",
	}
	for _, path in ipairs { "deep/script.lua", "./deep/script.lua", p:path "deep/script.lua" } do
		local code, output = p:run { "run", path }
		test.equal(code, 0, output)
		test.matches(output, "part\twhole\n")
	end
end)

test.case("a script that fails ends the process with 1 and its error on stderr", function()
	local p = project.new {
		["syntax.lua"] = "return = 1",
		["raises.lua"] = "error 'in the main chunk'",
		["start.lua"] = "require('skynet').start(function() error 'in the start function' end)",
	}
	for name, pattern in pairs {
		["syntax.lua"] = "start [^\n]*syntax.lua:1:",
		["raises.lua"] = "start [^\n]*raises.lua:1: in the main chunk",
		["start.lua"] = "start [^\n]*start.lua:1: in the start function",
		["absent.lua"] = "reef run: cannot run absent.lua: No such file",
	} do
		local process = require "test.process"
		local errors = process.path "stderr"
		local code = process.run { test.reef, "run", name, cwd = p.dir, stdout = "/dev/null", stderr = errors }
		local f <close> = assert(io.open(errors))
		test.equal(code, 1, name)
		test.matches(f:read "a", pattern:find "^reef run" and pattern or "reef: cannot " .. pattern, name)
	end
end)

test.case("SIGINT ends a running script in order", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		require("reef.shutdown").on(function() skynet.error "saved" end)
		skynet.start(function() skynet.error "ready" end)
	]] }
	local reef = p:start { "run", "main.lua" }
	reef:expect "ready"
	reef:signal "INT"
	test.equal({ reef:wait() }, { 0 })
	test.matches(reef:output(), "saved")
end)

test.run()
