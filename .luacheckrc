-- luacheck's settings: Lua 5.4, nothing global beyond what Lua has.
std = "lua54"
max_line_length = 120
self = false
exclude_files = { "build/**" }
read_globals = { "SERVICE_NAME", "SERVICE_PATH" }
files["lualib/loader.lua"].globals = { "SERVICE_NAME", "SERVICE_PATH" }
files["lualib/meta"].ignore = { "212", "631" } -- declarations for editors
