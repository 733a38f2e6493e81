-- Projects that `reef doctor` looks at, and what it says of them.
local json = require "test.json"
local project = require "project"
local test = require "test"

local doctor = {}

---A configuration with all paths.
doctor.CONFIG = [[
thread = 2
luaservice = "./service/?.lua"
lua_path = "./lualib/?.lua;./lualib/?/init.lua"
lua_cpath = "./luaclib/?.so"
cpath = "./cservice/?.so"
snax = "./snax/?.lua"
]]

---Runs the doctor over a project: exit code, findings by kind as "place: message", and everything it said.
function doctor.examine(p, words)
	local code, output = p:run { "doctor", "config", "--json", table.unpack(words or {}) }
	local report = json.decode(output)
	local told = {}
	for kind, list in pairs(report.findings) do
		told[kind] = {}
		for i, finding in ipairs(list) do
			told[kind][i] = ("%s:%s: %s"):format(finding.file, finding.line and math.tointeger(finding.line) or "-",
				finding.message)
		end
	end
	return code, told, report
end

---A project; its configuration is the one above unless it has one.
function doctor.new(files)
	files.config = files.config or doctor.CONFIG
	return project.new(files)
end

---Is there such a line among the findings?
function doctor.has(list, pattern)
	for _, text in ipairs(list) do
		if text:find(pattern) then
			return true
		end
	end
	return test.fail(("no %q among:\n%s"):format(pattern, table.concat(list, "\n")))
end

return doctor
