-- Schemas of sproto: text becomes a bundle, which `sproto.new` reads.
--
--     .Type { field 0 : string  list 1 : *integer  price 2 : integer(2)  byname 3 : *Other(name)  plain 4 : *Pair() }
--     protocol 1 { request { field 0 : string }  response Type }
--
-- A bundle is a sproto message itself; see drivers/sproto/schema.c.

local sprotoparser = {}

local BUILTIN = { integer = 0, boolean = 1, string = 2, binary = 2, double = 3 }
local BINARY = 1 -- in the place of the type
local NAME = "[%a_][%w_]*"
local MOST_INLINE = 32766
local MOST_TAG = { field = 32767, protocol = 0x7fffffff }
local MOST_DECIMALS = 18
local MOST_DEEP = 64 -- types in types

---@class sprotoparser.field
---@field name string
---@field tag integer
---@field array boolean
---@field type string
---@field decimals? integer
---@field key? string
---@field map? boolean

---@class sprotoparser.protocol
---@field name string
---@field tag integer
---@field request? string
---@field response? string
---@field confirm? boolean

-- ---- text ----

---A reader of the text: `take(pattern)` gives what matches next, or nil; `fail()` raises where that is.
local function reader_of(text, name)
	local at = 1
	local self = {}
	local function skip()
		while true do
			local _, last = text:find("^%s+", at)
			if not last then
				_, last = text:find("^#[^\n]*", at)
			end
			if not last then
				return
			end
			at = last + 1
		end
	end
	function self.fail()
		local _, newlines = text:sub(1, at - 1):gsub("\n", "")
		error(("syntax error at [%s] line (%d)"):format(name, newlines + 1), 0)
	end
	function self.take(pattern)
		skip()
		local first, last = text:find("^" .. pattern, at)
		if first then
			at = last + 1
			return text:sub(first, last)
		end
	end
	function self.need(pattern)
		return self.take(pattern) or self.fail()
	end
	function self.at_end()
		skip()
		return at > #text
	end
	return self
end

---The number that comes next.
local function read_number(reader, most, what, name)
	local digits = reader.need "%d+"
	local number = math.tointeger(tonumber(digits))
	if not number or number > most then
		error(("%s of %s is %s; the most is %d"):format(what, name, digits, most), 0)
	end
	return number
end

