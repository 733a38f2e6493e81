-- `DATACENTER` with its tree in etcd: all processes that name the same etcd share it. Chosen by `datacenter = "etcd"`.
--
-- Every change is one transaction. Who waits is answered by one watch of the whole tree, which is there while somebody
-- waits. When etcd does not answer, the call fails and says what became of it.

local configured = require "reef.etcd.configured"
local serve = require "reef.datacenter.serve"
local skynet = require "skynet"
local tree = require "reef.datacenter.tree"
local waits = require "reef.waits"

local by_etcd = {}

local MOST <const> = 120    -- steps of a transaction; etcd's limit is 128
local ATTEMPTS <const> = 20 -- against others that change the same

local client ---@type reef.etcd
local root   ---@type string
local waiting = {} ---@type {key: string, below: string, response: function}[]
local watch ---@type reef.etcd.watch|nil

local function words(path)
	local list = {}
	for i = 1, path.n do
		list[i] = tree.printable(path[i])
	end
	return table.concat(list, ".")
end

-- ---- set and get ----

local function read(path)
	local key = tree.key(root, path)
	local below = tree.below(key, root)
	local _, results, revision = client:txn { success = { { "get", key }, { "get", below, prefix = true } } }
	local leaf = path.n > 0 and results[1][1]
	if leaf then
		return tree.leaf(leaf.value), results, revision
	end
	return tree.branch(results[2], below), results, revision
end

-- The comparisons that no beginning of the path has a value.
local function no_values(above)
	local compare = {}
	for i, key in ipairs(above) do
		compare[i] = { key, "create_revision", "=", 0 }
	end
	return compare
end

local function gets(keys)
	local steps = {}
	for i, key in ipairs(keys) do
		steps[i] = { "get", key }
	end
	return steps
end

-- Steps that replace what is there. A branch stays a branch when the last value in it is removed.
local function steps_of(key, branch, value, before)
	local leaves, kept, steps = value ~= nil and tree.leaves(key, value) or {}, {}, {}
	for _, leaf in ipairs(leaves) do
		kept[leaf[1]] = true
		steps[#steps + 1] = { "put", leaf[1], leaf[2] }
	end
	for _, items in ipairs(before) do
		for _, item in ipairs(items) do
			if not kept[item.key] then
				steps[#steps + 1] = { "delete", item.key }
			end
		end
	end
	if value == nil and branch and steps[1] then
		steps[#steps + 1] = { "put", branch .. "/", "" }
	end
	if #steps > MOST then
		error(("a change of %d values at once: etcd takes %d"):format(#steps, MOST), 0)
	end
	return steps
end

local function set(...)
	local arguments = table.pack(...)
	if arguments.n < 2 then
		error("datacenter.set needs a key and a value", 0)
	end
	local value = arguments[arguments.n]
	local path = table.pack(table.unpack(arguments, 1, arguments.n - 1))
	local key, above = tree.key(root, path)
	for _ = 1, ATTEMPTS do
		local old, before, revision = read(path)
		local compare = no_values(above)
		compare[#compare + 1] = { key, "mod_revision", "<", revision + 1 }
		compare[#compare + 1] = { key .. "/", "mod_revision", "<", revision + 1, prefix = true }
		local steps = steps_of(key, above[#above], value, before)
		local held, results = client:txn { compare = compare, success = steps, failure = gets(above) }
		if held then
			return old
		end
		for i, found in ipairs(results) do
			if found[1] then
				error(("datacenter.set: %s is a value, there can be no %s"):format(
					words { n = i, table.unpack(path, 1, i) }, words(path)), 0)
			end
		end
	end
	error(("datacenter.set: others change %s all the time (not sent)"):format(words(path)), 0)
end

-- ---- wait ----

local function answer(waiter, e)
	local key = e.key
	if key == waiter.key then
		waiter.response(true, tree.leaf(e.value))
	elseif key:sub(1, #waiter.below) == waiter.below then
		waiter.response(false, ("datacenter.wait: %s has become a branch"):format(waiter.text))
	elseif waiter.key:sub(1, #key + 1) == key .. "/" then
		waiter.response(false, ("datacenter.wait: a value has been set above %s"):format(waiter.text))
	else
		return false
	end
	return true
end

local function on_events(events)
	for _, e in ipairs(events) do
		local left = {}
		for _, waiter in ipairs(waiting) do
			if waiter.response "TEST" and not (e.type == "put" and answer(waiter, e)) then
				left[#left + 1] = waiter
			end
		end
		waiting = left
	end
	if not waiting[1] and watch then
		watch:close()
		watch = nil
	end
end

local function wait(...)
	local path = table.pack(...)
	if path.n == 0 then
		error("datacenter.wait needs a key", 0)
	end
	local key = tree.key(root, path)
	local value = read(path)
	if value ~= nil then
		return skynet.retpack(value)
	end
	local waiter = { key = key, below = key .. "/", text = words(path), response = skynet.response() }
	table.insert(waiting, waiter)
	waits.tell(function()
		for _, w in ipairs(waiting) do
			if w == waiter then
				return w.response "TEST" and ("datacenter.wait: nobody has set %s"):format(waiter.text)
			end
		end
	end)
	if not watch then
		-- It begins with what is there: so nothing that was set meanwhile is missed.
		watch = client:watch(root, { prefix = true }, on_events)
		return
	end
	local ok, found = pcall(read, path)
	for i, w in ipairs(waiting) do
		if w == waiter and (not ok or found ~= nil) then
			table.remove(waiting, i)
			return waiter.response(ok, found)
		end
	end
end

-- ---- the service ----

local command = { SET = set }

function command.GET(...)
	return (read(table.pack(...)))
end

function by_etcd.run()
	client, root = configured.client(), configured.prefix() .. "datacenter/"
	serve(command, wait)
end

return by_etcd
