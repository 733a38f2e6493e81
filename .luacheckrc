-- luacheck's settings: Lua 5.4, nothing global beyond what Lua has.
std = "lua54"
max_line_length = 120
self = false
exclude_files = { "build/**" }
