-- Rules may be computed.
local experience = {}
for level = 1, 60 do
	experience[level] = math.floor(100 * level ^ 1.5)
end

return {
	experience = experience,
	damage = { weapon = 1.5, armour = 0.2, food = 0 },
}
