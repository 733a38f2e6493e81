-- Which statements may leave something behind in a connection that others use next: variables, locks, temporary
-- tables.

local state = {}

-- Those that do not, by their first word. A statement that is missing here costs a new connection.
local HARMLESS <const> = {
	select = true, insert = true, update = true, delete = true, replace = true, with = true, values = true, show = true,
	explain = true, describe = true, truncate = true, create = true, drop = true, alter = true, analyze = true,
	commit = true, rollback = true,
}
local SUSPICIOUS <const> = { "temp", "get_lock", "advisory", "set_config", ":=", "into%W*@" }

local known, count = {}, 0 ---@type table<string, boolean>
local MOST <const>, LONGEST <const> = 1000, 1000 -- texts that are remembered, and how long they may be

local function look(sql)
	local text = sql:lower()
	local first = text:match "^[%s(]*(%a+)"
	if not HARMLESS[first] or text:find ";%s*%S" then
		return true
	end
	for _, pattern in ipairs(SUSPICIOUS) do
		if text:find(pattern) then
			return true
		end
	end
	return false
end

---@param sql string|nil
---@return boolean
function state.is_changed_by(sql)
	if type(sql) ~= "string" then
		return false
	elseif #sql > LONGEST then
		return look(sql)
	end
	local changed = known[sql]
	if changed == nil then
		changed = look(sql)
		if count >= MOST then
			known, count = {}, 0
		end
		known[sql], count = changed, count + 1
	end
	return changed
end

return state
