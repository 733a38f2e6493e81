-- Is this a request as collectors of OpenTelemetry take it? By opentelemetry-proto (trace_service.proto, trace.proto,
-- common.proto, resource.proto) in the JSON form that the OTLP specification gives it: names in lowerCamelCase, ids in
-- hexadecimal, enums as numbers, 64 bit integers as strings of digits. Stricter than a collector, which passes over
-- fields that it does not know: here they are mistakes, as are ids and names that the specification calls required.
local otlp = {}

local function refuse(path, text)
	error(path .. ": " .. text, 0)
end

local function text(value, path)
	if type(value) ~= "string" then
		refuse(path, "no string")
	elseif not utf8.len(value) then
		refuse(path, "not UTF-8")
	end
end

local function name(value, path)
	text(value, path)
	if value == "" then
		refuse(path, "empty")
	end
end

local function boolean(value, path)
	if type(value) ~= "boolean" then
		refuse(path, "no boolean")
	end
end

local function double(value, path)
	if type(value) ~= "number" and value ~= "NaN" and value ~= "Infinity" and value ~= "-Infinity" then
		refuse(path, "no number")
	end
end

local function whole(low, high)
	return function(value, path)
		if math.type(value) ~= "integer" or value < low or value > high then
			refuse(path, ("no integer from %d to %d"):format(low, high))
		end
	end
end

local count = whole(0, 0xffffffff)

-- Decimal digits that fit into so many bits; nobody writes zeros in front.
local function digits(pattern, most)
	return function(value, path)
		local sign, number = tostring(value):match(pattern)
		if type(value) ~= "string" or not number or #number > #most or #number == #most and number > most
			or number:find "^0." or sign == "-" and number == "0" then
			refuse(path, "no integer of 64 bits in a string")
		end
	end
end

local unsigned = digits("^()(%d+)$", "18446744073709551615")
local signed = digits("^(%-?)(%d+)$", "9223372036854775807")

local function id(length)
	return function(value, path)
		if type(value) ~= "string" or #value ~= length or not value:find "^%x+$" or not value:find "[^0]" then
			refuse(path, ("no id of %d hexadecimal digits"):format(length))
		end
	end
end

local function list(of)
	return function(value, path)
		if type(value) ~= "table" then
			refuse(path, "no list")
		end
		for key in pairs(value) do
			if math.type(key) ~= "integer" then
				refuse(path, "no list")
			end
		end
		for i, item in ipairs(value) do
			of(item, ("%s[%d]"):format(path, i))
		end
	end
end

---@param fields table<string, function>  what each may be
---@param required string|nil  names of those that have to be there
---@param more fun(value: table, path: string)|nil  what holds between them
local function message(fields, required, more)
	return function(value, path)
		if type(value) ~= "table" then
			refuse(path, "no object")
		end
		for key, item in pairs(value) do
			local check = fields[key]
			if not check then
				refuse(path, "unknown field " .. tostring(key))
			end
			check(item, path .. "." .. key)
		end
		for key in (required or ""):gmatch "%w+" do
			if value[key] == nil then
				refuse(path, "without " .. key)
			end
		end
		if more then
			more(value, path)
		end
	end
end

local attributes

local function any(value, path)
	local fields = {
		stringValue = text, boolValue = boolean, intValue = signed, doubleValue = double, bytesValue = text,
		arrayValue = message { values = list(any) }, kvlistValue = message { values = attributes },
	}
	message(fields)(value, path)
	local first = next(value)
	if not first or next(value, first) then
		refuse(path, "not one value")
	end
end

local pairs_of_attributes = list(message({ key = name, value = any }, "key value"))

function attributes(value, path)
	pairs_of_attributes(value, path)
	local seen = {}
	for _, item in ipairs(value) do
		if seen[item.key] then
			refuse(path, "twice " .. item.key)
		end
		seen[item.key] = true
	end
end

local event = message({ timeUnixNano = unsigned, name = name, attributes = attributes, droppedAttributesCount = count },
	"timeUnixNano name")

local link = message({
	traceId = id(32), spanId = id(16), traceState = text, attributes = attributes, droppedAttributesCount = count,
	flags = count,
}, "traceId spanId")

local status = message({ message = text, code = whole(0, 2) }, nil, function(value, path)
	if value.message and value.message ~= "" and value.code ~= 2 then
		refuse(path, "a message that is of no error")
	end
end)

local span = message({
	traceId = id(32), spanId = id(16), parentSpanId = id(16), traceState = text, flags = count, name = name,
	kind = whole(1, 5), startTimeUnixNano = unsigned, endTimeUnixNano = unsigned, attributes = attributes,
	droppedAttributesCount = count, events = list(event), droppedEventsCount = count, links = list(link),
	droppedLinksCount = count, status = status,
}, "traceId spanId name kind startTimeUnixNano endTimeUnixNano", function(value, path)
	local from, to = value.startTimeUnixNano, value.endTimeUnixNano
	if #to < #from or #to == #from and to < from then
		refuse(path, "it ends before it starts")
	elseif value.parentSpanId == value.spanId then
		refuse(path, "it is its own parent")
	end
end)

local scope = message { name = text, version = text, attributes = attributes, droppedAttributesCount = count }
local scope_spans = message({ scope = scope, spans = list(span), schemaUrl = text }, "spans")
local resource = message({ attributes = attributes, droppedAttributesCount = count }, "attributes")
local resource_spans = message({ resource = resource, scopeSpans = list(scope_spans), schemaUrl = text },
	"resource scopeSpans")
local request = message({ resourceSpans = list(resource_spans) }, "resourceSpans")

---Raises what is wrong with a request's body, and where.
---@param body table  as JSON is decoded
---@return table[] spans  all of them
function otlp.check(body)
	request(body, "request")
	local spans = {}
	for _, of_resource in ipairs(body.resourceSpans) do
		for _, of_scope in ipairs(of_resource.scopeSpans) do
			table.move(of_scope.spans, 1, #of_scope.spans, #spans + 1, spans)
		end
	end
	return spans
end

return otlp
