-- Aggregation pipelines, as many stages as the public test suites use.
local bson = require "bson"
local expression = require "test.peer.expression"
local failure = require "test.peer.failure"
local query = require "test.peer.query"
local update = require "test.peer.update"
local value = require "test.peer.value"

local pipeline = {}

---@class test.peer.pipeline_context
---@field store table
---@field db string
---@field name string|nil of the collection
---@field let table|nil
---@field collation table|nil
---@field time integer|nil

local stages = {}

stages["$match"] = function(docs, filter, context)
	return context.store.matching(docs, filter, { let = context.let, collation = context.collation })
end

stages["$sort"] = function(docs, order, context)
	return query.sort(docs, order, context.collation)
end

stages["$skip"] = function(docs, n)
	return table.move(docs, value.plain(n) + 1, #docs, 1, {})
end

stages["$limit"] = function(docs, n)
	return table.move(docs, 1, math.min(#docs, value.plain(n)), 1, {})
end

stages["$count"] = function(docs, name)
	return #docs > 0 and { bson.document(name, #docs) } or {}
end

stages["$group"] = function(docs, argument, context)
	local groups, order = {}, {}
	for _, doc in ipairs(docs) do
		local id = expression.evaluate(argument._id, doc, context.let)
		local key = bson.to_json(bson.encode { id = id == nil and bson.null or id }, "canonical")
		local group = groups[key]
		if not group then
			group = bson.document("_id", id)
			groups[key] = group
			order[#order + 1] = group
		end
		for name, accumulator in pairs(argument) do
			if name ~= "_id" then
				local operator, e = value.first(accumulator)
				if operator ~= "$sum" then
					failure.raise(15952, "unknown group operator '%s'", operator)
				end
				local v = value.plain(expression.evaluate(e, doc, context.let))
				group[name] = (group[name] or 0) + (type(v) == "number" and v or 0)
			end
		end
	end
	return order
end

stages["$unwind"] = function(docs, path)
	local out = {}
	for _, doc in ipairs(docs) do
		path = (type(path) == "table" and path.path or path):gsub("^%$", "")
		for _, item in ipairs(value.get(doc, path) or {}) do
			local copy = value.copy(doc)
			value.set(copy, path, item)
			out[#out + 1] = copy
		end
	end
	return out
end

stages["$documents"] = function(_, docs)
	return table.move(docs, 1, #docs, 1, {})
end

stages["$listLocalSessions"] = function()
	return { bson.document("_id", bson.document("id", bson.uuid())) }
end

stages["$currentOp"] = function()
	return { bson.document("type", "op", "ns", "admin.$cmd.aggregate") }
end

stages["$collStats"] = function(docs, argument, context)
	local collection = context.store:find(context.db, context.name)
	local options = collection and collection.options or {}
	return { value.document("count", #docs, "storageStats", argument.storageStats and value.document("count", #docs,
		"capped", options.capped or false, "maxSize", options.size, "max", options.max)) }
end

stages["$indexStats"] = function()
	return { bson.document("name", "_id_", "accesses", bson.document("ops", bson.int64(0))) }
end

stages["$listSearchIndexes"] = function()
	failure.raise(31082, "Search index stages are only supported with Atlas.")
end

for name, one in pairs(update.stages) do
	stages[name] = function(docs, argument, context)
		local out = {}
		for i, doc in ipairs(docs) do
			out[i] = one(doc, argument, context.let)
		end
		return out
	end
end

-- ---- stages that write ----

local function target(argument, context)
	if type(argument) == "table" then
		return argument.db or context.db, argument.coll
	end
	return context.db, argument
end

stages["$out"] = function(docs, argument, context)
	local db, name = target(argument, context)
	context.store:drop(db, name)
	context.store:create(db, name)
	for _, doc in ipairs(docs) do
		context.store:insert(db, name, doc, {})
	end
	return {}
end

stages["$merge"] = function(docs, argument, context)
	local into = type(argument) == "table" and argument.into or argument
	local when_matched = type(argument) == "table" and argument.whenMatched
	local db, name = target(into, context)
	for _, doc in ipairs(docs) do
		if when_matched == "fail" then
			context.store:insert(db, name, doc, {})
		end
		local matched = context.store:update(db, name, bson.document("_id", doc._id), bson.document("$set", doc), {})
		if matched == 0 and (type(argument) ~= "table" or argument.whenNotMatched ~= "discard") then
			context.store:insert(db, name, doc, {})
		end
	end
	return {}
end

---Does the pipeline write?
---@return boolean
function pipeline.writes(list)
	local name = list[1] and value.first(list[#list])
	return name == "$out" or name == "$merge"
end

---Raises for a stage that is none.
function pipeline.check(list)
	for _, stage in ipairs(list) do
		local name = value.first(stage)
		if not stages[name] then
			failure.raise(40324, "Unrecognized pipeline stage name: '%s'", name)
		end
	end
end

---@param docs table[]
---@param list table
---@param context test.peer.pipeline_context
---@return table[]
function pipeline.run(docs, list, context)
	for _, stage in ipairs(list) do
		local name, argument = value.first(stage)
		if not stages[name] then
			failure.raise(40324, "Unrecognized pipeline stage name: '%s'", name)
		end
		docs = stages[name](docs, argument, context)
	end
	return docs
end

return pipeline
