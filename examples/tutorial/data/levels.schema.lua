-- data/levels.schema.lua
return {
	rows = {
		level = "integer",
		most = { "integer", required = true, min = 2 },
		points = { "integer", required = true, min = 1 },
	},
}
