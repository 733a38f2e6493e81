-- tsan: no, one thread does all of it
-- reef.diff: differences of random tables over a channel that loses, doubles and reorders, against plain copies.
local diff = require "reef.diff"
local skynet = require "skynet"
local test = require "test"

local random = math.random

-- ---- random tables ----

local function scalar()
	local kind = random(7)
	if kind == 1 then
		return random(0, 3)
	elseif kind == 2 then
		return random(0, 3) + 0.0
	elseif kind == 3 then
		return random() < 0.5
	elseif kind == 4 then
		return ("x"):rep(random(0, 40))
	elseif kind == 5 then
		return ({ 0.0, -0.0, 1 / 0, -1 / 0, math.mininteger, math.maxinteger, 2 ^ 53, 0.1 })[random(8)]
	elseif kind == 6 then
		return "\0\255" .. random(3)
	end
	return 0 / 0
end

local function key()
	return ({ random(6), random(6), "k" .. random(6), random(3) + 0.5, random() < 0.5, "" })[random(6)]
end

local function fill(t, depth)
	for _ = 1, random(0, 6) do
		t[key()] = depth > 0 and random(3) == 1 and fill({}, depth - 1) or scalar()
	end
	return t
end

-- Changes something, somewhere.
local function mutate(t, depth)
	local k = key()
	local what = random(10)
	if type(t[k]) == "table" and what <= 5 then
		mutate(t[k], depth - 1)
	elseif what <= 2 then
		t[k] = nil
	elseif what == 3 and depth > 0 then
		t[k] = fill({}, depth - 1)
	elseif what == 4 then
		table.insert(t, scalar())
	elseif what == 5 then
		table.remove(t)
	else
		t[k] = scalar()
	end
end

