-- Iterators over the SCAN family: a cursor that nobody has to carry.
--
--     for key in db:scan_iter { match = "user:*", count = 500 } do ... end
--     for field, value in db:hscan_iter("hash") do ... end
--     for member in db:sscan_iter("set") do ... end
--     for member, score in db:zscan_iter("ranking") do ... end
--
-- As Redis promises: what is there from beginning to end comes at least once; what changes meanwhile may or may not.
local checks = require "reef.options"
local expect = require "reef.redis.expect"

local scan = {}

local known = { match = true, count = true, type = true }

local function arguments(list, options)
	for _, name in ipairs { "match", "count", "type" } do
		if options and options[name] then
			table.insert(list, name:upper())
			table.insert(list, options[name])
		end
	end
	return list
end

-- `width` values belong together.
local function iterate(db, command, key, options, width)
	checks.check("redis: " .. command .. "_iter", options, known)
	local cursor, items, at = "0", {}, 1
	local started = false
	return function()
		while items[at] == nil do
			if started and cursor == "0" then
				return nil
			end
			started = true
			local reply = expect.list(db[command](db, arguments(key and { key, cursor } or { cursor }, options)), command)
			local following = expect.number(reply[1], command)
			cursor = following == "0" and following or expect.another(cursor, following, command)
			items, at = expect.list(reply[2], command), 1
		end
		at = at + width
		return table.unpack(items, at - width, at - 1)
	end
end

function scan.scan_iter(db, options)
	return iterate(db, "scan", nil, options, 1)
end

function scan.sscan_iter(db, key, options)
	return iterate(db, "sscan", key, options, 1)
end

function scan.hscan_iter(db, key, options)
	return iterate(db, "hscan", key, options, 2)
end

-- As the server writes scores that are no digits.
local words = { inf = math.huge, ["+inf"] = math.huge, ["-inf"] = -math.huge, nan = 0 / 0, ["-nan"] = 0 / 0 }

function scan.zscan_iter(db, key, options)
	local next_pair = iterate(db, "zscan", key, options, 2)
	return function()
		local member, score = next_pair()
		return member, words[score] or tonumber(score)
	end
end

return scan
