-- What is asked of documents before they are sent: ids of new ones, operators in updates and none in replacements.
local bson = require "bson"

local documents = {}

---The first key in the order in which the document is sent.
function documents.first_key(doc)
	local iterate, state, start = pairs(doc)
	return (iterate(state, start))
end

local first_key = documents.first_key

---The document itself, with an `_id` if it had none.
function documents.with_id(doc)
	if type(doc) == "table" and doc._id == nil then
		doc._id = bson.objectid()
	end
	return doc
end

function documents.check_replacement(doc)
	local first = type(doc) == "table" and first_key(doc)
	if type(first) == "string" and first:sub(1, 1) == "$" then
		error("mongo: a replacement must not have operators", 0)
	end
	return doc
end

---The update as it is sent: operators, or a pipeline.
function documents.check_update(update)
	local first = type(update) == "table" and first_key(update)
	if not first then
		error("mongo: an update must not be empty", 0)
	elseif type(first) == "string" and first:sub(1, 1) ~= "$" then
		error("mongo: an update needs operators", 0)
	end
	return first == 1 and bson.array(update) or update
end

-- ---- order ----

---A key and its value where their order is meaning: "a", { "a", 1 } or { a = 1 }. Raises what is none of these.
---@param what string for the error: what wants it
---@return string key
---@return any value
function documents.pair(what, element)
	if type(element) == "string" then
		return element, 1
	elseif type(element) == "table" then
		if #element == 2 and type(element[1]) == "string" then
			return element[1], element[2]
		end
		local iterate, state, start = pairs(element)
		local key, value = iterate(state, start)
		if type(key) == "string" and iterate(state, key) == nil then
			return key, value
		end
	end
	error(("mongo: %s: a key and its direction is wanted, as { \"a\", 1 } or { a = 1 }"):format(what), 0)
end

---The keys and values of a document or list of pairs, in its order. Raises when it has none: a plain table of several
---keys.
---@param what string for the error: what wants it
---@param document table
---@return { [1]: string, [2]: any }[]
function documents.in_order(what, document)
	local out = {}
	if document[1] ~= nil then
		for i, element in ipairs(document) do
			out[i] = { documents.pair(what, element) }
		end
		return out
	end
	for k, v in pairs(document) do
		out[#out + 1] = { k, v }
	end
	local meta = getmetatable(document)
	if out[2] and not (type(meta) == "table" and meta.__pairs) then
		error(("mongo: %s: a plain table of several keys has no order: use bson.document, or a list of pairs "
			.. "{ { \"a\", 1 }, { \"b\", -1 } }"):format(what), 0)
	end
	return out
end

---@param pairs_list { [1]: string, [2]: any }[]
---@return table document that keeps the order
function documents.of_pairs(pairs_list)
	local out = bson.document()
	for _, pair in ipairs(pairs_list) do
		out[pair[1]] = pair[2]
	end
	return out
end

return documents
