-- Results that are read part by part, so that only a part is in memory.

local stream = {}

local ROWS, BYTES <const> = 1000, 256 * 1024 -- of a part, about

local function nothing() end

-- Reads the rest of what was begun, so that the connection can go on; if that fails, it is closed.
local function finish(reader)
	if reader.more and reader.session.core == reader.core then
		reader.more = false
		pcall(reader.session.run, reader.session, "fetch", reader.session:deadline(reader.seconds), "fetch", ROWS, BYTES, true)
	end
	if reader.turn then
		local _ <close> = reader.turn
		reader.turn = nil
	end
end

local reader_meta = { __close = finish, __name = "rows" }

local function part(reader)
	local s = reader.session
	if s.core ~= reader.core then
		error(s:error("closed", "not sent", "fetch", "the connection was lost"), 0)
	end
	local rows, more = s:run("fetch", s:deadline(reader.seconds), "fetch", ROWS, BYTES)
	reader.more = more or false
	if rows.badresult then
		error(s.protocol.rejection(rows), 0)
	end
	return rows
end

local function next_row(reader)
	local row = reader.rows[reader.at]
	while not row do
		if not reader.more then
			finish(reader)
			return nil
		end
		reader.rows, reader.at = part(reader), 1
		row = reader.rows[1]
	end
	reader.at = reader.at + 1
	return row
end

---An iterator for a generic `for`, which keeps the turn of the session until the loop ends.
---@param session reef.sql.session
---@param seconds number|nil  for each part
---@param begin function  (session, deadline, ...): names of columns, or nil: there are no rows
---@return fun(): table|nil
---@return any
---@return any
---@return any closing
function stream.each(session, seconds, begin, ...)
	local reader = setmetatable({ session = session, seconds = seconds, rows = {}, at = 1 }, reader_meta)
	reader.turn = session:enter("rows", session:deadline(seconds))
	-- A failure gives the turn back.
	local failing <close> = setmetatable({ true }, { __close = function(failing)
		if failing[1] then
			finish(reader)
		end
	end })
	local names = session:use("rows", 0, seconds, begin, ...)
	failing[1] = false
	if not names then
		finish(reader)
		return nothing
	end
	reader.more, reader.core = true, session.core
	return next_row, reader, nil, reader
end

return stream
