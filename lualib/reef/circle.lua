-- Services of which there is one wait for each other to start: who waits for whom. Entries are those of `.service` and
-- of `service_provider`: what waits for one has `held`, the name of the service whose start cannot end before.

local circle = {}

---@param entries table<string, {waiting: {held?: string}[]}>
---@return string[]? names along which `from` waits for `to`, in a list that ends with `to`; nil: it does not
local function way(entries, from, to, seen)
	if from == to then
		return { to }
	end
	seen[from] = true
	for name, entry in pairs(entries) do
		for _, waiter in ipairs(entry.waiting) do
			if waiter.held == from and not seen[name] then
				local rest = way(entries, name, to, seen)
				if rest then
					table.insert(rest, 1, from)
					return rest
				end
			end
		end
	end
end

---Why `held` cannot wait for the service `name`; nil: it can.
---@return string? reason
function circle.find(entries, held, name)
	local names = way(entries, name, held, {})
	if names then
		table.insert(names, 1, held)
		return "unique services wait for each other to start: " .. table.concat(names, " -> ")
	end
end

return circle
