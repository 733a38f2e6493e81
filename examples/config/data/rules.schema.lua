return {
	record = {
		experience = { list = { "integer", min = 0 }, min = 60, max = 60 },
		damage = { map = "number", keys = { "string", enum = { "weapon", "armour", "food" } } },
	},
}
