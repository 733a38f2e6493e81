-- Objects that keep the methods that were used: finding one again is a look into one table. With thousands of callers
-- in turn, each table that a call looks into is one that the processor has to fetch from far away.
local keeping = {}

---The metatable of such objects.
---@param methods table
---@return table
function keeping.type(methods)
	return { __name = "redis", __index = function(db, name)
		local method = methods[name]
		if method then
			rawset(db, name, method)
		end
		return method
	end }
end

-- In place of the client of an object that was given up, for whoever still has one of its methods.
local gone = setmetatable({}, { __index = function()
	error("redis: this is not a connection, or it was disconnected (db:command(...) takes a colon)", 0)
end })

---Gives up an object: its methods are gone, those that it kept as well.
---@param db table
function keeping.give_up(db)
	setmetatable(db, nil)
	for key in next, db do
		db[key] = nil
	end
	db[2] = gone
end

return keeping
