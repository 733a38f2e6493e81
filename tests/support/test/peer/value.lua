-- BSON values as the peer's store handles them: comparing, copying, and reaching into documents by dotted paths.
-- Documents are those of bson.decode_exact, and are never changed once they are stored: who changes one copies it.
local bson = require "bson"

local value = {}

local ranks = {
	minKey = 0, null = 2, undefined = 2, int = 3, long = 3, double = 3, decimal = 3, symbol = 4, string = 4, object = 5,
	array = 6, binData = 7, objectId = 8, bool = 9, date = 10, timestamp = 11, regex = 12, maxKey = 20,
}

---@return string kind as $type names it
---@return any what of the value Lua can compare
function value.kind(v)
	if v == nil then
		return "missing", nil
	elseif type(v) == "table" then
		return bson.is_array(v) and "array" or "object", v
	end
	local kind, plain, more = bson.kind(v)
	if kind == "decimal" then
		plain = tonumber(plain)
	elseif kind == "date" or kind == "timestamp" then
		plain = plain * 4294967296 + (more or 0)
	end
	return kind, plain
end

---Numbers as Lua's, whatever their BSON type.
function value.plain(v)
	local kind, plain = value.kind(v)
	return ranks[kind] == 3 and plain or v
end

local function fold(text, collation)
	return collation and (collation.strength or 3) <= 2 and text:lower() or text
end

local compare

local function compare_lists(a, b, collation)
	for i = 1, math.max(#a, #b) do
		local c = compare(a[i], b[i], collation)
		if c ~= 0 then
			return c
		end
	end
	return 0
end

local function pairs_of(doc)
	local list = {}
	for k, v in pairs(doc) do
		list[#list + 1] = k
		list[#list + 1] = v
	end
	return list
end

---@return integer -1, 0, 1: by type first, as servers order values
function compare(a, b, collation)
	local kind_a, x = value.kind(a)
	local kind_b, y = value.kind(b)
	local rank_a, rank_b = ranks[kind_a] or 1, ranks[kind_b] or 1
	if rank_a ~= rank_b then
		return rank_a < rank_b and -1 or 1
	elseif kind_a == "object" then
		return compare_lists(pairs_of(a), pairs_of(b), collation)
	elseif kind_a == "array" then
		return compare_lists(a, b, collation)
	elseif rank_a == 4 then
		x, y = fold(x, collation), fold(y, collation)
	elseif kind_a == "bool" then
		x, y = x and 1 or 0, y and 1 or 0
	elseif rank_a <= 2 or rank_a == 20 then
		return 0
	elseif rank_a ~= 3 and rank_a < 10 or kind_a == "regex" then
		x, y = a, b
	end
	return x == y and 0 or x < y and -1 or 1
end

value.compare = compare

---@return boolean
function value.equal(a, b, collation)
	return compare(a, b, collation) == 0
end

---A document of keys and values in turn, without those that are nil.
function value.document(...)
	local doc = bson.document()
	for i = 1, select("#", ...), 2 do
		local key, v = select(i, ...)
		doc[key] = v
	end
	return doc
end

---A copy all of whose tables are new.
function value.copy(v)
	if type(v) ~= "table" then
		return v
	elseif bson.is_array(v) then
		local list = bson.array {}
		for i, item in ipairs(v) do
			list[i] = value.copy(item)
		end
		return list
	end
	local doc = bson.document()
	for k, item in pairs(v) do
		doc[k] = value.copy(item)
	end
	return doc
end

---@return string[]
function value.steps(path)
	local steps = {}
	for step in path:gmatch "[^.]+" do
		steps[#steps + 1] = step
	end
	return steps
end

local function step_into(v, step)
	if type(v) ~= "table" then
		return nil
	elseif bson.is_array(v) then
		local i = math.tointeger(tonumber(step))
		return i and v[i + 1]
	end
	return v[step]
end

---What is at that path; of arrays, what is in their documents at the rest of the path, as a list of candidates.
---@return any[] candidates empty when nothing is there
function value.at(doc, path)
	local found = { doc }
	for _, step in ipairs(value.steps(path)) do
		local deeper = {}
		for _, v in ipairs(found) do
			local inner = step_into(v, step)
			if inner ~= nil then
				deeper[#deeper + 1] = inner
			elseif type(v) == "table" and bson.is_array(v) then
				for _, item in ipairs(v) do
					inner = step_into(item, step)
					deeper[#deeper + 1] = inner
				end
			end
		end
		found = deeper
	end
	return found
end

---What is at that path, without looking into the items of arrays.
function value.get(doc, path)
	for _, step in ipairs(value.steps(path)) do
		doc = step_into(doc, step)
	end
	return doc
end

-- The table that has the last step of the path, made on the way; and that step as its key.
local function holder(doc, path, make)
	local steps = value.steps(path)
	for i = 1, #steps - 1 do
		local inner = step_into(doc, steps[i])
		if type(inner) ~= "table" then
			if not make then
				return nil
			end
			inner = bson.document()
			doc[steps[i]] = inner
		end
		doc = inner
	end
	local last = steps[#steps]
	return doc, bson.is_array(doc) and tonumber(last) and math.tointeger(tonumber(last)) + 1 or last
end

---Puts v at that path of doc, making the documents on the way.
function value.set(doc, path, v)
	local table_of, key = holder(doc, path, true)
	table_of[key] = v
end

function value.unset(doc, path)
	local table_of, key = holder(doc, path, false)
	if table_of then
		table_of[key] = nil
	end
end

---The first key of a document, in its order, and what it has.
---@return string|nil key
---@return any
function value.first(doc)
	local iterate, state, start = pairs(doc)
	return iterate(state, start)
end

---@return boolean
function value.is_operator(key)
	return type(key) == "string" and key:sub(1, 1) == "$"
end

return value
