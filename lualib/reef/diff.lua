-- A table that is sent often and changes little, as differences; see docs/diff.md.
--
--     local s = diff.sender()                        local r = diff.receiver()
--     broadcast(s:pack(world))      -- packet ->     if r:apply(packet) == "ask" then ask_for(s:full()) end
--                                                    r.value is the same table
--
-- A packet is skynet.pack's: the sender's number, the packet's, the one that it continues (0: none, it is full), and a
-- flat list of steps, so that depth costs nothing.
-- The sender's copy is changed by the same steps as the receivers' tables.
local skynet = require "skynet"

local diff = {}

-- Steps. Each is followed by a key, SET by a value, too; UP by nothing.
local SET <const>, DOWN <const>, UP <const>, NEW <const>, REMOVE <const> = 1, 2, 3, 4, 5
local SMALL <const> = 64 -- values in a list of steps that is not worth comparing with the whole table

-- ---- paths, for errors ----

local function path_text(path, n)
	local parts = { "table" }
	for i = 1, n do
		local key = path[i]
		if type(key) == "string" and key:find "^[%a_][%w_]*$" then
			parts[#parts + 1] = "." .. key
		else
			parts[#parts + 1] = ("[%s]"):format(type(key) == "string" and ("%q"):format(key) or tostring(key))
		end
	end
	return table.concat(parts)
end

-- ---- comparing ----

local plain = { string = true, number = true, boolean = true }

---Numbers are the same when nobody can tell them apart: not 1 and 1.0, not 0.0 and -0.0; NaN is itself.
local function is_same(a, b)
	if a == b then
		return math.type(a) == math.type(b) and (a ~= 0 or math.type(a) ~= "float" or 1 / a == 1 / b)
	end
	return a ~= a and b ~= b
end

---@class reef.diff.walk
---@field steps any[]
---@field n integer
---@field path any[]
---@field inside table<table, boolean>  tables on the way down

local function refuse(walk, depth, what)
	error(("reef.diff: %s %s"):format(path_text(walk.path, depth), what), 0)
end

local function add(walk, step, key, value)
	local steps, n = walk.steps, walk.n
	steps[n + 1] = step
	steps[n + 2] = key
	steps[n + 3] = value
	walk.n = n + (step == SET and 3 or step == UP and 1 or 2)
end

local nothing = {}

---Adds the steps that make `new` of `old`.
local function compare(walk, old, new, depth)
	if walk.inside[new] then
		refuse(walk, depth, "is a table that it is itself part of")
	end
	walk.inside[new] = true
	for key, value in next, new do
		local kind = type(value)
		walk.path[depth + 1] = key
		if not plain[type(key)] then
			refuse(walk, depth, ("has a key that is a %s"):format(type(key)))
		elseif kind == "table" then
			local before, start = old[key], walk.n
			local known = type(before) == "table"
			add(walk, known and DOWN or NEW, key)
			local below = walk.n
			compare(walk, known and before or nothing, value, depth + 1)
			if known and walk.n == below then
				walk.steps[below], walk.steps[below - 1] = nil, nil
				walk.n = start
			else
				add(walk, UP)
			end
		elseif not plain[kind] then
			refuse(walk, depth + 1, ("is a %s, which cannot be sent"):format(kind))
		elseif not is_same(old[key], value) then
			add(walk, SET, key, value)
		end
	end
	for key in next, old do
		if rawget(new, key) == nil then
			add(walk, REMOVE, key)
		end
	end
	walk.inside[new] = nil
end

local function steps_between(old, new)
	local walk = { steps = {}, n = 0, path = {}, inside = {} }
	compare(walk, old, new, 0)
	return walk.steps
end

-- ---- changing ----

local function broken(i)
	error(("step %d is broken"):format(i), 0)
end

---Does the steps to a table; raises for a list that is none, and has done a part of it then.
local function change(root, steps)
	local at, above, depth, i, n = root, {}, 0, 1, #steps
	while i <= n do
		local step, key = steps[i], steps[i + 1]
		if step == UP then
			if depth == 0 then
				broken(i)
			end
			at, above[depth] = above[depth], nil
			depth = depth - 1
			i = i + 1
		elseif not plain[type(key)] or key ~= key then
			broken(i)
		elseif step == SET then
			if not plain[type(steps[i + 2])] then
				broken(i)
			end
			at[key] = steps[i + 2]
			i = i + 3
		elseif step == REMOVE then
			at[key] = nil
			i = i + 2
		elseif step == DOWN or step == NEW then
			if step == NEW then
				at[key] = {}
			end
			if type(at[key]) ~= "table" then
				broken(i)
			end
			depth = depth + 1
			above[depth], at = at, at[key]
			i = i + 2
		else
			broken(i)
		end
	end
	if depth ~= 0 then
		broken(n)
	end
	return root
end

-- ---- the sender ----

---@class reef.diff.sender
---@field id integer      which one it is: a new sender, of a process that was started again, is another
---@field number integer  of the last packet
---@field copy table      what the receivers have
local sender = {}
sender.__index = sender

---A sender without anything yet.
---@return reef.diff.sender
function diff.sender()
	local id = math.random(0) ~ skynet.hpc() ~ (skynet.self() << 32)
	return setmetatable({ id = id, number = 0, copy = {} }, sender)
end

---The packet for all receivers: what has changed since the last one, or the whole table where that is shorter. When
---nothing has, it tells them just where they should be. An error (a cycle, a function ...) names the place and changes
---nothing.
---@param t table  strings, numbers, booleans and tables of them; metatables are passed over
---@return string packet
---@return boolean changed  false: whoever has the last packet does not need this one
function sender:pack(t)
	if type(t) ~= "table" then
		error("sender:pack: a table is needed, not a " .. type(t))
	end
	local ok, steps = pcall(steps_between, self.copy, t)
	if not ok then
		error(steps)
	end
	local before, base = self.number, self.number
	if before > 0 and #steps == 0 then
		return skynet.packstring(self.id, before, before, steps), false
	end
	if before == 0 or #steps > SMALL then
		local whole = steps_between(nothing, t)
		if before == 0 or #whole < #steps then
			self.copy, steps, base = {}, whole, 0
		end
	end
	change(self.copy, steps)
	self.number = before + 1
	return skynet.packstring(self.id, self.number, base, steps), true
end

---The packet for a receiver that is new, or that asks: all that the last `pack` was told.
---@return string packet
function sender:full()
	if self.number == 0 then
		error("sender:full: nothing has been packed yet")
	end
	return skynet.packstring(self.id, self.number, 0, steps_between(nothing, self.copy))
end

-- ---- the receiver ----

---@class reef.diff.receiver
---@field value table           the sender's table; to be read only. It stays the same table, what is in it may be new
---@field number integer|nil    of the packet that it shows; nil: nothing yet, or a full one is needed
---@field id integer|nil        of its sender
local receiver = {}
receiver.__index = receiver

---@return reef.diff.receiver
function diff.receiver()
	return setmetatable({ value = {} }, receiver)
end

local function read(packet)
	if type(packet) ~= "string" then
		error("a " .. type(packet) .. " instead of a string", 0)
	end
	local id, number, base, steps = skynet.unpack(packet)
	if not (math.type(id) == "integer" and math.type(number) == "integer" and math.type(base) == "integer"
		and base >= 0 and base <= number and type(steps) == "table") then
		error("its head is broken", 0)
	end
	return id, number, base, steps
end

local function take_full(self, steps)
	local new, value = change({}, steps), self.value
	for key in next, value do
		value[key] = nil
	end
	for key, item in next, new do
		value[key] = item
	end
end

---Takes a packet, in whatever order and how often they come.
---@param packet string
---@return "ok"|"old"|"ask"|nil state  "ok": `value` is what the sender had when it made this packet. "old": it is
---newer. "ask": something has been lost, sender:full() is needed. nil: this is no packet
---@return string|nil reason  why it is none
function receiver:apply(packet)
	local ok, id, number, base, steps = pcall(read, packet)
	if not ok then
		return nil, "reef.diff: no packet: " .. tostring(id)
	end
	local known = self.number and self.id == id
	if known and number < self.number then
		return "old"
	elseif known and number == self.number then
		return "ok"
	elseif base > 0 and not (known and base == self.number) then
		return "ask"
	end
	local reason
	if base == 0 then
		ok, reason = pcall(take_full, self, steps)
	else
		ok, reason = pcall(change, self.value, steps)
		if not ok then
			self.number = nil
		end
	end
	if not ok then
		return nil, "reef.diff: no packet: " .. tostring(reason)
	end
	self.id, self.number = id, number
	return "ok"
end

return diff
