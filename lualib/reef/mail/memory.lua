-- Letters in the memory of the centre's service: gone with the process.

---@class reef.mail.memory: reef.mail.store
---@field readers table<string, table>  of each reader the letters in their order, and by id
local memory = {}
memory.__index = memory

function memory.new()
	return setmetatable({ readers = {} }, memory)
end

function memory:put(reader, id, at, bytes)
	local letters = self.readers[reader]
	if not letters then
		letters = { list = {}, known = {} }
		self.readers[reader] = letters
	end
	if not letters.known[id] then
		letters.known[id] = true
		table.insert(letters.list, { id, at, bytes })
	end
end

function memory:count(reader)
	local letters = self.readers[reader]
	return letters and #letters.list or 0
end

function memory:list(reader, limit)
	local letters = self.readers[reader]
	return letters and table.move(letters.list, 1, math.min(limit, #letters.list), 1, {}) or {}
end

function memory:remove(reader, ids)
	local letters, gone, count = self.readers[reader], {}, 0
	for _, id in ipairs(letters and ids or {}) do
		if letters.known[id] then
			letters.known[id], gone[id], count = nil, true, count + 1
		end
	end
	if count > 0 then
		local left = {}
		for _, letter in ipairs(letters.list) do
			if not gone[letter[1]] then
				left[#left + 1] = letter
			end
		end
		letters.list = left
		if not left[1] then
			self.readers[reader] = nil
		end
	end
	return count
end

return memory
