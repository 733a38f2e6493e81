-- tsan: no, one thread does all of it
-- Tables of every shape that Lua gives them come out as `pairs` goes through them, whatever way the encoder takes.
local bson = require "bson"
local test = require "test"

local function key()
	return ("k%d"):format(math.random(1000)) .. ("y"):rep(math.random(0, 3) == 0 and math.random(80) or 0)
end

local scalars = {
	function() return math.random(0) end,
	function() return math.random(1000) end,
	function() return math.random() end,
	function() return math.random(2) == 1 end,
	function() return key() end,
	function() return bson.null end,
	function() return bson.objectid() end,
	function() return bson.string "\0a" end,
	function() return bson.encode { a = 1 } end,
}

local random

-- A table of names that may have places for a list, or keys that were taken out again.
local function names(depth)
	local t = {}
	for i = 1, math.random(0, 3) do
		t[i] = i
	end
	for _ = 1, math.random(0, 20) do
		t[key()] = random(depth)
	end
	for k in pairs(t) do
		if math.type(k) or math.random(4) == 1 then
			t[k] = nil
		end
	end
	return t
end

local function list(depth)
	local t = bson.array {}
	for i = 1, math.random(0, 5) do
		t[i] = random(depth)
	end
	return t
end

function random(depth)
	local n = math.random(#scalars + (depth < 4 and 3 or 0))
	if n <= #scalars then
		return scalars[n]()
	end
	return n == #scalars + 1 and list(depth + 1) or names(depth + 1)
end

-- The same, each document written pair by pair.
local function by_pairs(t)
	local words = {}
	for k, v in pairs(t) do
		local is_document = type(v) == "table" and not bson.is_array(v)
		words[#words + 1] = k
		words[#words + 1] = is_document and by_pairs(v) or v
	end
	return bson.encode_order(table.unpack(words))
end

local rounds <const> = test.count(3000)

test.case("what is written is what pairs finds, in its order", function()
	local whole = 0
	for _ = 1, rounds do
		local t = names(0)
		local written = tostring(bson.encode(t))
		test.equal(written == tostring(by_pairs(t)), true, bson.to_json(bson.encode(t)))
		whole = whole + (#written > 5 and 1 or 0)
	end
	test.truthy(whole > 0)
	test.note(("%d tables, %d with something in them"):format(rounds, whole))
end)

-- What a metamethod may do to the table that is being written.
local changes = {
	function(t)
		for i = 1, 200 do
			t["more" .. i] = i
		end
	end,
	function(t)
		for k, v in pairs(t) do
			t[k] = type(v) == "table" and v or nil
		end
		t.other, t.another = 1, 2
	end,
	function(t)
		for i = 1, 50 do
			t[i] = i
		end
	end,
	function(t)
		for k in pairs(t) do
			t[k] = nil
		end
		for i = 1, 100 do
			t["new" .. i] = i
		end
	end,
}

test.case("a table that is changed while it is written is written somehow, or refused", function()
	local written, refused = 0, 0
	for i = 1, rounds do
		local t = names(3)
		t["hook" .. i] = setmetatable({}, { __pairs = function(inner)
			changes[i % #changes + 1](t)
			collectgarbage()
			return next, inner, nil
		end })
		local ok, object = pcall(bson.encode, t)
		if ok then
			written = written + 1
			test.equal(type(bson.decode(object)), "table")
		else
			refused = refused + 1
			test.truthy(tostring(object):find "key" ~= nil, tostring(object))
		end
	end
	test.truthy(written > 0)
	test.note(("%d written, %d refused"):format(written, refused))
end)

test.case("names behind numbers are refused, whatever the table's shape", function()
	for _, t in ipairs { { a = 1, [1.5] = 2 }, { a = 1, [7] = 2 }, { a = 1, [true] = 2 }, { a = { b = 1, [0] = 1 } } } do
		test.raises("key", bson.encode, t)
	end
end)

test.run()
