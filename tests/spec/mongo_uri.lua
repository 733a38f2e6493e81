-- Connection strings and their options.
local json = require "test.json"
local spec = require "test.spec"
local test = require "test"
local uri = require "skynet.db.mongo.uri"

local function known(value)
	return value ~= json.null and value or nil
end

local function lower_keys(t)
	local out = {}
	for k, v in pairs(t) do
		out[k:lower()] = v
	end
	return out
end

local function check(case)
	local ok, result = pcall(uri.parse, case.uri)
	if not case.valid then
		test.equal(ok, false, "it must be refused")
		test.matches(result, "^Invalid MongoDB connection string")
		return
	end
	test.truthy(ok, tostring(result))
	test.equal(#result.warnings > 0, case.warning == true, "there is a warning: " .. table.concat(result.warnings, "; "))
	for i, want in ipairs(known(case.hosts) or {}) do
		local got = result.hosts[i]
		test.equal(got, { host = want.host, port = known(want.port), type = want.type })
	end
	if known(case.hosts) then
		test.equal(#result.hosts, #case.hosts)
	end
	local auth = known(case.auth)
	if auth then
		test.equal({ result.username, result.password, result.database },
			{ known(auth.username), known(auth.password), known(auth.db) })
	end
	local options = lower_keys(result.options)
	for k, want in pairs(known(case.options) or {}) do
		test.equal(options[k:lower()], want, k)
	end
end

for _, suite in ipairs { "connection-string", "uri-options" } do
	spec.files(suite, function(name, data)
		for _, case in ipairs(spec.is_unified(data) and {} or data.tests) do
			test.case(("%s: %s"):format(name, case.description), function()
				check(case)
			end)
		end
	end)
end

test.run()
