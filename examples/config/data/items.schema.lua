-- items.csv: a row for each item, named by its id.
return {
	rows = {
		id = "integer",
		name = { "string", required = true, unique = true },
		kind = { "string", enum = { "weapon", "armour", "food" } },
		price = { "integer", required = true, min = 1 },
		weight = { "number", min = 0 },
		tags = { list = "string" }, -- "sharp;old"
	},
}