-- A text of all that is in it, with the kinds of numbers; nothing of reef.diff is in it.
local function text(v)
	if type(v) == "number" then
		return v ~= v and "nan" or math.type(v) == "float" and ("%a"):format(v) or tostring(v)
	elseif type(v) ~= "table" then
		return type(v) == "string" and ("%q"):format(v) or tostring(v)
	end
	local parts = {}
	for k, item in next, v do
		parts[#parts + 1] = ("[%s]=%s"):format(text(k), text(item))
	end
	table.sort(parts)
	return "{" .. table.concat(parts, ",") .. "}"
end

-- ---- the channel ----

local function channel(loss)
	local pending = {}
	return {
		send = function(packet)
			for _ = 1, random() < loss and 0 or random() < loss and 2 or 1 do
				table.insert(pending, random() < loss and random(#pending + 1) or #pending + 1, packet)
			end
		end,
		take = function()
			return table.remove(pending, 1)
		end,
		size = function()
			return #pending
		end,
	}
end

test.case("each receiver has the sender's table, whatever the channel does", function()
	local applied, asked, old = 0, 0, 0
	for round = 1, test.count(60) do
		local loss = ({ 0, 0.05, 0.3 })[round % 3 + 1]
		local world, sender = fill({}, 4), diff.sender()
		local history, receivers = {}, {}
		for i = 1, 3 do
			receivers[i] = { r = diff.receiver(), down = channel(loss), joined = (i - 1) * 20 }
		end
		local function take(one)
			local packet = one.down.take()
			local state, reason = one.r:apply(packet)
			test.truthy(state, reason)
			if state == "ask" then
				asked = asked + 1
				one.asks = random() >= loss
			elseif state == "old" then
				old = old + 1
			else
				applied = applied + 1
				test.equal(text(one.r.value), history[one.r.id][one.r.number])
			end
		end
		for step = 1, 60 do
			for _ = 1, random(0, 3) do
				mutate(world, 4)
			end
			if random(40) == 1 then
				sender = diff.sender() -- the process was started again
			end
			local packet = sender:pack(world)
			history[sender.id] = history[sender.id] or {}
			history[sender.id][sender.number] = text(world)
			for _, one in ipairs(receivers) do
				if step > one.joined then
					one.down.send(packet)
				end
				if one.asks then
					one.asks = false
					one.down.send(sender:full())
				end
				while one.down.size() > random(0, 4) do
					take(one)
				end
			end
		end
		for _, one in ipairs(receivers) do
			while one.down.size() > 0 do
				take(one)
			end
			if one.r:apply((sender:pack(world))) == "ask" then
				test.equal(one.r:apply(sender:full()), "ok")
			end
			test.equal(text(one.r.value), text(world))
			test.equal(one.r.number, sender.number)
		end
	end
	test.truthy(applied > 100 and asked > 0 and old > 0, ("%d %d %d"):format(applied, asked, old))
end)

test.case("on a channel that loses nothing, nobody asks", function()
	local world, sender, r = fill({}, 3), diff.sender(), diff.receiver()
	for _ = 1, test.count(2000) do
		mutate(world, 3)
		test.equal(r:apply((sender:pack(world))), "ok")
	end
	test.equal(text(r.value), text(world))
end)

test.case("a small change of a large table is a small packet", function()
	local world = {}
	for i = 1, 10000 do
		world[i] = { name = "player" .. i, x = i, y = { z = i } }
	end
	local sender, r = diff.sender(), diff.receiver()
	local value = r.value
	test.equal(r:apply((sender:pack(world))), "ok")
	for i = 1, 10 do
		world[i * 900].y.z = -i
		world[i * 900 + 1].x = nil
		local packet, changed = sender:pack(world)
		test.equal(changed, true)
		test.between(#packet, 1, 100)
		test.equal(r:apply(packet), "ok")
	end
	test.equal(text(r.value), text(world))
	test.truthy(rawequal(value, r.value))
	for i = 6, 10000 do
		world[i] = nil
	end
	test.between(#sender:pack(world), 1, 1000)
end)

test.case("without a change a packet says where the sender is, so that the last loss is noticed", function()
	local sender, r = diff.sender(), diff.receiver()
	test.equal(r:apply((sender:pack { 1 })), "ok")
	sender:pack { 2 }
	local packet, changed = sender:pack { 2 }
	test.equal(changed, false)
	test.between(#packet, 1, 40)
	test.equal(r:apply(packet), "ask")
	test.equal(r:apply(sender:full()), "ok")
	test.equal({ r.value, r:apply(packet) }, { { 2 }, "ok" })
end)

test.case("depth is limited by memory alone", function()
	local depth, sender, r = 5000, diff.sender(), diff.receiver()
	local world = {}
	local deepest = world
	for _ = 1, depth do
		deepest.a = {}
		deepest = deepest.a
	end
	r:apply((sender:pack(world)))
	deepest.found = true
	test.equal(r:apply((sender:pack(world))), "ok")
	local at = r.value
	for _ = 1, depth do
		at = at.a
	end
	test.equal(at, { found = true })
end)

test.case("what cannot be sent is refused by its place, and nothing has changed", function()
	local sender, r = diff.sender(), diff.receiver()
	test.raises("nothing has been packed", sender.full, sender)
	test.raises("a table is needed, not a nil", sender.pack, sender, nil)
	r:apply((sender:pack { a = { 1, 2, shared = {} } }))
	local loop = { items = { { name = "x" } } }
	loop.items[1]["its bag"] = loop.items
	test.raises('table%.a%.items%[1%]%["its bag"%] is a table that it is itself part of', sender.pack, sender,
		{ a = loop, b = 1 })
	test.raises("table%.b%[2%] is a function", sender.pack, sender, { b = { 1, print } })
	test.raises("table%.c has a key that is a table", sender.pack, sender, { c = { [{}] = 1 } })
	local shared = { 7 }
	local packet = sender:pack { a = { 1, 3, shared = shared }, again = shared }
	test.equal({ sender.number, r:apply(packet), r.value },
		{ 2, "ok", { a = { 1, 3, shared = { 7 } }, again = { 7 } } })
end)

test.case("what is no packet is told, never raised, and harms nothing for long", function()
	local sender, r = diff.sender(), diff.receiver()
	local world = fill({ a = { b = {} } }, 3)
	r:apply((sender:pack(world)))
	for _, bad in ipairs { "", "x", 5, true, skynet.packstring(1), skynet.packstring(1, 2, 3, {}),
		skynet.packstring(sender.id, 9, 0, { 1, "a" }), skynet.packstring(sender.id, 9, 0, { 3 }),
		skynet.packstring(sender.id, 9, 0, { 9, 9 }), skynet.packstring(sender.id, 9, 0, { 4, "a" }),
		skynet.packstring(sender.id, 9, 0, { 2, "a", 3 }), skynet.packstring(sender.id, 9, 0, { 1, 0 / 0, 1 }) } do
		local state, reason = r:apply(bad)
		test.equal(state, nil)
		test.matches(reason, "no packet")
		test.equal(text(r.value), text(world))
	end
	for _ = 1, test.count(3000) do
		for _ = 1, random(3) do
			mutate(world, 3)
		end
		local packet = sender:pack(world)
		local at = random(#packet)
		packet = packet:sub(1, at - 1) .. string.char(random(0, 255)) .. packet:sub(at + 1, random(at, #packet + 5))
		pcall(r.apply, r, packet) -- whatever it says
	end
	local again = diff.receiver()
	test.equal(again:apply(sender:full()), "ok")
	test.equal(text(again.value), text(world))
end)

test.run()
