-- A document after an update: by operators, by a replacement, by a pipeline.
local bson = require "bson"
local expression = require "test.peer.expression"
local failure = require "test.peer.failure"
local query = require "test.peer.query"
local value = require "test.peer.value"

local update = {}

-- ---- operators ----

local function number_at(doc, path)
	local v = value.plain(value.get(doc, path))
	return type(v) == "number" and v or 0
end

local function list_at(doc, path)
	local list = value.get(doc, path)
	if type(list) ~= "table" then
		list = bson.array {}
		value.set(doc, path, list)
	end
	return list
end

local operators = {}

operators["$set"] = value.set

operators["$setOnInsert"] = function(doc, path, v, context)
	if context.inserting then
		value.set(doc, path, v)
	end
end

operators["$unset"] = value.unset

operators["$inc"] = function(doc, path, v)
	value.set(doc, path, number_at(doc, path) + value.plain(v))
end

operators["$mul"] = function(doc, path, v)
	value.set(doc, path, number_at(doc, path) * value.plain(v))
end

operators["$min"] = function(doc, path, v)
	local current = value.get(doc, path)
	if current == nil or value.compare(v, current) < 0 then
		value.set(doc, path, v)
	end
end

operators["$max"] = function(doc, path, v)
	local current = value.get(doc, path)
	if current == nil or value.compare(v, current) > 0 then
		value.set(doc, path, v)
	end
end

operators["$rename"] = function(doc, path, to)
	local v = value.get(doc, path)
	if v ~= nil then
		value.unset(doc, path)
		value.set(doc, to, v)
	end
end

operators["$push"] = function(doc, path, v)
	local list = list_at(doc, path)
	for _, item in ipairs(type(v) == "table" and v["$each"] or { v }) do
		list[#list + 1] = item
	end
end

operators["$addToSet"] = function(doc, path, v)
	local list = list_at(doc, path)
	for _, item in ipairs(list) do
		if value.equal(item, v) then
			return
		end
	end
	list[#list + 1] = v
end

operators["$pull"] = function(doc, path, v)
	local kept = bson.array {}
	for _, item in ipairs(list_at(doc, path)) do
		if not value.equal(item, v) then
			kept[#kept + 1] = item
		end
	end
	value.set(doc, path, kept)
end

operators["$currentDate"] = function(doc, path)
	value.set(doc, path, bson.datetime(os.time() * 1000))
end

-- ---- items of arrays: a.$[].b and a.$[name].b ----

local function filter_of(name, filters)
	for _, filter in ipairs(filters or {}) do
		local inner = bson.document()
		for path, want in pairs(filter) do
			local first, rest = path:match "^([^.]+)%.?(.*)$"
			if first == name then
				inner[rest == "" and "item" or "item." .. rest] = want
			end
		end
		if value.first(inner) then
			return inner
		end
	end
	failure.raise(2, "No array filter found for identifier '%s'", name)
end

-- All paths that one with placeholders stands for.
local function expand(doc, path, filters)
	local before, name, after = path:match "^(.-)%.%$%[([^%]]*)%](.*)$"
	if not before then
		return { path }
	end
	local filter = name ~= "" and filter_of(name, filters)
	local paths = {}
	local list = value.get(doc, before)
	for i, item in ipairs(type(list) == "table" and list or {}) do
		if not filter or query.match({ item = item }, filter, {}) then
			for _, deeper in ipairs(expand(doc, before .. "." .. i - 1 .. after, filters)) do
				paths[#paths + 1] = deeper
			end
		end
	end
	return paths
end

local function apply_operators(doc, changes, context)
	for name, fields in pairs(changes) do
		local operator = operators[name]
		if not operator then
			failure.raise(9, "Unknown modifier: %s. Expected a valid update modifier or pipeline-style update", name)
		end
		for path, v in pairs(fields) do
			for _, each in ipairs(expand(doc, path, context.arrayFilters)) do
				operator(doc, each, value.copy(v), context)
			end
		end
	end
end

-- ---- pipelines ----

local stages = {}

---$set and $addFields.
stages["$set"] = function(doc, fields, vars)
	local result = value.copy(doc)
	for path, e in pairs(fields) do
		value.set(result, path, expression.evaluate(e, doc, vars))
	end
	return result
end

stages["$addFields"] = stages["$set"]

stages["$unset"] = function(doc, paths)
	local result = value.copy(doc)
	for _, path in ipairs(type(paths) == "table" and paths or { paths }) do
		value.unset(result, path)
	end
	return result
end

stages["$project"] = function(doc, fields, vars)
	return query.project(doc, fields, vars)
end

stages["$replaceWith"] = function(doc, e, vars)
	return expression.evaluate(e, doc, vars)
end

stages["$replaceRoot"] = function(doc, argument, vars)
	return expression.evaluate(argument.newRoot, doc, vars)
end

---Stages that make one document of one.
update.stages = stages

-- ---- the whole ----

---The document after the update; the old one stays as it is.
---@param doc table
---@param changes table operators, a replacement, or a list of stages
---@param context { arrayFilters: table|nil, let: table|nil, inserting: boolean|nil }
function update.apply(doc, changes, context)
	local id = doc._id
	local result
	if bson.is_array(changes) then
		result = doc
		for _, stage in ipairs(changes) do
			local name, argument = value.first(stage)
			if not stages[name] then
				failure.raise(72, "%s is not allowed to be used within an update", name)
			end
			result = stages[name](result, argument, context.let)
		end
	elseif value.is_operator(value.first(changes)) then
		result = value.copy(doc)
		apply_operators(result, changes, context)
	else
		result = value.copy(changes)
	end
	if id ~= nil and result._id == nil then
		local with_id = bson.document("_id", id)
		for k, v in pairs(result) do
			with_id[k] = v
		end
		result = with_id
	end
	if id ~= nil and not value.equal(id, result._id) then
		failure.raise(66, { errmsg = "Performing an update on the path '_id' would modify the immutable field '_id'",
			codeName = "ImmutableField" })
	end
	return result
end

---The document that an upsert begins with: what the filter says by equality.
function update.seed(filter)
	local doc = bson.document()
	for path, want in pairs(filter) do
		if type(want) == "table" and not bson.is_array(want) and value.is_operator(value.first(want)) then
			want = want["$eq"]
		end
		if want ~= nil and path:sub(1, 1) ~= "$" then
			value.set(doc, path, want)
		end
	end
	return doc
end

return update
