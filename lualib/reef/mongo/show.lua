-- Documents and commands as text, for those who read log messages and traces.
local bson = require "bson"

local show = {}

---A value as JSON, of at most that many bytes and what stands for the rest.
---@param value any
---@param most integer
---@return string
function show.value(value, most)
	local text
	local ok, found = pcall(function()
		return bson.to_json(bson.encode(value), "relaxed")
	end)
	text = ok and found or tostring(value)
	if #text > most then
		local cut = utf8.offset(text:sub(1, most + 4), 0, most + 1) or most + 1
		text = text:sub(1, cut - 1) .. "..."
	end
	return text
end

---The command of an event CommandStarted as one document.
---@param event table
---@param without table<string, boolean>|nil keys that are left out
---@return table
function show.command(event, without)
	local document = bson.document()
	for i = 1, #event.command, 2 do
		if not (without and without[event.command[i]]) then
			document[event.command[i]] = event.command[i + 1]
		end
	end
	if event.identifier and event.documents then
		document[event.identifier] = bson.array(table.move(event.documents, 1, #event.documents, 1, {}))
	end
	return document
end

return show
