-- The game designer's part of the example: writes the two large files and edits them, as an editor does.

local designer = {}
designer.__index = designer

local KINDS = { "weapon", "armour", "food" }

---@param dir string
---@param items integer how many
---@param quests integer
function designer.new(dir, items, quests)
	local self = setmetatable({ dir = dir, items = {}, quests = {} }, designer)
	for id = 1, items do
		self.items[id] = { price = id * 3 }
	end
	for id = 1, quests do
		self.quests[id] = { item = id * (items // quests) }
	end
	return self
end

-- Under another name first, then renamed: nobody reads half a file.
local function replace(path, text)
	local file = assert(io.open(path .. ".new", "w"))
	assert(file:write(text))
	assert(file:close())
	assert(os.rename(path .. ".new", path))
end

function designer:save_items()
	local lines = { "id,name,kind,price,weight,tags" }
	for id, item in ipairs(self.items) do
		lines[#lines + 1] = ("%d,item %d,%s,%s,%g,%s"):format(id, id, KINDS[id % 3 + 1], item.price, id % 100 / 4,
			id % 2 == 0 and "old" or "sharp;new")
	end
	replace(self.dir .. "/items.csv", table.concat(lines, "\n") .. "\n")
end

function designer:save_quests()
	local lines = {}
	for id, quest in ipairs(self.quests) do
		lines[#lines + 1] = ('  { "id": %d, "title": "quest %d", "item": %d, "reward": %d }'):format(id, id, quest.item,
			self.items[quest.item].price)
	end
	replace(self.dir .. "/quests.json", "[\n" .. table.concat(lines, ",\n") .. "\n]\n")
end

---Doubles the price of a quest's item, which is the reward of that quest, too.
---@return integer item
---@return integer price
function designer:double(quest)
	local item = self.quests[quest].item
	self.items[item].price = self.items[item].price * 2
	self:save_items()
	self:save_quests()
	return item, self.items[item].price
end

---Mistypes the price of an item.
---@return integer price that it should be
---@return function undo
function designer:mistype(item)
	local price = self.items[item].price
	self.items[item].price = price .. "x"
	self:save_items()
	return price, function()
		self.items[item].price = price
		self:save_items()
	end
end

return designer
