---@meta skynet.codecache
-- The code of Lua files, which all services of the process share: a file is compiled once for all that load it by the
-- same name, and what was edited since is not seen before `clear`. It is `skynet.cache`, too.

local codecache = {}

---The mode of this service, which is "ON" at first.
---@param mode? "ON"|"OFF"|"EXIST" from now on. ON: take what is there, add what is not. EXIST: never add. OFF: always read the file
---@return "ON"|"OFF"|"EXIST"|nil mode the one that it has, when none is given
function codecache.mode(mode) end

---Forgets all files: who loads one from now on reads it. Code that runs is not touched; what nobody uses is freed.
function codecache.clear() end

---Forgets one file.
---@param filename string as it was loaded
---@return boolean was_there
function codecache.evict(filename) end

---As Lua's own `loadfile`, by way of the cache.
---@param filename? string standard input without it
---@param mode? "b"|"t"|"bt"
---@param env? table
---@return function? f
---@return string? message why there is none
function codecache.loadfile(filename, mode, env) end

---What it holds.
---@return { files: { name: string, bytes: integer, vms: integer, current: boolean }[], bytes: integer, strings: integer, string_bytes: integer }
function codecache.stat() end

return codecache