local function add_field(fields, field, type_name)
	for _, other in ipairs(fields) do
		if other.name == field.name then
			error(("redefine %s in type %s"):format(field.name, type_name), 0)
		elseif other.tag == field.tag then
			error(("redefine tag %d in type %s"):format(field.tag, type_name), 0)
		end
	end
	fields[#fields + 1] = field
end

local function read_field(reader, name)
	local field = { name = name, tag = read_number(reader, MOST_TAG.field, "the tag", name) }
	reader.need ":"
	field.array = reader.take "%*" ~= nil
	field.type = reader.need(NAME .. "[%w_.]*")
	if reader.take "%(" then
		if reader.take "%)" then
			field.map = true
		else
			field.key = reader.take(NAME)
			field.decimals = not field.key and read_number(reader, MOST_DECIMALS, "the number of decimals", name) or nil
			reader.need "%)"
		end
	end
	return field
end

---Reads what lies between the braces of a type, and the types inside it.
local function read_type(reader, types, name, depth)
	if types[name] then
		error(("redefine type %s"):format(name), 0)
	elseif depth > MOST_DEEP then
		error(("type %s lies more than %d deep in others"):format(name, MOST_DEEP), 0)
	end
	local fields = {}
	types[name] = fields
	reader.need "{"
	while not reader.take "}" do
		if reader.take "%." then
			read_type(reader, types, name .. "." .. reader.need(NAME), depth + 1)
		else
			add_field(fields, read_field(reader, reader.need(NAME)), name)
		end
	end
end

local function read_protocol(reader, types, name)
	local protocol = { name = name, tag = read_number(reader, MOST_TAG.protocol, "the tag", name) }
	reader.need "{"
	while not reader.take "}" do
		local what = reader.take "request" or reader.need "response"
		if protocol[what] or what == "response" and protocol.confirm then
			error(("redefine %s in protocol %s"):format(what, name), 0)
		end
		local type = reader.take(NAME .. "[%w_.]*")
		if not type then
			protocol[what] = name .. "." .. what
			read_type(reader, types, protocol[what], 1)
		elseif type ~= "nil" then
			protocol[what] = type
		elseif what == "response" then
			protocol.confirm = true
		end
	end
	return protocol
end

-- ---- names ----

---The type that a name means inside another type: the nearest one.
local function resolve(types, name, scope)
	while scope do
		local full = scope .. "." .. name
		if types[full] then
			return full
		end
		scope = scope:match "^(.*)%.[^.]*$"
	end
	return types[name] and name
end

local function lowest(fields)
	local first
	for _, field in ipairs(fields) do
		if not first or field.tag < first.tag then
			first = field
		end
	end
	return first
end

local function check_field(types, field, type_name)
	if BUILTIN[field.type] then
		if field.key or field.map or field.decimals and field.type ~= "integer" then
			error(("%s in type %s cannot have (%s)"):format(field.name, type_name, field.key or field.decimals or ""), 0)
		end
		return
	end
	local full = resolve(types, field.type, type_name)
	if not full then
		error(("Undefined type %s in type %s"):format(field.type, type_name), 0)
	end
	field.type = full
	if (field.key or field.map) and not field.array or field.decimals then
		error(("%s in type %s: only a list of a type can be a map"):format(field.name, type_name), 0)
	end
	if field.map and #types[full] ~= 2 then
		error(("%s in type %s: a plain map is made of a type with two fields, not of %s"):format(
			field.name, type_name, full), 0)
	elseif field.key then
		local found
		for _, other in ipairs(types[full]) do
			found = other.name == field.key and other or found
		end
		if not found then
			error(("%s in type %s: there is no field %s in %s to be the key"):format(
				field.name, type_name, field.key, full), 0)
		end
	end
end

local function check_protocols(types, protocols)
	local names, tags = {}, {}
	for _, protocol in ipairs(protocols) do
		if names[protocol.name] then
			error(("redefine protocol %s"):format(protocol.name), 0)
		elseif tags[protocol.tag] then
			error(("redefine protocol tag %d at %s"):format(protocol.tag, protocol.name), 0)
		end
		names[protocol.name], tags[protocol.tag] = true, true
		for _, what in ipairs { "request", "response" } do
			if protocol[what] and not types[protocol[what]] then
				error(("Undefined %s type %s in protocol %s"):format(what, protocol[what], protocol.name), 0)
			end
		end
	end
end

-- ---- the bundle ----

---A sproto struct of these values by tag: numbers, true, or strings of bytes.
local function struct(values, most)
	local words, data, last = {}, {}, -1
	for tag = 0, most do
		local value = values[tag]
		if value == true then
			value = 1
		end
		if value and tag > last + 1 then
			words[#words + 1] = string.pack("<I2", (tag - last - 1) * 2 - 1)
		end
		if value then
			last = tag
			local inline = type(value) == "number" and value <= MOST_INLINE
			words[#words + 1] = string.pack("<I2", inline and (value + 1) * 2 or 0)
			if not inline then
				data[#data + 1] = string.pack("<s4", type(value) == "number" and string.pack("<i4", value) or value)
			end
		end
	end
	return string.pack("<I2", #words) .. table.concat(words) .. table.concat(data)
end

---The bytes of an array of structs, nil for none.
local function array(list)
	for i, element in ipairs(list) do
		list[i] = string.pack("<s4", element)
	end
	return list[1] and table.concat(list)
end

local function field_bytes(types, index, field)
	local builtin = BUILTIN[field.type]
	local key
	if field.map then
		key = lowest(types[field.type]).tag
	elseif field.key then
		for _, other in ipairs(types[field.type]) do
			key = other.name == field.key and other.tag or key
		end
	end
	local kind
	if not builtin then
		kind = index[field.type]
	elseif field.type == "binary" then
		kind = BINARY
	else
		kind = field.decimals
	end
	return struct({
		[0] = field.name, builtin, kind, field.tag, field.array or nil, key, field.map,
	}, 6)
end

---@param text string
---@param name? string for messages, "=text" if there is none
---@return string bundle
function sprotoparser.parse(text, name)
	local reader = reader_of(text, name or "=text")
	local types = {} ---@type table<string, sprotoparser.field[]>
	local protocols = {} ---@type sprotoparser.protocol[]
	while not reader.at_end() do
		if reader.take "%." then
			read_type(reader, types, reader.need(NAME), 1)
		else
			protocols[#protocols + 1] = read_protocol(reader, types, reader.need(NAME))
		end
	end
	local names, index = {}, {}
	for type_name in pairs(types) do
		names[#names + 1] = type_name
	end
	table.sort(names)
	for i, type_name in ipairs(names) do
		index[type_name] = i - 1
		for _, field in ipairs(types[type_name]) do
			check_field(types, field, type_name)
		end
	end
	check_protocols(types, protocols)
	table.sort(protocols, function(a, b)
		return a.tag < b.tag
	end)

	local type_list, protocol_list = {}, {}
	for i, type_name in ipairs(names) do
		local fields = {}
		for k, field in ipairs(types[type_name]) do
			fields[k] = field_bytes(types, index, field)
		end
		type_list[i] = struct({ [0] = type_name, array(fields) }, 1)
	end
	for i, protocol in ipairs(protocols) do
		protocol_list[i] = struct({
			[0] = protocol.name, protocol.tag, index[protocol.request], index[protocol.response], protocol.confirm,
		}, 4)
	end
	return struct({ [0] = array(type_list), array(protocol_list) }, 1)
end

return sprotoparser
