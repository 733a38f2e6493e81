-- Aggregation expressions, as many as the public test suites use.
local bson = require "bson"
local failure = require "test.peer.failure"
local value = require "test.peer.value"

local expression = {}

local evaluate

local function truthy(v)
	v = value.plain(v)
	return v ~= nil and v ~= false and v ~= bson.null and v ~= 0
end

expression.truthy = truthy

local function comparison(test)
	return function(args, doc, vars)
		return test(value.compare(evaluate(args[1], doc, vars), evaluate(args[2], doc, vars)))
	end
end

local function sum(args, doc, vars)
	local total = 0
	for _, arg in ipairs(bson.is_array(args) and args or { args }) do
		local v = value.plain(evaluate(arg, doc, vars))
		total = total + (type(v) == "number" and v or 0)
	end
	return total
end

local operators = {
	["$literal"] = function(arg)
		return arg
	end,
	["$eq"] = comparison(function(c)
		return c == 0
	end),
	["$ne"] = comparison(function(c)
		return c ~= 0
	end),
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
	["$sum"] = sum,
	["$rand"] = function()
		return math.random()
	end,
	["$add"] = sum,
}

operators["$and"] = function(args, doc, vars)
	for _, arg in ipairs(args) do
		if not truthy(evaluate(arg, doc, vars)) then
			return false
		end
	end
	return true
end

operators["$or"] = function(args, doc, vars)
	for _, arg in ipairs(args) do
		if truthy(evaluate(arg, doc, vars)) then
			return true
		end
	end
	return false
end

operators["$not"] = function(args, doc, vars)
	return not truthy(evaluate(bson.is_array(args) and args[1] or args, doc, vars))
end

operators["$setField"] = function(args, doc, vars)
	local result = value.copy(evaluate(args.input, doc, vars))
	result[evaluate(args.field, doc, vars)] = evaluate(args.value, doc, vars)
	return result
end

operators["$getField"] = function(args, doc, vars)
	local input = args.input and evaluate(args.input, doc, vars) or doc
	return input[type(args) == "table" and evaluate(args.field, doc, vars) or args]
end

operators["$mergeObjects"] = function(args, doc, vars)
	local result = bson.document()
	for _, arg in ipairs(args) do
		for k, v in pairs(evaluate(arg, doc, vars) or {}) do
			result[k] = v
		end
	end
	return result
end

local function variable(name, doc, vars)
	local first, rest = name:match "^([^.]+)%.?(.*)$"
	local v
	if first == "ROOT" or first == "CURRENT" then
		v = doc
	elseif first == "NOW" then
		v = bson.datetime(os.time() * 1000)
	else
		v = vars and vars[first]
		if v == nil then
			failure.raise(17276, "Use of undefined variable: " .. first)
		end
	end
	return rest ~= "" and value.get(v, rest) or v
end

---@param e any
---@param doc table
---@param vars table|nil
---@return any
function evaluate(e, doc, vars)
	if type(e) == "string" then
		if e:sub(1, 2) == "$$" then
			return variable(e:sub(3), doc, vars)
		elseif e:sub(1, 1) == "$" then
			return value.get(doc, e:sub(2))
		end
		return e
	elseif type(e) ~= "table" then
		return e
	elseif bson.is_array(e) then
		local list = bson.array {}
		for i, item in ipairs(e) do
			local v = evaluate(item, doc, vars)
			list[i] = v == nil and bson.null or v
		end
		return list
	end
	local result = bson.document()
	for k, item in pairs(e) do
		if k:sub(1, 1) == "$" then
			local operator = operators[k]
			if not operator then
				failure.raise(168, { errmsg = "Unrecognized expression '" .. k .. "'", codeName = "InvalidPipelineOperator" })
			end
			return operator(item, doc, vars)
		end
		result[k] = evaluate(item, doc, vars)
	end
	return result
end

expression.evaluate = evaluate

---The variables that a command declares, with their values.
---@param let table|nil
---@return table|nil
function expression.variables(let)
	local vars = let and {}
	for name, e in pairs(let or {}) do
		local v = evaluate(e, bson.document(), vars)
		vars[name] = v == nil and bson.null or v
	end
	return vars
end

return expression
