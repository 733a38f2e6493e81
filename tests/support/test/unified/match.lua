-- Does what came match what a file of the unified test format expects? Raises where it does not, with the path.
local bson = require "bson"
local skip = require "test.unified.skip"
local test = require "test"

local match = {}

---Values of the data files are exact: an int64 may be a tagged string.
function match.plain(v)
	if type(v) == "string" then
		local kind, value = bson.kind(v)
		return kind == "long" and value or v
	end
	return v
end

---A read preference as the driver has it: older files begin the mode with a capital.
function match.read_preference(given)
	if type(given) ~= "table" then
		return given
	end
	local out = {}
	for k, v in pairs(given) do
		out[k] = match.plain(v)
	end
	out.mode = out.mode and out.mode:sub(1, 1):lower() .. out.mode:sub(2)
	out.tags, out.tag_sets = out.tags or out.tag_sets or out.tagSets, nil
	return out
end

---A write concern as the driver has it: files name its fields as connection strings do.
function match.write_concern(given)
	if type(given) ~= "table" then
		return given
	end
	local out = {}
	for k, v in pairs(given) do
		out[({ journal = "j", wtimeoutMS = "wtimeout" })[k] or k] = match.plain(v)
	end
	return out
end

local plain = match.plain

local function is_list(t)
	return bson.is_array(t) or (rawlen(t) > 0 and not getmetatable(t))
end

---The fields of a document, apart from what else its table holds.
function match.fields(t)
	local out = {}
	for k, v in pairs(t) do
		if v ~= nil then
			out[k] = v
		end
	end
	return out
end

local fields = match.fields

local value

local kinds = {
	int = { int = true }, long = { long = true, int = true }, double = { double = true }, string = { string = true },
	object = { object = true }, array = { array = true, object = true }, bool = { bool = true }, date = { date = true },
	objectId = { objectId = true }, binData = { binData = true }, timestamp = { timestamp = true },
	number = { int = true, long = true, double = true }, null = { null = true },
}

local operators = {}

operators["$$exists"] = function(_, got, want, path)
	if (got ~= nil) ~= want then
		error(("%s: %s"):format(path, want and "is missing" or "must not be there"), 0)
	end
end

operators["$$type"] = function(_, got, want, path)
	local kind = got ~= nil and (type(got) == "table" and (is_list(got) and "array" or "object") or bson.kind(got))
	for _, name in ipairs(type(want) == "table" and want or { want }) do
		if kind and (kinds[name] or { [name] = true })[kind] then
			return
		end
	end
	error(("%s: has type %s"):format(path, tostring(kind)), 0)
end

operators["$$unsetOrMatches"] = function(entities, got, want, path, root)
	if got ~= nil then
		value(entities, got, want, path, root)
	end
end

operators["$$matchesEntity"] = function(entities, got, want, path)
	value(entities, got, entities[want], path)
end

operators["$$sessionLsid"] = function(entities, got, want, path)
	value(entities, got, entities[want].lsid, path)
end

operators["$$lte"] = function(_, got, want, path)
	if plain(got) > plain(want) then
		error(path .. ": is too large", 0)
	end
end

operators["$$matchesHexBytes"] = function(_, got, want, path)
	local hex = tostring(got):gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end)
	test.equal(hex, want:lower(), path)
end

operators["$$matchAsRoot"] = function(entities, got, want, path)
	value(entities, got, want, path, true)
end

operators["$$matchAsDocument"] = function(entities, got, want, path, root)
	value(entities, type(got) == "string" and bson.decode_exact(bson.from_json(got)) or got, want, path, root)
end

local function list(entities, got, want, path, root)
	if type(got) ~= "table" or #got ~= #want then
		error(("%s: got %s, want %d items"):format(path, test.show(got), #want), 0)
	end
	for i, item in ipairs(want) do
		value(entities, got[i], item, path .. "." .. i, root)
	end
end

local function document(entities, got, wanted, path, root)
	if type(got) == "userdata" then
		got = got:decode()
	elseif type(got) ~= "table" then
		error(("%s: got %s, want a document"):format(path, test.show(got)), 0)
	end
	for k, v in pairs(wanted) do
		value(entities, got[k], v, path .. "." .. k, k == "data" and root)
	end
	for k in pairs(root and {} or fields(got)) do
		if wanted[k] == nil then
			error(("%s.%s: must not be there"):format(path, k), 0)
		end
	end
end

function value(entities, got, want, path, root)
	if type(want) ~= "table" then
		got, want = plain(got), plain(want)
		if got ~= want and not (got == nil and want == bson.null) then
			error(("%s: got %s, want %s"):format(path, test.show(got), test.show(want)), 0)
		end
		return
	elseif is_list(want) then
		return list(entities, got, want, path, root)
	end
	local wanted = fields(want)
	local name, argument = next(wanted)
	if operators[name] and next(wanted, name) == nil then
		return operators[name](entities, got, argument, path, root)
	elseif type(name) == "string" and name:find "^%$%$" then
		skip("the operator " .. name)
	end
	document(entities, got, wanted, path, root)
end

---@param entities table<string, any>
---@param got any
---@param want any
---@param path string what it is, for the message
---@param root boolean|nil documents may have more fields than wanted
match.value = value

return match
