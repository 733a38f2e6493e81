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

return documents
