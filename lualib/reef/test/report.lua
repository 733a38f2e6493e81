-- What is said of the results of tests: lines for people, TAP (version 14) and JUnit's XML. What tests print may hold
-- anything: control characters are taken out.
local printable = require("reef.text").printable

local report = {}

local COLORS <const> = { fail = "31", ok = "32", skip = "33" }

local function plural(n, word)
	return ("%d %s"):format(n, word)
end

local function counts(passed, failed, skipped)
	local words = { plural(passed, "passed") }
	words[#words + 1] = failed > 0 and plural(failed, "failed") or nil
	words[#words + 1] = skipped > 0 and plural(skipped, "skipped") or nil
	return table.concat(words, ", ")
end

local function indented(text, before)
	return before .. printable(text):gsub("\n+$", ""):gsub("\n", "\n" .. before) .. "\n"
end

---@class reef.test.totals
---@field passed integer
---@field failed integer
---@field skipped integer

---@param results reef.test.result[]
---@return reef.test.totals
function report.totals(results)
	local totals = { passed = 0, failed = 0, skipped = 0 }
	for _, result in ipairs(results) do
		totals.failed = totals.failed + result.failed
		totals.skipped = totals.skipped + result.skipped
		totals.passed = totals.passed + #result.cases - result.failed - result.skipped
	end
	return totals
end

---Text for people: a line for a file, and what failed, with what the file printed.
---@param result reef.test.result
---@param options { color: boolean, verbose: boolean|nil }
---@return string
function report.text(result, options)
	local function paint(state, text)
		return options.color and ("\27[%sm%s\27[m"):format(COLORS[state], text) or text
	end
	local word = result.failed > 0 and paint("fail", "FAIL") or paint("ok", "ok  ")
	local passed = #result.cases - result.failed - result.skipped
	local lines = { ("%s %s: %s (%.1f s)\n"):format(word, printable(result.file),
		counts(passed, result.failed, result.skipped), result.seconds) }
	for _, case in ipairs(result.cases) do
		if case.state == "skip" then
			lines[#lines + 1] = ("     skipped: %s: %s\n"):format(printable(case.name), printable(case.text))
		elseif case.state == "fail" then
			lines[#lines + 1] = paint("fail", "     failed: " .. printable(case.name)) .. "\n"
			lines[#lines + 1] = indented(case.text, "       ")
		elseif options.verbose then
			lines[#lines + 1] = ("     passed: %s (%.2f s)\n"):format(printable(case.name), case.seconds)
		end
	end
	if (result.failed > 0 or options.verbose) and result.output ~= "" then
		lines[#lines + 1] = ("     output of %s (--seed %d):\n"):format(printable(result.file), result.seed)
		lines[#lines + 1] = indented(result.output, "     | ")
	end
	return table.concat(lines)
end

---The last line for people.
---@param totals reef.test.totals
---@return string
function report.summary(totals)
	return ("%d passed, %d failed, %d skipped\n"):format(totals.passed, totals.failed, totals.skipped)
end

-- In a line of TAP a hash sign would begin a directive.
local function tap_name(text)
	return (printable(text):gsub("\n", " "):gsub("[\\#]", "\\%0"))
end

---@param results reef.test.result[]
---@return string
function report.tap(results)
	local lines, n = {}, 0
	for _, result in ipairs(results) do
		for _, case in ipairs(result.cases) do
			n = n + 1
			local name = tap_name(("%s: %s"):format(result.file, case.name))
			if case.state == "fail" then
				lines[#lines + 1] = ("not ok %d - %s"):format(n, name)
				lines[#lines + 1] = "  ---\n  message: |\n" .. indented(case.text, "    ") .. "  ..."
			else
				local skipped = case.state == "skip" and " # SKIP " .. tap_name(case.text) or ""
				lines[#lines + 1] = ("ok %d - %s%s"):format(n, name, skipped)
			end
		end
	end
	return ("TAP version 14\n1..%d\n%s%s"):format(n, table.concat(lines, "\n"), n > 0 and "\n" or "")
end

local ENTITIES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function xml(text)
	return (printable(text):gsub('[&<>"]', ENTITIES):gsub("\n", "&#10;"))
end

---@param results reef.test.result[]
---@return string
function report.junit(results)
	local totals, seconds, out = report.totals(results), 0, {}
	for _, result in ipairs(results) do
		seconds = seconds + result.seconds
		out[#out + 1] = ('<testsuite name="%s" tests="%d" failures="%d" skipped="%d" time="%.3f">'):format(
			xml(result.file), #result.cases, result.failed, result.skipped, result.seconds)
		for _, case in ipairs(result.cases) do
			local inside = ""
			if case.state == "fail" then
				inside = ('<failure message="%s">%s</failure>'):format(xml(case.text:match "[^\n]*"), xml(case.text))
			elseif case.state == "skip" then
				inside = ('<skipped message="%s"/>'):format(xml(case.text))
			end
			out[#out + 1] = ('<testcase classname="%s" name="%s" time="%.3f">%s</testcase>'):format(
				xml((result.file:gsub("%.lua$", ""))), xml(case.name), case.seconds, inside)
		end
		if result.output ~= "" then
			out[#out + 1] = ("<system-out>%s</system-out>"):format(xml(result.output))
		end
		out[#out + 1] = "</testsuite>"
	end
	return ('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="%d" failures="%d" skipped="%d" time="%.3f">\n%s'
		.. "</testsuites>\n"):format(totals.passed + totals.failed + totals.skipped, totals.failed, totals.skipped,
		seconds, #out > 0 and table.concat(out, "\n") .. "\n" or "")
end

return report
