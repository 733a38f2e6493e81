-- The metatable of connections that a coroutine may be in the middle of something with: if it is ended there, by an
-- error or from outside, so is the connection.
--
--     connection.busy = true
--     local using <close> = connection
--     ...
--     connection.busy = false
return {
	---@param connection { busy: boolean|nil, finish: fun(connection: table) }
	__close = function(connection)
		if connection.busy then
			connection.busy = false
			connection:finish()
		end
	end,
}
