-- Which socket a function reads or writes: so that who gets only the function can answer `Expect`, can end what takes
-- too long, and need not make a string of what is written.
local stream = {}

---What is raised when the peer has closed.
stream.socket_error = setmetatable({}, {
	__tostring = function()
		return "[Socket Error]"
	end,
})

---Sockets by the functions that read or write them.
---@type table<function, integer>
stream.sockets = setmetatable({}, { __mode = "k" })

---Those that read nothing but what comes from the socket.
---@type table<function, true>
stream.plain = setmetatable({}, { __mode = "k" })

local sockets = stream.sockets

---@generic F: function
---@param f F  reads from a socket, or writes to it
---@param id integer
---@param plain boolean|nil  it has nothing but what comes from there
---@return F
function stream.of(f, id, plain)
	sockets[f] = id
	stream.plain[f] = plain
	return f
end

return stream
