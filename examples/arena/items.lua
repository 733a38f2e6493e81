-- What is played with: configuration that changes while it is used. `version` is in all rows, so that whoever reads a
-- row beside the version of the whole can see that both are of the same edition.
local items = { KINDS = 20 }

---@param version integer
function items.make(version)
	local all = { version = version }
	for i = 1, items.KINDS do
		all[i] = { name = "weapon " .. i, stake = 10 + i + version % 5, version = version }
	end
	return all
end

return items
