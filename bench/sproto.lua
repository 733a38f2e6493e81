-- sproto's encoding and decoding of a message of ten fields; bench/yard/bson.c does the same with libbson, on the
-- document that this writes for it.
local bench = require "bench"
local bson = require "bson"
local sproto = require "sproto"

local SCHEMA = [[
.Player {
	id 0 : integer      level 1 : integer   hp 2 : integer      gold 3 : integer   name 4 : string
	guild 5 : string    title 6 : string    x 7 : double        y 8 : double       online 9 : boolean
}
]]

bench.main(function()
	local player = {
		id = 1000123, level = 60, hp = 8750, gold = 1 << 40, name = "Ann of the North", guild = "The Long Way Home",
		title = "Keeper of the Eastern Gate", x = 1024.5, y = -77.25, online = true,
	}
	local file = assert(io.open("ten.json", "w"))
	file:write(bson.to_json(bson.encode(player), "canonical"))
	file:close()
	local schema, n = sproto.parse(SCHEMA), 500000
	local bytes = schema:encode("Player", player)
	bench.result("size_ten", { bytes = #bytes })
	for _ = 1, 20000 do
		schema:decode("Player", schema:encode("Player", player))
	end
	bench.measure("encode_ten", n, function()
		for _ = 1, n do
			schema:encode("Player", player)
		end
	end)
	bench.measure("decode_ten", n, function()
		for _ = 1, n do
			schema:decode("Player", bytes)
		end
	end)
end)
