-- timeout: 240
-- `reef doctor` over projects that are made by chance: what it says is what is so, whatever they are.
local doctor = require "project_doctor"
local json = require "test.json"
local test = require "test"

local examine, new = doctor.examine, doctor.new

test.case("of random projects, exactly what is not there is said to be missing", { timeout = 150 }, function()
	math.randomseed(test.seed)
	local function one_of(list)
		return list[math.random(#list)]
	end
	for _ = 1, test.count(20) do
		local files, expected, modules = {}, {}, {}
		for i = 1, math.random(2, 12) do
			modules[i] = "m" .. i
		end
		local queue, seen = { { "service/main.lua" } }, {}
		while #queue > 0 do
			local path = table.remove(queue)[1]
			if not seen[path] then
				seen[path] = true
				local lines = { 'local skynet = require "skynet"' }
				for line = 2, math.random(2, 8) do
					local name = one_of(modules)
					local form = one_of {
						'local x = require "%s"', "local x = require('%s')", "x = require [[%s]] .field", 'require "%s"',
						"skynet.newservice('%s', 1)", 'local a <const> = skynet.uniqueservice "%s"',
						'-- require "%s"', "--[==[ require '%s' ]==]", "print \"require '%s'\"", "local require_%s = 1",
						"print [[ skynet.newservice('%s') ]]", "x.require '%s'", "x.%s.require = 1",
					}
					lines[line] = form:format(name)
					local kind = form:find "^.-skynet%.[nu]" and not form:find "^print" and "service"
						or form:find "require" and not form:find "^[%-p]" and not form:find "require_"
						and not form:find "^x%." and "lualib"
					if kind then
						-- Half of the names are there, always the same.
						local file = ("%s/%s.lua"):format(kind, name)
						if tonumber(name:sub(2)) % 2 == 0 then
							queue[#queue + 1] = { file }
						else
							expected[("./%s:%d"):format(path, line)] = true
						end
					end
				end
				files[path] = table.concat(lines, "\n")
			end
		end
		local p = new(files)
		local code, _, report = examine(p)
		local found = {}
		for _, finding in ipairs(report.findings.missing) do
			found[("%s:%d"):format(finding.file, math.tointeger(finding.line))] = true
			for _, other in ipairs(finding.also) do
				found[("%s:%d"):format(other.file, math.tointeger(other.line))] = true
			end
		end
		test.equal(found, expected)
		test.equal(code, next(expected) and 1 or 0)
	end
end)

test.case("damaged sources and configurations end in an exit code, never in silence", { timeout = 150 }, function()
	math.randomseed(test.seed)
	local main = [=====[
		local skynet = require "skynet" local a = require("a.b") package.path = "x/?.lua;" .. package.path
		skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT } skynet.newservice("x", [==[ y ]==])
		local s = 'quoted \' \z string' -- [[ comment
		--[[ another ]] skynet.launch("snlua", "z") return function() return 0x1p4 ~= 1 // 2 end
	]=====]
	local function damaged(text)
		for _ = 1, math.random(4) do
			local at = math.random(#text)
			local what = math.random(4)
			local piece = what == 1 and "" or what == 2 and string.char(math.random(0, 255)) or what == 3
				and text:sub(at, at + math.random(20)) or ("[]'\"\\-\n()={}"):sub(math.random(12)):sub(1, 2)
			text = text:sub(1, at - 1) .. piece .. text:sub(at + math.random(0, 3))
		end
		return text
	end
	local p = new {}
	for _ = 1, test.count(25) do
		p:write("config", damaged(doctor.CONFIG))
		p:write("service/main.lua", damaged(main))
		local code, output = p:run { "doctor", "config", "--json" }
		test.truthy(code == 0 or code == 1, output)
		local report = json.decode(output)
		test.equal(report and report.ok, code == 0, output)
	end
end)

test.run()
