return {
	key = "kind",
	rows = { kind = "string", color = "string", weight = { "integer", min = 0 } },
}
