-- What grew in a heap between two moments, by type and by path.
local sorted = require "reef.base.sorted"

local growth = {}

---@class reef.profile.growth
---@field types {type: string, count: integer, bytes: integer}[]  how many more there are, the largest growth first
---@field paths {path: string, before: integer, after: integer, bytes: integer}[]  places that grew, the largest growth
---first; a place whose growth lies mostly in one or some of its parts is left out for these
local class = {}
class.__index = class

-- Functions without a name of their own have the same path: they are one.
local function by_path(heap)
	local bytes, parents = {}, {}
	for i, path in ipairs(heap.paths) do
		bytes[path] = (bytes[path] or 0) + heap.bytes[i]
		local parent = heap.paths[heap.parents[i]]
		if parent ~= path then
			parents[path] = parent
		end
	end
	return bytes, parents
end

---@param before reef.profile.heap
---@param after reef.profile.heap
---@return reef.profile.growth
function growth.between(before, after)
	local old, new, parents = by_path(before), by_path(after)
	local in_parts = {}
	for path, bytes in pairs(new) do
		local more, parent = bytes - (old[path] or 0), parents[path]
		if more > 0 and parent then
			in_parts[parent] = (in_parts[parent] or 0) + more
		end
	end
	local paths, types = {}, {}
	for path, bytes in pairs(new) do
		local more = bytes - (old[path] or 0)
		if more > 0 and (in_parts[path] or 0) < more / 2 then
			paths[#paths + 1] = { path = path, before = old[path] or 0, after = bytes, bytes = more }
		end
	end
	table.sort(paths, function(a, b)
		return a.bytes > b.bytes or a.bytes == b.bytes and a.path < b.path
	end)
	for _, name in ipairs(sorted.keys(after.types)) do
		local was, is = before.types[name], after.types[name]
		types[#types + 1] = { type = name, count = is.count - was.count, bytes = is.bytes - was.bytes }
	end
	table.sort(types, function(a, b)
		return a.bytes > b.bytes or a.bytes == b.bytes and a.type < b.type
	end)
	return setmetatable({ types = types, paths = paths }, class)
end

---The largest of both, as lines for people.
---@param most integer|nil  of paths; default 20
---@return string
function class:text(most)
	local out = {}
	for _, row in ipairs(self.types) do
		if row.bytes ~= 0 or row.count ~= 0 then
			out[#out + 1] = ("%+12d bytes %+9d  %s\n"):format(row.bytes, row.count, row.type)
		end
	end
	for i = 1, math.min(#self.paths, most or 20) do
		local row = self.paths[i]
		out[#out + 1] = ("%+12d bytes %9d in all  %s\n"):format(row.bytes, row.after, row.path)
	end
	return table.concat(out)
end

return growth
