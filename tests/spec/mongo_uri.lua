-- tsan: no, one thread does all of it
-- Connection strings and their options.
local json = require "test.json"
local spec = require "test.spec"
local test = require "test"
local uri = require "reef.mongo.uri"

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

-- Earlier versions of the files have all values as texts.
local function as_written(got, want)
	if type(want) ~= "string" or type(got) == "string" then
		return got
	end
	return type(got) == "table" and table.concat(got, ",") or tostring(got)
end

local function check_credential(got, want)
	if want == nil or not known(want) then
		return
	end
	for _, key in ipairs { "username", "password", "source", "mechanism" } do
		if want[key] ~= nil then
			test.equal(got and got[key], known(want[key]), key)
		end
	end
	for key, value in pairs(known(want.mechanism_properties) or {}) do
		test.equal(got.mechanism_properties and got.mechanism_properties[key], value, key)
	end
end

local function check_concern(options, case)
	local read, write = known(case.readConcern), known(case.writeConcern)
	if read then
		test.equal(options.readConcernLevel, read.level, "readConcernLevel")
	end
	if write then
		test.equal({ options.w, options.wTimeoutMS, options.journal }, { write.w, write.wtimeoutMS, write.journal })
	end
end

local function check(case)
	local ok, result = pcall(uri.parse, case.uri, known(case.callback) ~= nil)
	if not case.valid and not (ok and known(case.warning) == nil and result.warnings[1]) then
		test.equal(ok, false, "it must be refused")
		test.matches(result, "^Invalid MongoDB connection string")
	end
	if not case.valid then
		return
	end
	test.truthy(ok, tostring(result))
	test.equal(#result.warnings > 0, case.warning == true, "there is a warning: " .. table.concat(result.warnings, "; "))
	for i, want in ipairs(known(case.hosts) or {}) do
		local got = result.hosts[i]
		if known(want.host) then
			test.equal(got, { host = want.host, port = known(want.port), type = want.type })
		end
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
		test.equal(as_written(options[k:lower()], want), want, k)
	end
	check_credential(result.credential, case.credential)
	check_concern(result.options, case)
end

-- Those of a file that are about connection strings.
local function cases_of(data)
	local list = {}
	for _, case in ipairs(not spec.is_unified(data) and data.tests or {}) do
		list[#list + 1] = case.uri and case or nil
	end
	return list
end

for _, suite in ipairs { "connection-string", "uri-options", "auth", "read-write-concern" } do
	spec.files(suite, function(name, data)
		for _, case in ipairs(cases_of(data)) do
			test.case(("%s: %s"):format(name, case.description), function()
				check(case)
			end)
		end
	end)
end

test.run()
