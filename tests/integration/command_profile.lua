-- `reef profile`: a profile of a running process, in each form, and what it says when there is none.
local json = require "reef.json"
local metrics = require "reef.metrics"
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local port

local function profile(...)
	return process.run { test.reef, "profile", port, ... }
end

local function file_of(ending)
	local path = process.path("out." .. ending)
	local code, output = profile("--seconds", "0.2", "-o", path)
	test.equal(code, 0, output)
	local f <close> = assert(io.open(path, "rb"))
	local content = f:read "a"
	test.equal(output, ("%s: %d bytes\n"):format(path, #content))
	return content
end

test.case("the end of the file's name says the form", function()
	port = metrics.serve("127.0.0.1:0"):match ":(%d+)$"
	test.matches(file_of "svg", "<svg.*</svg>%s*$")
	test.equal(file_of("pb.gz"):sub(1, 2), "\x1f\x8b")
	test.truthy(json.decode(file_of "json").profiles)
end)

test.case("a service that is busy is seen, and one that is not leaves a word about it", function()
	if test.sanitizer == "tsan" then
		test.skip "ThreadSanitizer hands signals on late"
	end
	local service = test.service "profiled"
	skynet.send(service, "lua", "forever")
	test.eventually("samples of it", 120, function()
		local code, output = profile("--seconds", "0.5", "--hz", "999", "--service", skynet.address(service))
		test.equal(code, 0, output)
		return output:find("light %b() %d+\n") or output:find(";light[^;\n]*;work[^;\n]* %d+\n")
	end)
	skynet.kill(service)
	local code, output = profile("--seconds", "0.1", "--name", "nobody*")
	test.equal({ code, output },
		{ 0, "reef profile: nothing was sampled in 0.1 s: what is looked at was idle, or is not there\n" })
end)

test.case("what cannot be done is said, with exit code 1 or 2", function()
	local code, output = profile("--seconds", "0.1", "--hz", "0")
	test.equal(code, 1)
	test.matches(output, "^reef profile: 127.0.0.1:%d+: .*hz has to be an integer from 1 to 1000, not 0")
	code, output = profile("--secnds", "1")
	test.equal({ code, output }, { 2, "reef profile: unknown option --secnds (see reef profile --help)\n" })
	for option, wanted in pairs {
		kind = "needs one of cpu, bytes, not foo", format = "needs one of folded, svg, pprof, speedscope, not foo",
	} do
		code, output = profile("--" .. option, "foo")
		test.equal({ code, output }, { 2, ("reef profile: --%s %s (see reef profile --help)\n"):format(option, wanted) })
	end
	for _, address in ipairs { "nowhere", "a:0", "a:99999", "::1:80", "unix:/x" } do
		code, output = process.run { test.reef, "profile", address }
		test.equal(code, 2, output)
		test.truthy(output:lower():find("reef profile: " .. address, 1, true) == 1 and output:lower():find "port", output)
		test.matches(output, "%(see reef profile %-%-help%)\n$")
	end
	-- It is not found out when the time is over.
	code, output = test.within(60, profile, "--seconds", "300", "-o", test.dir .. "/absent/x.svg")
	test.equal(code, 1)
	test.matches(output, "absent/x.svg: No such file or directory")
	local path = test.dir .. "/left.svg"
	code, output = profile("--seconds", "0.1", "--name", '"*', "--hz", "1001", "-o", path)
	test.equal(code, 1, output)
	test.equal((io.open(path)), nil, "a profile that fails leaves no file")
	code, output = process.run { test.reef, "profile", process.free_port() }
	test.equal(code, 1)
	test.matches(output, "Connection refused")
end)

test.run()
