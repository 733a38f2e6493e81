-- What all parts of the world know.
local sproto = require "sproto"

local world = {
	WIDTH = 160,
	HEIGHT = 90,
	KINDS = { "copper", "silver", "gold" },
	COINS_PER_PLAYER = 6,
	SERVER = "world",
}

-- What a player asks, and what its agent answers. `gifts` are the coins that others have given since the last answer.
local schema = sproto.parse [[
.Request {
	what 0 : string
	dx 1 : integer
	dy 2 : integer
	kind 3 : string
	to 4 : string
	number 5 : integer
}
.Reply {
	who 0 : string
	x 1 : integer
	y 2 : integer
	kind 3 : string
	gifts 4 : *string
	version 5 : integer
	beacon 6 : *integer
}
]]

---@param request table
---@return string
function world.encode_request(request)
	return schema:pencode("Request", request)
end

function world.decode_request(text)
	return schema:pdecode("Request", text)
end

function world.encode_reply(reply)
	return schema:pencode("Reply", reply)
end

function world.decode_reply(text)
	return schema:pdecode("Reply", text)
end

---A purse without coins.
---@return table<string, integer>
function world.purse()
	local purse = {}
	for _, kind in ipairs(world.KINDS) do
		purse[kind] = 0
	end
	return purse
end

---@return integer
function world.count(purse)
	local n = 0
	for _, kind in ipairs(world.KINDS) do
		n = n + purse[kind]
	end
	return n
end

---@return boolean
function world.same(a, b)
	for _, kind in ipairs(world.KINDS) do
		if a[kind] ~= b[kind] then
			return false
		end
	end
	return true
end

return world
