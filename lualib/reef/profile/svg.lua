-- A profile as a flame graph in SVG: each function is a box as wide as its share, above the one that has called it.
-- Plain shapes with titles, which any viewer shows; nothing runs, and nothing is loaded.
local frame_of = require("reef.profile.result").frame
local sorted = require "reef.base.sorted"

local WIDTH <const>, ROW <const>, TOP <const>, SIDE <const> = 1200, 17, 44, 10
local LETTER <const> = 6.7 -- width of a character
local NARROWEST <const> = 0.3 -- what would be narrower is left out

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

-- XML knows neither other control characters nor bytes that are no UTF-8.
local function escape(text)
	if not utf8.len(text) then
		text = text:gsub("[\128-\255]", "?")
	end
	return (text:gsub('[&<>"]', escapes):gsub("[\0-\8\11\12\14-\31]", "?"))
end

---@class reef.profile.node
---@field value integer  with what it has called
---@field children table<string, reef.profile.node>

---@return reef.profile.node
local function tree_of(stacks)
	local root = { value = 0, children = {} }
	for stack, value in pairs(stacks) do
		local node = root
		node.value = node.value + value
		for text in stack:gmatch "[^;]+" do
			local child = node.children[text]
			if not child then
				child = { value = 0, children = {} }
				node.children[text] = child
			end
			child.value = child.value + value
			node = child
		end
	end
	return root
end

-- The same function has the same colour in every picture: of Lua warm, of C green, native ones grey.
local function colour(text)
	local hash = 0
	for i = 1, #text do
		hash = (hash * 31 + text:byte(i)) % 65536
	end
	local a, b = hash % 40, hash // 40 % 40
	if text:find("[C]", 1, true) then
		return ("rgb(%d,%d,%d)"):format(120 + a, 190 + b, 120 + a)
	elseif not frame_of(text).file then
		return ("rgb(%d,%d,%d)"):format(170 + a, 170 + a, 180 + a)
	end
	return ("rgb(%d,%d,%d)"):format(215 + a, 130 + a + b, 60 + b)
end

local function amount(profile, value)
	if profile.kind == "bytes" then
		return value < 1048576 and ("%.1f KB"):format(value / 1024) or ("%.1f MB"):format(value / 1048576)
	end
	return value < 1e9 and ("%.0f ms"):format(value / 1e6) or ("%.2f s"):format(value / 1e9)
end

local function fitting(name, width)
	local room, length = math.floor((width - 6) / LETTER), utf8.len(name)
	if not length or room < 3 then
		return ""
	end
	return length <= room and name or name:sub(1, utf8.offset(name, room - 1) - 1) .. ".."
end

---@param profile reef.profile.result
---@param title string|nil
---@return string
return function(profile, title)
	local root, boxes, deepest = tree_of(profile.stacks), {}, 0
	local scale = (WIDTH - 2 * SIDE) / math.max(1, root.value)

	local function place(parent, x, depth)
		for _, text in ipairs(sorted.keys(parent.children)) do
			local node = parent.children[text]
			local width = node.value * scale
			if width >= NARROWEST then
				boxes[#boxes + 1] = { text = text, value = node.value, x = x, width = width, depth = depth }
				deepest = math.max(deepest, depth)
				place(node, x, depth + 1)
			end
			x = x + width
		end
	end
	place(root, SIDE, 1)

	local height = TOP + deepest * ROW + SIDE
	local out = {
		('<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" '
			.. 'height="%d" font-family="monospace" font-size="11">\n<rect width="100%%" height="100%%" fill="#fdfdfb"/>\n')
			:format(WIDTH, height, WIDTH, height),
		('<text x="%d" y="18" font-size="15">%s</text>\n<text x="%d" y="34" fill="#666">%s in %.1f s, %d samples</text>\n')
			:format(SIDE, escape(title or "reef"), SIDE, amount(profile, root.value)
				.. (profile.kind == "bytes" and " allocated" or " of CPU time"), profile.seconds, profile.samples),
	}
	for _, box in ipairs(boxes) do
		local y = height - SIDE - box.depth * ROW
		out[#out + 1] = ('<g><title>%s (%s, %.1f%%)</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" rx="1"/>')
			:format(escape(box.text), amount(profile, box.value), 100 * box.value / root.value, box.x, y,
				math.max(box.width - 0.5, 0.2), ROW - 1, colour(box.text))
		local label = fitting(frame_of(box.text).name, box.width)
		if label ~= "" then
			out[#out + 1] = ('<text x="%.1f" y="%d">%s</text>'):format(box.x + 3, y + 12, escape(label))
		end
		out[#out + 1] = "</g>\n"
	end
	out[#out + 1] = "</svg>\n"
	return table.concat(out)
end
