-- What is left of a Redis object that was disconnected: nothing that could be used, whatever was used before.
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local test = require "test"

-- Methods of each kind: plain, with a connection of one's own, written in Lua, and of the object itself.
local uses = {
	get = { "k" }, set = { "k", 1 }, blpop = { "none", 0.01 }, multi = {}, watch = { "k" }, pipeline = { { { "PING" } } },
	status = {}, with = { { timeout = 1 } }, client = { "ID" }, exists = { "k" }, eval = { "return 1", 0 },
}

local opened = {
	driver = redis.connect,
	pool = function(target)
		return pool.redis(target, { size = 1 })
	end,
}

for kind, open in pairs(opened) do
	test.case("a disconnected db has no methods, whichever were used: " .. kind, function()
		local s = server.start()
		local random = math.random
		local target = { host = "127.0.0.1", port = s.port }
		for _ = 1, 10 do
			local db, kept = open(target), {}
			for name, arguments in pairs(uses) do
				if random(2) == 1 then
					kept[name] = db[name]
					pcall(db[name], db, table.unpack(arguments))
				end
			end
			db:disconnect()
			for name, arguments in pairs(uses) do
				test.equal(db[name], nil, name)
				if kept[name] then
					test.raises("disconnected", kept[name], db, table.unpack(arguments))
				end
			end
			test.raises("method 'disconnect'", function() db:disconnect() end)
		end
	end)
end

test.run()
