-- Values as text that people read, and when two of them are the same. For tests, and for prompts.
local values = {}

local LONGEST = 200 -- bytes of a string that are shown
local DEEPEST = 4 -- tables in tables
local MOST = 50 -- keys of a table

local function sort_key(k)
	return type(k) .. (type(k) == "number" and ("%030.10f"):format(k) or tostring(k))
end

local function show(v, depth)
	if type(v) == "string" then
		if #v > LONGEST then
			return ("%q... (%d bytes)"):format(v:sub(1, LONGEST), #v)
		end
		return ("%q"):format(v):gsub("\\\n", "\\n")
	elseif type(v) ~= "table" or (getmetatable(v) or {}).__tostring then
		return tostring(v)
	elseif depth > DEEPEST then
		return "{...}"
	end
	local keys, out = {}, {}
	for k in pairs(v) do
		keys[#keys + 1] = k
	end
	table.sort(keys, function(a, b)
		return sort_key(a) < sort_key(b)
	end)
	for i, k in ipairs(keys) do
		if i > MOST then
			out[i] = ("... %d more"):format(#keys - MOST)
			break
		end
		out[i] = (k == i and "" or "[" .. show(k, depth + 1) .. "]=") .. show(v[k], depth + 1)
	end
	return "{" .. table.concat(out, ", ") .. "}"
end

---Text of any value, for messages.
---@param v any
---@return string
function values.show(v)
	return (show(v, 0))
end

---Text of several values, one beside the other; "" for none.
---@return string
function values.list(...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = values.show(words[i])
	end
	return table.concat(words, "\t")
end

---Are they the same? Tables by content; 1 and 1.0 are different, nan equals itself.
---@return boolean
function values.same(a, b)
	if a == b or (a ~= a and b ~= b) then
		return math.type(a) == math.type(b)
	elseif type(a) ~= "table" or type(b) ~= "table" then
		return false
	end
	for k, v in pairs(a) do
		if not values.same(v, b[k]) then
			return false
		end
	end
	for k in pairs(b) do
		if a[k] == nil then
			return false
		end
	end
	return true
end

return values
