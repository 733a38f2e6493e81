-- Results that are read part by part, so that only a part is in memory.

local stream = {}

local ROWS, BYTES <const> = 1000, 256 * 1024 -- of a part, about

---@class reef.sql.reader
---@field session reef.sql.session
---@field seconds number|nil
---@field core userdata  the connection that has the rest
---@field more boolean   there may be some

local function nothing() end

---Begins, within the caller's turn.
---@param session reef.sql.session
---@param seconds number|nil  for each part
---@param begin function  (session, deadline, ...): names of columns, or nil: there are no rows
---@return reef.sql.reader|nil
function stream.open(session, seconds, begin, ...)
	if session:use("rows", 0, seconds, begin, ...) then
		return { session = session, seconds = seconds, core = session.core, more = true }
	end
end

---The next rows.
---@param reader reef.sql.reader
---@return table[] rows
---@return boolean more
function stream.part(reader)
	local s = reader.session
	if s.core ~= reader.core then
		reader.more = false
		error(s:error("closed", "not sent", "fetch", "the connection was lost"), 0)
	end
	local rows, more = s:run("fetch", s:deadline(reader.seconds), "fetch", ROWS, BYTES)
	reader.more = more or false
	if rows.badresult then
		error(s.protocol.rejection(rows), 0)
	end
	return rows, reader.more
end

---Reads the rest of what was begun, so that the connection can go on; if that fails, it is closed.
---@param reader reef.sql.reader
function stream.finish(reader)
	local s = reader.session
	if reader.more and s.core == reader.core then
		pcall(s.run, s, "fetch", s:deadline(reader.seconds), "fetch", ROWS, BYTES, true)
	end
	reader.more = false
end

local function next_row(loop)
	local row = loop.rows[loop.at]
	while not row do
		if not loop.more() then
			return nil
		end
		loop.rows, loop.at = loop.part(), 1
		row = loop.rows[1]
	end
	loop.at = loop.at + 1
	return row
end

local loop_meta = { __name = "rows", __close = function(loop)
	loop.finish()
end }

---What a generic `for` wants, from functions that give parts.
---@param part fun(): table[]
---@param more fun(): boolean
---@param finish fun()
function stream.loop(part, more, finish)
	local loop = setmetatable({ rows = {}, at = 1, part = part, more = more, finish = finish }, loop_meta)
	return next_row, loop, nil, loop
end

---An iterator for a generic `for`, which keeps the turn of the session until the loop ends.
---@return fun(): table|nil
---@return any
---@return any
---@return any closing
function stream.each(session, seconds, begin, ...)
	local turn = session:enter("rows", session:deadline(seconds))
	local function leave()
		local _ <close> = turn
		turn = nil
	end
	local failing <close> = setmetatable({ true }, { __close = function(failing)
		if failing[1] then
			leave()
		end
	end })
	local reader = stream.open(session, seconds, begin, ...)
	failing[1] = false
	if not reader then
		leave()
		return nothing
	end
	return stream.loop(function()
		return (stream.part(reader))
	end, function()
		return reader.more
	end, function()
		if turn then
			local _ <close> = setmetatable({}, { __close = leave })
			stream.finish(reader)
		end
	end)
end

return stream
