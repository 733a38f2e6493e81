-- What servers refuse whatever the documents are: fields that a version does not know yet, read concerns that do not
-- go with a command.
local failure = require "test.peer.failure"

local rules = {}

-- The first version that knows a field of a command, or of its statements.
local since = {
	find = { allowDiskUse = 4003001, let = 5000000 },
	aggregate = { let = 5000000 },
	update = { hint = 4002000, let = 5000000, sort = 8000000 },
	delete = { hint = 4003004, let = 5000000 },
	findAndModify = { hint = 4003001, let = 5000000 },
	getMore = { comment = 4004000 },
}

local statements = { update = "updates", delete = "deletes" }

local snapshots = { find = true, aggregate = true, distinct = true }

local function unknown(name, field)
	failure.raise(40415, "BSON field '%s.%s' is an unknown field.", name, field)
end

local function check_fields(name, command, number)
	for field, version in pairs(since[name] or {}) do
		if number < version then
			if command[field] ~= nil then
				unknown(name, field)
			end
			for _, statement in ipairs(statements[name] and command[statements[name]] or {}) do
				if statement[field] ~= nil then
					unknown(name .. "." .. statements[name], field)
				end
			end
		end
	end
end

---Raises what the server would answer.
---@param name string
---@param command table
---@param set test.mongo_set
function rules.check(name, command, set)
	check_fields(name, command, set.number)
	if name == "bulkWrite" and set.number < 8000000 then
		failure.raise(59, "no such command: 'bulkWrite'")
	end
	local concern = command.readConcern
	if concern and concern.level == "snapshot" and (not snapshots[name] or set.topology == "single") then
		failure.raise(72, "command %s does not support read concern snapshot", name)
	end
end

return rules
