-- quests.json: a list, whose elements are named by their id.
return {
	key = "id",
	rows = {
		id = "integer",
		title = { "string", required = true },
		item = { "integer", required = true, ref = "items" },
		reward = { "integer", required = true },
		level = { "integer", default = 1, min = 1 },
	},
	-- Whoever brings the item gets what it is worth. This is what holds two files together: changing one alone is an
	-- error, and the data stay as they were until the other one is changed, too.
	check = function(quest, sheets)
		local price = sheets.items[quest.item].price
		if quest.reward ~= price then
			return ("the reward is %d, the price of item %d is %d"):format(quest.reward, quest.item, price)
		end
	end,
}
