-- Lists as they are asked for: filtered, sorted, a part of them. Of many items a few are usually wanted, so those are
-- selected instead of sorting all.
local fault = require "reef.look.fault"
local json = require "reef.json"
local sorted = require "reef.base.sorted"

local lists = {}

---Parameters that every list takes.
lists.parameters = { sort = true, order = true, filter = true, limit = true, offset = true }

local USUAL, MOST <const> = 100, 20000 -- items in an answer

---@param given string|nil
---@return integer
function lists.integer(name, given, default, most)
	if given == nil then
		return default
	end
	local n = math.tointeger(tonumber(given))
	if not n or n < 0 or n > most then
		fault.raise(400, "%s=%s: an integer from 0 to %d is needed", name, given, most)
	end
	return n
end

-- Does `a` come before `b`? Items of equal keys are in the order that they had.
local function comes_first(keys, ascending)
	return function(a, b)
		local ka, kb = keys[a], keys[b]
		if ka == kb then
			return a < b
		elseif ascending then
			return ka < kb
		end
		return ka > kb
	end
end

-- The first k of the indices 1 .. n, in order. A heap whose root is the last of those that have been chosen.
local function select_first(n, k, before)
	local heap, size = {}, 0
	local function sink(at)
		while true do
			local child = 2 * at
			if child > size then
				return
			elseif child < size and before(heap[child], heap[child + 1]) then
				child = child + 1
			end
			if not before(heap[at], heap[child]) then
				return
			end
			heap[at], heap[child] = heap[child], heap[at]
			at = child
		end
	end
	for i = 1, n do
		if size < k then
			size = size + 1
			heap[size] = i
			if size == k then
				for at = size // 2, 1, -1 do
					sink(at)
				end
			end
		elseif k > 0 and before(i, heap[1]) then
			heap[1] = i
			sink(1)
		end
	end
	table.sort(heap, before)
	return heap
end

---@class reef.look.lists.kind
---@field fields table<string, "number"|"text">  what can be sorted by
---@field sort string  the usual one
---@field value fun(item: any, field: string): any
---@field text fun(item: any): string  what the filter looks at
---@field make fun(item: any): table

---@param items any[]
---@param kind reef.look.lists.kind
---@param parameters table<string, string>
---@return table[] part
---@return integer matching
function lists.pick(items, kind, parameters)
	local field = parameters.sort or kind.sort
	local type_of = kind.fields[field]
	if not type_of then
		fault.raise(400, "sort=%s: there is no such field; %s are", field, table.concat(sorted.keys(kind.fields), ", "))
	end
	local order = parameters.order or type_of == "text" and "asc" or "desc"
	if order ~= "asc" and order ~= "desc" then
		fault.raise(400, "order=%s: asc or desc is needed", order)
	end
	local limit = lists.integer("limit", parameters.limit, USUAL, MOST)
	local offset = lists.integer("offset", parameters.offset, 0, 1 << 30)
	local filter = parameters.filter
	local taken = items
	if filter and filter ~= "" then
		filter, taken = filter:lower(), {}
		for _, item in ipairs(items) do
			if kind.text(item):lower():find(filter, 1, true) then
				taken[#taken + 1] = item
			end
		end
	end
	local keys, missing = {}, type_of == "text" and "" or -1
	for i, item in ipairs(taken) do
		keys[i] = kind.value(item, field) or missing
	end
	local first = select_first(#taken, math.min(offset + limit, #taken), comes_first(keys, order == "asc"))
	local part = json.list {}
	for at = offset + 1, #first do
		part[#part + 1] = kind.make(taken[first[at]])
	end
	return part, #taken
end

return lists
