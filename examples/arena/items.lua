-- What is played with: a file of configuration that is edited while they play. `version` is in all rows: who reads a
-- row beside the version of the whole can see that both are of the same edition.
local items = { KINDS = 20 }

---Writes the file as it shall be from now on.
---@param dir string
---@param version integer
function items.edit(dir, version)
	local lines = { ("return {\n\tversion = %d,"):format(version) }
	for i = 1, items.KINDS do
		lines[#lines + 1] = ('\t{ name = "weapon %d", stake = %d, version = %d },'):format(i, 10 + i + version % 5, version)
	end
	lines[#lines + 1] = "}\n"
	-- Beside the directory that is watched, and moved there when it is complete.
	local new = dir .. "/items.new"
	local file = assert(io.open(new, "w"))
	assert(file:write(table.concat(lines, "\n")))
	assert(file:close())
	assert(os.rename(new, dir .. "/data/items.lua"))
end

return items
