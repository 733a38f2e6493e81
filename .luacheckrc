-- luacheck's settings: Lua 5.4, nothing global beyond what Lua has.
std = "lua54"
max_line_length = 120
self = false
exclude_files = { "build/**" }
read_globals = { "SERVICE_NAME", "SERVICE_PATH" }
-- Fixtures: what C tests freeze, and the functions that they give them.
files["tests/unit/share"] = {
	read_globals = {
		"light", "old", "publish", "publish_table", "query", "registry_get", "registry_ref", "update", "user_value", "userdata",
	},
	ignore = { "212", "241", "311", "331", "421", "431", "581", "582" },
}
-- Work for its own sake.
files["bench/overlay.lua"] = { ignore = { "241", "311", "331" } }
files["tests/services/limited.lua"] = { ignore = { "241", "331" } }
files["lualib/loader.lua"].globals = { "SERVICE_NAME", "SERVICE_PATH" }
files["lualib/reef/moving/differences.lua"].ignore = { "631" } -- a sentence in a line
files["lualib/meta"].ignore = { "212", "241", "431", "631" } -- declarations for editors
files["tests/services/snax"].globals = { "accept", "response", "init", "exit", "hotfix" }
files["examples/world/snax"].globals = { "accept", "response", "init", "exit" }
