-- Trace logs.
local project = require "project"
local test = require "test"

local function run(main, files)
	local p = project.new(files)
	p:write("main.lua", main)
	local code, output = p:run(p:config())
	test.equal(code, 0, output)
	return output
end

local ECHO = [[
local skynet = require "skynet"
skynet.start(function()
	skynet.dispatch("lua", function(_, _, ...)
		skynet.sleep(1)
		skynet.retpack(...)
	end)
end)
]]

test.case("a traced call is followed through the other service", function()
	local output = run([[
		local skynet = require "skynet"
		skynet.start(function()
			local echo = skynet.newservice "echo"
			skynet.fork(function()
				skynet.trace("mine")
				print("tag=" .. skynet.tracetag(), ("self=%08x"):format(skynet.self()))
				io.stdout:flush()
				skynet.call(echo, "lua", 1)
				require("skynet.manager").abort()
			end)
		end)
	]], { ["echo.lua"] = ECHO })
	local tag, self = output:match "tag=(%S+)\tself=(%x+)"
	test.matches(tag, "^:" .. self .. "%-%d+$")
	local plain = tag:gsub("%p", "%%%0")
	test.matches(output, "%[:" .. self .. "%] <TRACE " .. plain .. "> %d+ trace mine")
	test.matches(output, "%[:" .. self .. "%] <TRACE " .. plain .. "> %d+ call : [^\n]*main.lua:%d+")
	test.matches(output, "<TRACE " .. plain .. "> %d+ request")
	test.matches(output, "<TRACE " .. plain .. "> %d+ sleep : [^\n]*echo.lua:%d+")
	test.matches(output, "<TRACE " .. plain .. "> %d+ resume")
	test.matches(output, "<TRACE " .. plain .. "> %d+ response")
	test.matches(output, "<TRACE " .. plain .. "> %d+ end")
end)

test.case("traceproto traces every message of a protocol, or none", function()
	local output = run([[
		local skynet = require "skynet"
		local mode = ...
		if mode then
			skynet.traceproto("lua", mode == "on")
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
			end)
			return
		end
		skynet.start(function()
			local on, off = skynet.newservice("main", "on"), skynet.newservice("main", "off")
			print(("on=%08x off=%08x"):format(on, off))
			io.stdout:flush()
			skynet.call(on, "lua", 1)
			skynet.fork(function()
				skynet.trace()
				skynet.call(off, "lua", 1)
				require("skynet.manager").abort()
			end)
		end)
	]])
	local on, off = output:match "on=(%x+) off=(%x+)"
	test.matches(output, "%[:" .. on .. "%] <TRACE :" .. on .. "%-%d+> %d+ request")
	test.equal(output:match("%[:" .. off .. "%] <TRACE"), nil)
end)

test.run()
