return {
	record = {
		title = "string",
		opens = { "string", pattern = "^%d%d:%d%d:%d%d$" },
		discount = { "number", min = 0, max = 0.5 },
		shelf = { list = { record = { name = "string", items = { list = { "integer", ref = "items" } } } } },
	},
}
