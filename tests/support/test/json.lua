-- JSON for tests: reads the data files of public test suites, and brings texts into one form for comparing. Written
-- apart from the product's own reader on purpose.
local json = {}

---Stands for null.
json.null = setmetatable({}, { __tostring = function()
	return "null"
end })

local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function fail(text, at, what)
	error(("JSON: %s at byte %d: %s"):format(what, at, text:sub(at, at + 20)), 0)
end

local function read_string(text, at)
	local out = {}
	at = at + 1
	while true do
		local from, to, chunk = text:find('^([^"\\]+)', at)
		if from then
			out[#out + 1] = chunk
			at = to + 1
		end
		local c = text:sub(at, at)
		if c == '"' then
			return table.concat(out), at + 1
		elseif c ~= "\\" then
			fail(text, at, "string not ended")
		end
		local e = text:sub(at + 1, at + 1)
		if e == "u" then
			local code = tonumber(text:sub(at + 2, at + 5), 16) or fail(text, at, "escape")
			at = at + 6
			if code >= 0xd800 and code <= 0xdbff then
				local low = tonumber(text:match("^\\u(%x%x%x%x)", at) or fail(text, at, "surrogate"), 16)
				code = 0x10000 + (code - 0xd800) * 1024 + (low - 0xdc00)
				at = at + 6
			end
			out[#out + 1] = utf8.char(code)
		else
			out[#out + 1] = escapes[e] or fail(text, at, "escape")
			at = at + 2
		end
	end
end

-- Calls visit(kind, value) for what it reads: "{" "}" "[" "]" "key" "string" "number" "word".
local function walk(text, at, visit)
	at = text:find("%S", at) or fail(text, at, "value expected")
	local c = text:sub(at, at)
	if c == "{" or c == "[" then
		local close = c == "{" and "}" or "]"
		visit(c)
		at = text:find("%S", at + 1) or fail(text, at, "not closed")
		while text:sub(at, at) ~= close do
			if c == "{" then
				local key
				key, at = read_string(text, at)
				visit("key", key)
				at = (text:match("^%s*:()", at) or fail(text, at, "colon expected"))
			end
			at = walk(text, at, visit)
			at = text:find("%S", at) or fail(text, at, "not closed")
			if text:sub(at, at) == "," then
				at = text:find("%S", at + 1) or fail(text, at, "not closed")
			end
		end
		visit(close)
		return at + 1
	elseif c == '"' then
		local s
		s, at = read_string(text, at)
		visit("string", s)
		return at
	end
	local word = text:match("^[%w+.-]+", at) or fail(text, at, "value expected")
	visit(tonumber(word) and "number" or "word", word)
	return at + #word
end

local words = { ["true"] = true, ["false"] = false, null = json.null }

local function read_number(text)
	local n = tonumber(text)
	return text:find "[.eE]" and n + 0.0 or n
end

---@return any value objects and arrays as tables, null as json.null
function json.decode(text)
	local root = {}
	local stack, top, key = {}, root, "value"
	local function put(value)
		top[key] = value
		if math.type(key) then
			key = key + 1
		end
	end
	walk(text, 1, function(kind, value)
		if kind == "{" or kind == "[" then
			local inner = {}
			put(inner)
			stack[#stack + 1] = { top, key }
			top, key = inner, 1
		elseif kind == "}" or kind == "]" then
			top, key = table.unpack(table.remove(stack))
		elseif kind == "key" then
			key = value
		elseif kind == "string" then
			put(value)
		elseif kind == "number" then
			put(read_number(value))
		else
			put(words[value])
		end
	end)
	return root.value
end

---One text for all texts that mean the same: no spaces, one way to write a string, order of keys kept.
function json.normal(text)
	local out, comma = {}, false
	local at = walk(text, 1, function(kind, value)
		if comma and kind ~= "}" and kind ~= "]" then
			out[#out + 1] = ","
		end
		if kind == "key" then
			out[#out + 1] = ("%q:"):format(value)
		elseif kind == "string" then
			out[#out + 1] = ("%q"):format(value)
		else
			out[#out + 1] = value or kind
		end
		comma = kind ~= "{" and kind ~= "[" and kind ~= "key"
	end)
	if text:find("%S", at) then
		fail(text, at, "text behind the value")
	end
	return table.concat(out)
end

return json
