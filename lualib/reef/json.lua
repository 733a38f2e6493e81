-- JSON of protocols: small messages that are made and read here. Files of configuration data have their own reader
-- (reef.config), and MongoDB's Extended JSON its own (bson).

local core = require "reef.config.core"

local json = {}

local ESCAPES <const> = { ['"'] = '\\"', ["\\"] = "\\\\" }

-- JSON is UTF-8: each byte that is no part of it has U+FFFD in its place.
local function as_utf8(text)
	local parts, from = {}, 1
	while true do
		local _, bad = utf8.len(text, from)
		if not bad then
			return from == 1 and text or table.concat(parts) .. text:sub(from)
		end
		parts[#parts + 1] = text:sub(from, bad - 1) .. "\u{FFFD}"
		from = bad + 1
	end
end

local function text_of(text)
	return '"' .. as_utf8(text):gsub('[%c"\\]', function(c)
		return ESCAPES[c] or ("\\u%04x"):format(c:byte())
	end) .. '"'
end

local list_meta = {}

---Makes the table a list, also when it is empty.
---@param t any[]
---@return any[]
function json.list(t)
	return setmetatable(t, list_meta)
end

---Tables with something at 1, and those of json.list, are lists, others objects. What is no number in JSON, an infinite
---one, is null.
---@param value any
---@return string
function json.encode(value)
	local kind = type(value)
	if kind == "string" then
		return text_of(value)
	elseif kind == "number" and (value ~= value or value == math.huge or value == -math.huge) then
		return "null"
	elseif kind ~= "table" then
		return tostring(value)
	end
	local parts = {}
	if value[1] ~= nil or getmetatable(value) == list_meta then
		for i, item in ipairs(value) do
			parts[i] = json.encode(item)
		end
		return "[" .. table.concat(parts, ",") .. "]"
	end
	for name, item in pairs(value) do
		parts[#parts + 1] = text_of(name) .. ":" .. json.encode(item)
	end
	return "{" .. table.concat(parts, ",") .. "}"
end

---@param text string
---@return table|nil value an object or a list
---@return string|nil problem
function json.decode(text)
	local ok, value, problems = pcall(core.json, text)
	if not ok then
		return nil, tostring(value)
	elseif type(value) ~= "table" then
		return nil, problems and problems[1] and problems[1].message or "it is no object"
	end
	return value
end

return json
