-- `GET /api/profile` of the metrics server: takes a profile, and answers with it when its time is over.
local encode = require("reef.json").encode
local profile = require "reef.profile"
local skynet = require "skynet"
local sorted = require "reef.base.sorted"

local LONGEST <const> = 300 -- seconds

local http = {}

http.parameters = {
	service = true, name = true, seconds = true, format = true, kind = true, hz = true, every = true, lines = true,
}

---@type table<string, {[1]: string, [2]: fun(result: reef.profile.result, title: string): string}>
local formats = {
	folded = { "text/plain; charset=utf-8", function(result)
		return result:folded()
	end },
	svg = { "image/svg+xml", function(result, title)
		return result:svg(title)
	end },
	pprof = { "application/octet-stream", function(result)
		return result:pprof()
	end },
	speedscope = { "application/json", function(result, title)
		return result:speedscope(title)
	end },
}

local function fail(...)
	error((...):format(select(2, ...)), 0)
end

local function number(parameters, name)
	local text = parameters[name]
	if text then
		return tonumber(text) or fail("%s is a number, not %s", name, text)
	end
end

local function address(text)
	local handle
	if text:byte() == 46 then
		handle = skynet.localname(text)
	else
		handle = tonumber(text:match "^:?(%x+)$" or "", 16)
	end
	return handle and handle ~= 0 and handle or fail("there is no service %s", text)
end

local function parse(parameters)
	for name, value in pairs(parameters) do
		if not http.parameters[name] then
			fail("unknown parameter %s: there are %s", name, table.concat(sorted.keys(http.parameters), ", "))
		elseif type(value) == "table" then
			fail("%s is there twice", name)
		end
	end
	local format = parameters.format or "folded"
	if not formats[format] then
		fail("format is one of %s, not %s", table.concat(sorted.keys(formats), ", "), format)
	elseif parameters.service and parameters.name then
		fail "either a service or a name"
	end
	local seconds = number(parameters, "seconds") or 10
	if not (seconds > 0 and seconds <= LONGEST) then
		fail("seconds are up to %d", LONGEST)
	end
	return format, {
		service = parameters.service and address(parameters.service) or parameters.name,
		seconds = seconds,
		kind = parameters.kind,
		hz = number(parameters, "hz"),
		every = number(parameters, "every"),
		lines = parameters.lines == "1" or parameters.lines == "true",
	}
end

---@param request reef.http.request
---@return integer status
---@return string kind
---@return string body
function http.answer(request)
	local parameters = request:parameters()
	local ok, format, options = pcall(parse, parameters)
	local result
	if ok then
		ok, result = pcall(profile.take, options)
	else
		result = format
	end
	if not ok then
		return 400, "application/json", encode { error = tostring(result):gsub("^profile: ", "") } .. "\n"
	end
	local title = ("%s of %s"):format(result.kind == "cpu" and "CPU time" or "allocations",
		parameters.service or parameters.name or "the process")
	return 200, formats[format][1], formats[format][2](result, title)
end

return http
