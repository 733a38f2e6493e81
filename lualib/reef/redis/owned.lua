-- A client's connections of its own (reef.redis.own), made when one is first wanted: most never block, nor begin a
-- transaction.
local owned = {}

---A metatable for clients, whose field `own` is made when it is asked for.
---@param make fun(client: table): redis.own
---@param otherwise (fun(client: table, name: string): any)|nil  for other fields that are not there
---@return table
function owned.type(make, otherwise)
	return {
		__index = function(client, name)
			if name == "own" then
				local mine = make(client)
				client.own = mine
				return mine
			end
			return otherwise and otherwise(client, name)
		end,
	}
end

---The binding of the running coroutine, or nil; see reef.redis.own.
---@param client table
function owned.current(client)
	local mine = rawget(client, "own")
	if mine then
		return mine:current()
	end
end

---@param client table
---@return boolean  the running coroutine has a connection, which is not to be used again
function owned.spoil(client)
	local mine = rawget(client, "own")
	return mine ~= nil and mine:spoil()
end

---How many connections there are, of a client that makes them itself.
---@param client table
---@return integer
function owned.used(client)
	local mine = rawget(client, "own")
	return mine and mine.lender.used or 0
end

---How many coroutines have one.
---@param client table
---@return integer
function owned.bindings(client)
	local mine = rawget(client, "own")
	return mine and mine.bindings or 0
end

---What connections are set up for has changed: none that there is now is used again.
---@param client table
function owned.forget(client)
	local mine = rawget(client, "own")
	if mine then
		mine.lender:forget()
	end
end

---@param client table
function owned.close(client)
	local mine = rawget(client, "own")
	if mine then
		mine:close()
	end
end

return owned
