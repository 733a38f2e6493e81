-- What the doctor says, as text and as JSON.

local findings = require "reef.doctor.findings"
local plural = require "reef.plural"
local printable = require("reef.text").printable
local sorted = require "reef.base.sorted"

local report = {}

local function place(entry)
	return entry.line and ("%s:%d"):format(entry.file, entry.line) or entry.file
end

---@param result reef.doctor.examination
---@param kind string
local function ordered(result, kind)
	local list = result.found:of(kind)
	table.sort(list, function(a, b)
		if a.file ~= b.file then
			return a.file < b.file
		end
		local x, y = a.line or 0, b.line or 0
		return x < y or x == y and a.message < b.message
	end)
	return list
end

---@param result reef.doctor.examination
---@return integer
local function count_files(result)
	local n = 0
	for _ in pairs(result.read) do
		n = n + 1
	end
	return n
end

---@param result reef.doctor.examination
---@param all boolean all places of each finding
---@param colored boolean
---@return string
function report.text(result, all, colored)
	local lines = {}
	local function paint(code, text)
		return colored and ("\27[%sm%s\27[m"):format(code, text) or text
	end
	local function add(line)
		lines[#lines + 1] = line
	end
	local packages = {}
	for _, kind in ipairs(findings.kinds) do
		local list = ordered(result, kind.name)
		if #list > 0 then
			add(paint(kind.fails and "1;31" or "1", kind.title))
		end
		for _, finding in ipairs(list) do
			local more = #finding.also > 0 and not all and (" (and %d more)"):format(#finding.also) or ""
			add(("  %s: %s%s"):format(printable(place(finding)), (printable(finding.message):gsub("\n", " ")), more))
			for _, other in ipairs(all and finding.also or {}) do
				add(("    %s"):format(printable(place(other))))
			end
			if finding.package and kind.name == "missing" then
				packages[finding.package] = true
			end
		end
	end
	local missing, wrong = #result.found:of "missing", #result.found:of "broken"
	if next(packages) then
		add("")
		add("apt-get install " .. table.concat(sorted.keys(packages), " "))
	end
	add("")
	local verdict = not result.found:fail() and paint("1;32", "nothing is missing")
		or paint("1;31", ("%d missing, %d wrong"):format(missing, wrong))
	add(("%s: %s read, %d of Reef's modules used, %d different, %d not known before it runs"):format(verdict,
		plural(count_files(result), "file"), #sorted.keys(result.used), #result.found:of "differs",
		#result.found:of "unknown"))
	return table.concat(lines, "\n") .. "\n"
end

-- ---- JSON ----

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function string_of(text)
	text = utf8.len(text) and text or printable(text)
	return '"' .. text:gsub('[%c"\\]', function(c)
		return escapes[c] or ("\\u%04x"):format(c:byte())
	end) .. '"'
end

---Arrays, objects of names, strings, integers and booleans.
local function encode(value)
	if type(value) == "string" then
		return string_of(value)
	elseif type(value) ~= "table" then
		return tostring(value)
	end
	local parts = {}
	if value[1] ~= nil or next(value) == nil then
		for i, item in ipairs(value) do
			parts[i] = encode(item)
		end
		return "[" .. table.concat(parts, ",") .. "]"
	end
	for _, key in ipairs(sorted.keys(value)) do
		parts[#parts + 1] = string_of(key) .. ":" .. encode(value[key])
	end
	return "{" .. table.concat(parts, ",") .. "}"
end

---@param result reef.doctor.examination
---@return string
function report.json(result)
	local all = {}
	for _, kind in ipairs(findings.kinds) do
		all[kind.name] = ordered(result, kind.name)
	end
	return encode {
		config = result.config_file,
		config_files = result.config_files,
		base = result.tree.base,
		ok = not result.found:fail(),
		files = sorted.keys(result.read),
		uses = sorted.keys(result.used),
		protocols = result.protocols,
		findings = all,
	}
end

return report
