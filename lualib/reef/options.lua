-- Tables of options: what nobody knows is refused, with the name that was probably meant.
local redacted = require("reef.text").redacted

local options = {}

local LONGEST = 64 -- of a name that is looked at

-- How many letters have to be put in, taken out, changed or swapped with the next to make one of the other.
local function distance(a, b)
	local rows = { [0] = {} }
	for j = 0, #b do
		rows[0][j] = j
	end
	for i = 1, #a do
		local row, above = { [0] = i }, rows[i - 1]
		for j = 1, #b do
			local change = above[j - 1] + (a:byte(i) == b:byte(j) and 0 or 1)
			row[j] = math.min(change, above[j] + 1, row[j - 1] + 1)
			if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
				row[j] = math.min(row[j], rows[i - 2][j - 2] + 1)
			end
		end
		rows[i] = row
	end
	return rows[#a][#b]
end

---The known name that is most like another; nil: none is.
---@param name string
---@param known table<string, any>  by name
---@return string|nil
function options.nearest(name, known)
	local best, least = nil, math.max(1, #name // 3) + 1
	name = name:sub(1, LONGEST)
	for other in pairs(known) do
		local d = distance(name:lower(), other:lower())
		if d < least or (d == least and best and other < best) then
			best, least = other, d
		end
	end
	return best
end

local function meant(name, known, aliases)
	return type(name) == "string" and (aliases and aliases[name:lower()] or options.nearest(name, known))
end

local function unknown(what, name, known, aliases)
	local nearest = meant(name, known, aliases)
	return ("%s: unknown option %s%s"):format(what, redacted(tostring(name)),
		nearest and " (did you mean " .. nearest .. "?)" or "")
end

---Raises since that option is not known.
---@param what string    what the options are of, for the message: "redis"
---@param name any
---@param known table<string, any>  by name
---@param level integer|nil  0: no place in front of the message
---@param aliases table<string, string>|nil  known names by what others call them
function options.refuse(what, name, known, level, aliases)
	error(unknown(what, name, known, aliases), level)
end

---Raises for the first option that is not known; see refuse.
---@param what string
---@param given any       a table, or nil
---@param known table<string, any>
---@param level integer|nil
---@param aliases table<string, string>|nil
function options.check(what, given, known, level, aliases)
	if given == nil then
		return
	elseif type(given) ~= "table" then
		error(("%s: options are a table, not a %s"):format(what, type(given)), level)
	end
	for name in pairs(given) do
		if known[name] == nil then
			options.refuse(what, name, known, level, aliases)
		end
	end
end

local told = {}

---As check, for functions whose callers may have given anything before: a line in the log for each name, once
---in a service.
---@param what string
---@param given table|nil
---@param known table<string, any>
function options.warn(what, given, known)
	if given ~= nil and type(given) ~= "table" then
		error(("%s: options are a table, not a %s"):format(what, type(given)))
	end
	for name in pairs(given or {}) do
		local key = what .. "\0" .. tostring(name)
		if known[name] == nil and not told[key] then
			told[key] = true
			require("skynet").error("warning: " .. unknown(what, name, known))
		end
	end
end

---As warn, for tables that are the caller's own as well: only names that are like a known one are told.
---@param what string
---@param given table
---@param known table<string, any>
function options.hint(what, given, known)
	local like = {}
	for name in pairs(given) do
		like[name] = known[name] == nil and meant(name, known) and true or nil
	end
	options.warn(what, like, known)
end

---As warn, but raises for a name that is like a known one: it never did what was meant.
---@param what string
---@param given any       a table, or nil
---@param known table<string, any>
---@param level integer|nil
---@param aliases table<string, string>|nil
function options.check_contract(what, given, known, level, aliases)
	if type(given) == "table" then
		for name in pairs(given) do
			if known[name] == nil and meant(name, known, aliases) then
				options.refuse(what, name, known, level, aliases)
			end
		end
		return options.warn(what, given, known)
	end
	options.check(what, given, known, level, aliases)
end

---Raises for a value of another type.
---@param what string   what it is of what: "sharetable.query: the name"
---@param value any
---@param kind string   its type
function options.needs(what, value, kind)
	if type(value) ~= kind then
		error(("%s is a %s, not a %s"):format(what, type(value), kind))
	end
end

---Raises for a host that is a URI, or part of one: there is no such host, and who names it would show its password.
---@param what string
---@param host string
---@param level integer|nil
function options.check_host(what, host, level)
	local path = host:match "^[/@].*" or host:match "^unix://(/.*)" or host:match "^unix:(.*)"
	if (path or host):find("://", 1, true) or not path and host:find "[@?#]" or path and path:find "^//.*@" then
		error(what .. ": a host is a name, an address or the path of a socket, not a URI", level)
	end
end

---A value as an error shows it: numbers in quotes are told from numbers.
---@param value any
---@return string
function options.quoted(value)
	return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

---Raises for the first option that is no number, or too small; nil is none.
---@param what string
---@param given table|nil
---@param least table<string, number>  by name; an integer of 1: it has to be an integer
function options.numbers(what, given, least)
	for name, lowest in pairs(least) do
		local value = given and given[name]
		local whole = math.type(lowest) == "integer" and lowest == 1
		local number = type(value) == "number" and value >= lowest and (not whole or math.tointeger(value))
		if value ~= nil and not number then
			error(("%s: %s has to be %s of at least %s, not %s"):format(what, name, whole and "an integer" or "a number", lowest,
				redacted(options.quoted(value))))
		end
	end
end

return options
