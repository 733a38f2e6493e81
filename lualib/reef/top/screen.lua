-- What `reef top` shows: lines of text, made from a look at a process (reef.top.source) for a terminal of some size.
-- Names from the process are shown without control characters, so that they cannot move the cursor.
local printable = require("reef.text").printable

local screen = {}

---Keys and what services can be sorted by.
screen.sorts = {
	{ key = "c", field = "cpu_rate", title = "CPU" },
	{ key = "m", field = "memory", title = "memory" },
	{ key = "w", field = "queued", title = "mailbox" },
	{ key = "r", field = "message_rate", title = "messages" },
	{ key = "e", field = "errors", title = "errors" },
}

local UNITS <const> = { "", "K", "M", "G", "T" }
local BARS <const> = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

local function number(value)
	return type(value) == "number" and value == value and value or nil
end

local function scaled(value, step)
	local n = number(value)
	if not n then
		return "-"
	end
	local unit = 1
	while math.abs(n) >= step and unit < #UNITS do
		n, unit = n / step, unit + 1
	end
	return (n >= 100 or n == math.floor(n)) and ("%.0f%s"):format(n, UNITS[unit]) or ("%.1f%s"):format(n, UNITS[unit])
end

local function bytes(value)
	return scaled(value, 1024)
end

local function count(value)
	return scaled(value, 1000)
end

local function percent(value)
	local n = number(value)
	return n and ("%.1f%%"):format(n * 100) or "-"
end

local function age(seconds)
	local n = number(seconds)
	if not n or n < 0 then
		return "-"
	elseif n < 60 then
		return ("%.0f s"):format(n)
	elseif n < 3600 then
		return ("%.0f min"):format(n // 60)
	elseif n < 86400 then
		return ("%.0f h %.0f min"):format(n // 3600, n % 3600 // 60)
	end
	return ("%.0f d %.0f h"):format(n // 86400, n % 86400 // 3600)
end

-- At most so many characters, in one line.
local function cut(text, width)
	text = printable(tostring(text or "-")):gsub("[\n\t]", " ")
	local stop = utf8.offset(text, width + 1)
	return stop and text:sub(1, stop - 1) or text
end

local function padded(text, width)
	return text .. (" "):rep(width - (utf8.len(text) or #text))
end

---A curve of numbers, the last at the right, as blocks of eight heights.
---@param values number[]
---@param width integer
---@return string
function screen.curve(values, width)
	local first, most = math.max(1, #values - width + 1), 0
	for i = first, #values do
		most = math.max(most, values[i])
	end
	local out = {}
	for i = first, #values do
		out[#out + 1] = BARS[most > 0 and math.max(1, math.ceil(values[i] / most * #BARS)) or 1]
	end
	return (" "):rep(width - #out) .. table.concat(out)
end

---The process in a few lines.
---@return string[]
function screen.head(process)
	local p = process
	local state = p.ready == false and "  NOT READY" or ""
	return {
		("reef %s  pid %s  %s  up %s  %s workers%s"):format(cut(p.version, 20), ("%.0f"):format(p.pid), cut(p.host, 40),
			age(number(p.time) and number(p.started) and p.time - p.started),
			count(p.workers), state),
		("CPU %s  messages %s/s  services %s  queued %s  errors %s"):format(percent(p.cpu_rate), count(p.message_rate),
			count(p.services), count(p.queued), count(p.errors)),
		("memory %s (%s allocated)  sockets %s  files %s of %s"):format(bytes(p.resident), bytes(p.allocated),
			count(p.sockets), count(p.files), count(p.files_limit)),
	}
end

local COLUMNS <const> = {
	{ "CPU", 7, function(s) return percent(s.cpu_rate) end },
	{ "QUEUED", 7, function(s) return count(s.queued) end },
	{ "MEMORY", 8, function(s) return bytes(s.memory) end },
	{ "MSG/s", 7, function(s) return count(s.message_rate) end },
	{ "ERRORS", 7, function(s) return count(s.errors) end },
}

---The services as a table: a heading and a line each, as wide as is there.
---@param services table[]
---@param grouped boolean
---@param width integer
---@return string[]
function screen.table(services, grouped, width)
	local shown, used = {}, 10
	for _, column in ipairs(COLUMNS) do
		if used + column[2] + 12 <= width or #shown == 0 then
			shown[#shown + 1] = column
			used = used + column[2]
		end
	end
	local function row(first, value, name)
		local parts = { padded(first, 10) }
		for i, column in ipairs(shown) do
			parts[i + 1] = ("%" .. column[2] .. "s"):format(value(column))
		end
		return cut(table.concat(parts) .. "  " .. name, width)
	end
	local lines = { row(grouped and "SERVICES" or "ADDRESS", function(column) return column[1] end, "NAME") }
	for _, s in ipairs(services) do
		if type(s) == "table" then
			local names = type(s.names) == "table" and type(s.names[1]) == "string" and " " .. s.names[1] or ""
			lines[#lines + 1] = row(grouped and count(s.services) or cut(s.address, 9), function(column)
				return column[3](s)
			end, cut((type(s.description) == "string" and s.description or tostring(s.name)) .. names, 200))
		end
	end
	return lines
end

---All of the screen.
---@param look table      see reef.top.source
---@param state { sort: table, filter: string, grouped: boolean, typing: boolean, first: integer, cpu: number[],
---  messages: number[], problem: string|nil }
---@param width integer
---@param height integer
---@return string[] lines  no more than `height`, none wider than `width`
function screen.lines(look, state, width, height)
	local lines = {}
	local function add(text)
		lines[#lines + 1] = cut(text, width)
	end
	for _, line in ipairs(screen.head(look.process)) do
		add(line)
	end
	if height >= 16 and width >= 40 then
		local room = math.min(60, (width - 24) // 2)
		add(("CPU %s  messages %s"):format(screen.curve(state.cpu, room), screen.curve(state.messages, room)))
	end
	if height >= 10 then
		add ""
	end
	local body = screen.table(look.services, look.grouped, width)
	add(body[1])
	for i = 2 + state.first, math.min(#body, 1 + state.first + height - #lines - 1) do
		add(body[i])
	end
	while #lines < height - 1 do
		add ""
	end
	if state.problem then
		lines[height] = cut(state.problem, width)
	elseif state.typing then
		lines[height] = cut("filter: " .. state.filter, width)
	else
		lines[height] = cut(("by %s%s, %s services  c m w r e sort  g group  / filter  q quit"):format(state.sort.title,
			state.filter ~= "" and (" with %q"):format(state.filter) or "", count(look.matching)), width)
	end
	return lines
end

return screen
