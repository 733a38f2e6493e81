-- timeout: 300
-- Random publications, patches and deletions against a model: every service sees exactly the new data, through sheets
-- and through every row it ever kept.
local skynet = require "skynet"
local test = require "test"
local sheets = require "reef.datasheet"

local random = math.random

local VALUES = {
	0, 1, -1, 2 ^ 53, math.maxinteger, math.mininteger, 0.5, -0.0, 1e308, 0 / 0, 1 / 0, true, false, "", "a", "a\0b",
	("long "):rep(20), ("long "):rep(20) .. "\0", "\u{4e16}\u{754c}", "hp", "name", 3.0, 3,
}
local KEYS = {
	1, 2, 3, 4, 5, 8, 1000, -1, 0, 1.5, true, false, "hp", "name", "a\0b", "", ("long key "):rep(10), "\u{1f600}",
	"x", "y", "z",
}

local function pick(list)
	return list[random(#list)]
end

local function new_value(depth)
	if random() < 0.12 then
		return ("made up %d"):format(random(1000000))
	elseif depth < 4 and random() < 0.35 then
		local t = {}
		for _ = 1, random(0, 5) do
			t[pick(KEYS)] = new_value(depth + 1)
		end
		return t
	end
	return pick(VALUES)
end

local function new_tree()
	local t = {}
	for _ = 1, random(0, 10) do
		t[pick(KEYS)] = new_value(1)
	end
	return t
end

-- Changes some of a tree; returns the patch that does the same.
local function change(tree, depth)
	local patch = {}
	for _ = 1, random(0, 4) do
		local key = pick(KEYS)
		local old = tree[key]
		if random() < 0.25 then
			tree[key], patch[key] = nil, sheets.nothing
		elseif type(old) == "table" then
			if patch[key] == nil then
				patch[key] = change(old, depth + 1)
			end
		elseif patch[key] == nil then
			local v = new_value(depth + 1)
			tree[key], patch[key] = v, v
		end
	end
	return patch
end

local function copy(t)
	if type(t) ~= "table" then
		return t
	end
	local c = {}
	for k, v in pairs(t) do
		c[k] = copy(v)
	end
	return c
end

-- Runs in every reader. A held row: { path, row, gone }; `gone` once no table was at its path.
local READER = [==[
	local names = ...
	local skynet = require "skynet"
	local sheets = require "reef.datasheet"
	held = {}
	local function same(a, b, path)
		if type(a) ~= "table" or type(b) ~= "table" then
			if not (rawequal(a, b) or (a ~= a and b ~= b)) or math.type(a) ~= math.type(b) or
				(a == 0 and 1 / a ~= 1 / b) then
				error(("%s: %s instead of %s"):format(path, a, b))
			end
			return
		end
		local n = 0
		for k, v in pairs(a) do
			n = n + 1
			same(v, b[k], path .. "." .. tostring(k))
		end
		for k in pairs(b) do
			n = n - 1
			assert(a[k] ~= nil, path)
		end
		assert(n == 0, path)
	end
	local function at(tree, path)
		for _, key in ipairs(path) do
			if type(tree) ~= "table" then
				return nil
			end
			tree = tree[key]
		end
		return type(tree) == "table" and tree or nil
	end
	-- Walks to a random row and keeps it.
	local function keep(name)
		local row, path = sheets.query(name), {}
		while true do
			local tables = {}
			for k, v in pairs(row) do
				if type(v) == "table" then
					tables[#tables + 1] = k
				end
			end
			if #tables == 0 or math.random() < 0.3 then
				break
			end
			path[#path + 1] = tables[math.random(#tables)]
			row = row[path[#path]]
		end
		held[#held + 1] = { name = name, path = path, row = row }
	end
	-- `model`: name -> data; `dropped`: names whose sheets were deleted, with what they held last.
	function check(model, dropped, made_again, paths_gone)
		for name in pairs(made_again) do
			for _, h in ipairs(held) do
				if h.name == name and not h.old then
					h.old = dropped[name]
				end
			end
		end
		for name, data in pairs(model) do
			same(sheets.query(name), data, name)
		end
		for _, h in ipairs(held) do
			local data = h.old or model[h.name]
			local now = at(data, h.path)
			if not h.old and (now == nil or paths_gone(h.name, h.path)) then
				h.gone = true
			end
			if h.gone then
				local ok, reason = pcall(function() return h.row.x end)
				assert(not ok and reason:find("was removed by an update", 1, true), reason)
			else
				same(h.row, now, h.name .. " held")
				if not h.old then
					assert(rawequal(h.row, at(sheets.query(h.name), h.path)), "another row than before")
				end
			end
		end
		if #held > 60 then
			for _ = 1, 30 do
				table.remove(held, math.random(#held))
			end
		end
		for _ = 1, 5 do
			keep(names[math.random(#names)])
		end
		if math.random() < 0.2 then
			collectgarbage(math.random() < 0.5 and "generational" or "incremental")
		end
	end
]==]

-- Sends a model to a reader; trees are at most five levels deep, so a message can hold them.
local CHECK = [[
	local model, dropped, made_again, changed, seed = ...
	math.randomseed(seed)
	local function prefix(path, change)
		for i, key in ipairs(change) do
			if path[i] ~= key then
				return false
			end
		end
		return #path >= #change
	end
	check(model, dropped, made_again, function(name, path)
		for _, change in ipairs(changed[name] or {}) do
			if prefix(path, change) then
				return true
			end
		end
		return false
	end)
]]

-- Paths where `before` had a table that `after` has not.
local function lost(before, after, path, list)
	for k, v in pairs(before) do
		if type(v) == "table" then
			path[#path + 1] = k
			if type(after[k]) == "table" then
				lost(v, after[k], path, list)
			else
				list[#list + 1] = { table.unpack(path) }
			end
			path[#path] = nil
		end
	end
	return list
end

test.case("all readers see exactly what is published, through all rows they kept", { timeout = 280 }, function()
	local names = { "model1", "model2", "model3" }
	local model = {}
	for _, name in ipairs(names) do
		model[name] = new_tree()
	end
	sheets.publish(model)
	local readers = {}
	for i = 1, 4 do
		readers[i] = test.service "share_reader"
		skynet.call(readers[i], "lua", READER, names)
	end
	local dropped = {}
	for step = 1, test.count(1500) do
		local changed, made_again = {}, {}
		for _, name in ipairs(names) do
			local before = copy(model[name])
			local way = random(6)
			if way == 1 then
				model[name] = new_tree()
				sheets.publish { [name] = model[name] }
			elseif way <= 3 then
				change(model[name], 1)
				local others = copy(model)
				sheets.publish(random() < 0.5 and model or others)
			elseif way <= 5 then
				local patch = change(model[name], 1)
				sheets.patch { [name] = patch }
			elseif random() < 0.2 then
				dropped[name], made_again[name] = before, true
				sheets.delete(name)
				sheets.publish { [name] = model[name] }
			end
			changed[name] = lost(before, model[name], {}, {})
		end
		if random() < 0.1 then
			sheets.collect()
		end
		for _, reader in ipairs(readers) do
			skynet.call(reader, "lua", CHECK, model, dropped, made_again, changed, random(1 << 30))
		end
		if step % 100 == 0 then
			collectgarbage()
		end
	end
	for _, reader in ipairs(readers) do
		skynet.call(reader, "lua", "held = {} collectgarbage()")
	end
	sheets.publish { model1 = {}, model2 = {}, model3 = {} }
	test.eventually("nothing is left of all that", 20, function()
		collectgarbage()
		sheets.collect()
		local stat = sheets.stat()
		return stat.retired == 0 and stat.rows == 4
	end)
	test.truthy(sheets.stat().strings <= 4, "strings are left")
end)

local function copy_one(t)
	local c = {}
	for k, v in pairs(t) do
		c[k] = v
	end
	return c
end

-- Follows data and sheet side by side: as many rows as tables, each table one row wherever it is found. Returns how
-- many.
local function same_shape(data, sheet)
	local row_of, table_of, todo, count = { [data] = sheet }, { [sheet] = data }, { data }, 1
	while #todo > 0 do
		local t = table.remove(todo)
		local row, left = row_of[t], 0
		for k, v in pairs(t) do
			local r = row[k]
			if type(v) ~= "table" then
				assert(rawequal(v, r), "another value")
			elseif row_of[v] == nil then
				assert(type(r) == "table" and table_of[r] == nil, "two tables are one row")
				row_of[v], table_of[r], todo[#todo + 1], count = r, v, v, count + 1
			else
				assert(rawequal(row_of[v], r), "one table is two rows")
			end
			left = left + 1
		end
		for _ in pairs(row) do
			left = left - 1
		end
		assert(left == 0, "other keys")
	end
	return count
end

-- Most rows of these stay as they are, and some tables are in several places, before or after the change, in lists and
-- under names, or lead to each other.
test.case("a table is one row, wherever it is found, whatever was published before", function()
	local NAMES <const> = { "a", "b", "c", "d", 1, 2, 3, 4, 5, 6, 7 }
	local function leaf()
		return { hp = random(2), name = "n" .. random(2), [random(4)] = random(2) }
	end
	local tables, kept, again, before = {}, 0, 0, sheets.stat().rows
	for i = 1, 12 do
		tables[i] = leaf()
	end
	local rounds = test.count(3000)
	for _ = 1, rounds do
		for _ = 1, random(3) do
			local at = tables[random(#tables)]
			local way = random(8)
			if way <= 2 then
				at[pick(NAMES)] = tables[random(#tables)]
			elseif way == 3 then
				at[pick(NAMES)] = leaf()
			elseif way == 4 then
				at[pick(NAMES)] = nil
			elseif way == 5 then
				local name = pick(NAMES)
				at[name] = type(at[name]) == "table" and copy_one(at[name]) or random(2)
			elseif way == 6 then
				tables[random(2, #tables)] = leaf()
			elseif way == 7 then
				at.hp = random(3)
			else
				at[pick(NAMES)], at[pick(NAMES)] = at[pick(NAMES)], at[pick(NAMES)]
			end
		end
		local stat = sheets.publish { shape = tables[1] }
		local count = same_shape(tables[1], sheets.query "shape")
		kept = kept + count - stat.added - stat.changed
		again = again + (count > 3 and 1 or 0)
		if count > 60 then
			tables[1] = leaf()
		end
		sheets.collect()
	end
	test.truthy(kept > rounds and again > rounds / 10, "too few rows to say anything")
	sheets.delete "shape"
	test.eventually("no row of it is left", 20, function()
		collectgarbage()
		sheets.collect()
		return sheets.stat().rows == before
	end)
end)

test.run()
