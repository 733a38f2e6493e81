-- `DATACENTER` with its tree in this process.

local skynet = require "skynet"
local serve = require "reef.datacenter.serve"
local tree = require "reef.datacenter.tree"
local waits = require "reef.waits"

---@class datacenterd.waiter
---@field path table
---@field response function

local own = {}

local root = {}
local waiting = {} ---@type datacenterd.waiter[] in the order in which they came

local command = {}

local function text(path)
	local words = {}
	for i = 1, path.n do
		words[i] = tree.printable(path[i])
	end
	return table.concat(words, ".")
end

local function check(path, what)
	for i = 1, path.n do
		local key = path[i]
		if key == nil or key ~= key or type(key) == "table" then
			error(("datacenter.%s: key %d is %s"):format(what, i, key ~= key and "not a number" or "a " .. type(key)), 0)
		end
	end
	return path
end

local function find(path)
	local value = root
	for i = 1, path.n do
		if type(value) ~= "table" then
			return nil
		end
		value = value[path[i]]
	end
	return value
end

---How many keys the two paths begin with in common.
local function common(a, b)
	local n = 0
	while n < a.n and n < b.n and a[n + 1] == b[n + 1] do
		n = n + 1
	end
	return n
end

---Answers a waiter that a change at `path` concerns. True: it goes on waiting.
local function look(waiter, path)
	if not waiter.response "TEST" then
		return false
	end
	local wanted = waiter.path
	local shared = common(wanted, path)
	if shared == wanted.n and shared < path.n then
		waiter.response(false, ("datacenter.wait: %s has become a branch"):format(text(wanted)))
		return false
	end
	if shared < path.n then
		return true
	end
	local value = find(wanted)
	if value ~= nil then
		waiter.response(true, value)
		return false
	end
	if shared < wanted.n and type(find(path)) ~= "table" then
		waiter.response(false, ("datacenter.wait: %s has become a value, and has no %s"):format(text(path), text(wanted)))
		return false
	end
	return true
end

local function wake(path)
	local left = {}
	for _, waiter in ipairs(waiting) do
		if look(waiter, path) then
			left[#left + 1] = waiter
		end
	end
	waiting = left
end

function command.SET(...)
	local arguments = table.pack(...)
	if arguments.n < 2 then
		error("datacenter.set needs a key and a value", 0)
	end
	local value = arguments[arguments.n]
	local path = check(table.pack(table.unpack(arguments, 1, arguments.n - 1)), "set")
	local branch = root
	for i = 1, path.n - 1 do
		local below = branch[path[i]]
		if below == nil then
			if value == nil then
				return nil
			end
			below = {}
			branch[path[i]] = below
		elseif type(below) ~= "table" then
			error(("datacenter.set: %s is a value, there can be no %s"):format(
				text { n = i, table.unpack(path, 1, i) }, text(path)), 0)
		end
		branch = below
	end
	local last = path[path.n]
	local old = branch[last]
	branch[last] = value
	if value ~= nil then
		wake(path)
	end
	return old
end

function command.GET(...)
	return find(check(table.pack(...), "get"))
end

local function wait(...)
	local path = check(table.pack(...), "wait")
	if path.n == 0 then
		error("datacenter.wait needs a key", 0)
	end
	local value = find(path)
	if value ~= nil then
		return skynet.retpack(value)
	end
	local waiter = { path = path, response = skynet.response() }
	table.insert(waiting, waiter)
	waits.tell(function()
		for _, w in ipairs(waiting) do
			if w == waiter then
				return w.response "TEST" and ("datacenter.wait: nobody has set %s"):format(text(path))
			end
		end
	end)
end

function own.run()
	serve(command, wait)
end

return own
