-- Does a document match a filter?
local bson = require "bson"
local expression = require "test.peer.expression"
local failure = require "test.peer.failure"
local skynet = require "skynet"
local value = require "test.peer.value"

local query = {}

---@class test.peer.query_context
---@field let table|nil
---@field collation table|nil

local match_value

-- Of a field that is an array, any item may match, or the whole of it.
local function any(candidates, test)
	for _, v in ipairs(candidates) do
		if test(v) then
			return true
		elseif type(v) == "table" and bson.is_array(v) then
			for _, item in ipairs(v) do
				if test(item) then
					return true
				end
			end
		end
	end
	return false
end

local function same_type(a, b)
	local numbers = { int = 1, long = 1, double = 1, decimal = 1 }
	local x, y = value.kind(a), value.kind(b)
	return x == y or (numbers[x] and numbers[y]) ~= nil
end

local function comparison(test)
	return function(candidates, want, context)
		return any(candidates, function(v)
			return same_type(v, want) and test(value.compare(v, want, context.collation))
		end)
	end
end

local function equals(candidates, want, context)
	if want == bson.null and #candidates == 0 then
		return true
	end
	return any(candidates, function(v)
		return value.equal(v, want, context.collation)
	end)
end

local kinds_of_numbers = {
	[1] = "double", [2] = "string", [3] = "object", [4] = "array", [5] = "binData", [7] = "objectId", [8] = "bool",
	[9] = "date", [10] = "null", [11] = "regex", [16] = "int", [17] = "timestamp", [18] = "long", [19] = "decimal",
}

local operators = {
	["$eq"] = equals,
	["$ne"] = function(...)
		return not equals(...)
	end,
	["$gt"] = comparison(function(c)
		return c > 0
	end),
	["$gte"] = comparison(function(c)
		return c >= 0
	end),
	["$lt"] = comparison(function(c)
		return c < 0
	end),
	["$lte"] = comparison(function(c)
		return c <= 0
	end),
	["$exists"] = function(candidates, want)
		return (#candidates > 0) == expression.truthy(want)
	end,
	["$in"] = function(candidates, list, context)
		for _, want in ipairs(list) do
			if equals(candidates, want, context) then
				return true
			end
		end
		return false
	end,
	["$not"] = function(candidates, want, context)
		return not match_value(candidates, want, context)
	end,
	["$type"] = function(candidates, want)
		want = value.plain(want)
		local name = kinds_of_numbers[want] or want
		return any(candidates, function(v)
			local kind = value.kind(v)
			return kind == name or name == "number" and (kind == "int" or kind == "long" or kind == "double")
		end)
	end,
	["$size"] = function(candidates, want)
		return type(candidates[1]) == "table" and #candidates[1] == value.plain(want)
	end,
	["$elemMatch"] = function(candidates, want, context)
		for _, item in ipairs(type(candidates[1]) == "table" and candidates[1] or {}) do
			if query.match(item, want, context) then
				return true
			end
		end
		return false
	end,
}

operators["$nin"] = function(...)
	return not operators["$in"](...)
end

function match_value(candidates, want, context)
	if type(want) ~= "table" or bson.is_array(want) or not value.is_operator(value.first(want)) then
		return equals(candidates, want, context)
	end
	for name, argument in pairs(want) do
		local operator = operators[name]
		if not operator then
			failure.raise(2, "unknown operator: " .. name)
		elseif not operator(candidates, argument, context) then
			return false
		end
	end
	return true
end

local logical = {}

logical["$and"] = function(doc, list, context)
	for _, filter in ipairs(list) do
		if not query.match(doc, filter, context) then
			return false
		end
	end
	return true
end

logical["$or"] = function(doc, list, context)
	for _, filter in ipairs(list) do
		if query.match(doc, filter, context) then
			return true
		end
	end
	return false
end

logical["$nor"] = function(...)
	return not logical["$or"](...)
end

logical["$expr"] = function(doc, e, context)
	return expression.truthy(expression.evaluate(e, doc, context.let))
end

-- There is no JavaScript here; only what makes an operation last.
logical["$where"] = function(_, code)
	local ms = tostring(code):match "sleep%((%d+)%)"
	skynet.sleep(math.floor((ms or 0) // 10))
	return true
end

logical["$comment"] = function()
	return true
end

---@param doc table
---@param filter table
---@param context test.peer.query_context
---@return boolean
function query.match(doc, filter, context)
	for key, want in pairs(filter) do
		local operator = logical[key]
		if key:sub(1, 1) == "$" and not operator then
			failure.raise(2, "unknown top level operator: " .. key)
		elseif operator and not operator(doc, want, context) then
			return false
		elseif not operator and not match_value(value.at(doc, key), want, context) then
			return false
		end
	end
	return true
end

---Raises for a filter that servers refuse.
function query.check(filter)
	for _, key in ipairs { "$or", "$and", "$nor" } do
		local list = filter[key]
		if list ~= nil and not (type(list) == "table" and bson.is_array(list)) then
			failure.raise(2, key .. " must be an array")
		end
	end
end

---The documents in the order of a sort specification.
function query.sort(docs, order, collation)
	local keys = {}
	for path, direction in pairs(order) do
		keys[#keys + 1] = { path, value.plain(direction) }
	end
	local places = {}
	for i, doc in ipairs(docs) do
		places[doc] = i
	end
	local sorted = table.move(docs, 1, #docs, 1, {})
	table.sort(sorted, function(a, b)
		for _, key in ipairs(keys) do
			local c = value.compare(value.get(a, key[1]), value.get(b, key[1]), collation)
			if c ~= 0 then
				return c * key[2] < 0
			end
		end
		return places[a] < places[b]
	end)
	return sorted
end

---The parts of a document that a projection wants.
function query.project(doc, projection, vars)
	local wanted, computed, excludes = {}, {}, nil
	for path, want in pairs(projection or {}) do
		if type(want) == "table" or type(want) == "string" then
			computed[path] = want
			excludes = false
		else
			wanted[path] = expression.truthy(want)
			if path ~= "_id" then
				excludes = not wanted[path]
			end
		end
	end
	if excludes == nil then
		excludes = wanted._id == false
		if wanted._id == nil then
			return doc
		end
	end
	if excludes then
		local result = value.copy(doc)
		for path in pairs(wanted) do
			value.unset(result, path)
		end
		return result
	end
	local result = bson.document()
	if wanted._id ~= false then
		result._id = doc._id
	end
	for path in pairs(projection) do
		local v
		if computed[path] ~= nil then
			v = expression.evaluate(computed[path], doc, vars)
		elseif wanted[path] then
			v = value.get(doc, path)
		end
		if v ~= nil then
			value.set(result, path, v)
		end
	end
	return result
end

return query
