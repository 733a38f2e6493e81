-- What an own service for shared data can be made of: boxes of frozen data that are counted by hand, and objects that
-- read them. Prefer skynet.sharedata or reef.datasheet, which need no counting.

local core = require "reef.box"

local corelib = {}

---Boxes. Who calls `new` calls `delete`, once; the memory goes when nobody counts on the box either.
corelib.host = {
	new = core.new,
	delete = core.delete,
	getref = core.getref,
	incref = core.incref,
	decref = core.decref,
	markdirty = core.markdirty,
}

---@class skynet.sharedata.node what is known of an object
---@field root table { ptr=, serial= }, of all objects of a tree
---@field parent skynet.sharedata.node?
---@field key string|integer|nil
---@field node lightuserdata the table it shows, as of `serial`
---@field serial integer
---@field children table<string|integer, table> weak

---@type table<table, skynet.sharedata.node>
local states = setmetatable({}, { __mode = "k" })
local object = {}

local function path_of(state)
	return state.parent and path_of(state.parent) .. "." .. tostring(state.key) or ""
end

local function new_object(root, parent, key, node)
	local self = setmetatable({}, object)
	states[self] = {
		root = root, parent = parent, key = key, node = node, serial = root.serial,
		children = setmetatable({}, { __mode = "v" }),
	}
	return self
end

-- The table that an object shows now.
local function node_of(state)
	if state.serial ~= state.root.serial then
		if state.parent then
			local node, is_node = core.get(node_of(state.parent), state.key)
			if not is_node then
				error(("The key [%s] doesn't exist after update"):format(path_of(state)))
			end
			state.node = node
		else
			state.node = core.root(state.root.ptr)
		end
		state.serial = state.root.serial
	end
	return state.node
end

local function child(state, key, value, is_node)
	if not is_node then
		return value
	end
	local c = state.children[key]
	if not c then
		c = new_object(state.root, state, key, value)
		state.children[key] = c
	end
	return c
end

function object:__index(key)
	if type(key) ~= "string" and math.type(key) ~= "integer" then
		if key == nil then
			return nil
		end
		error(("Invalid key of type %s"):format(math.type(key) or type(key)))
	end
	local state = states[self]
	return child(state, key, core.get(node_of(state), key))
end

function object:__newindex(key)
	error(("Error newindex, the key [%s.%s]"):format(path_of(states[self]), tostring(key)))
end

function object:__len()
	return core.len(node_of(states[self]))
end

---@param obj table
---@param key string|integer|nil
function corelib.next(obj, key)
	local state = states[obj]
	local k, value, is_node = core.next(node_of(state), key)
	if k ~= nil then
		return k, child(state, k, value, is_node)
	end
end

function object:__pairs()
	return corelib.next, self, nil
end

local released = { __gc = function(root)
	core.decref(root.ptr)
end }

---An object that reads a box, and counts on it until it is collected.
---@param ptr lightuserdata
---@return table obj
function corelib.box(ptr)
	core.incref(ptr)
	return new_object(setmetatable({ ptr = ptr, serial = 1 }, released), nil, nil, core.root(ptr))
end

---If the box that an object reads is marked dirty, the object and all that came from it go over to another.
---@param obj table what `box` returned
---@param ptr lightuserdata
function corelib.update(obj, ptr)
	local root = states[obj].root
	if core.isdirty(root.ptr) then
		core.incref(ptr)
		core.decref(root.ptr)
		root.ptr, root.serial = ptr, root.serial + 1
	end
end

local function flush(state)
	for _, c in pairs(state.children) do
		if pcall(node_of, states[c]) then
			flush(states[c])
		end
	end
end

---Has all objects of a tree see an update at once, instead of when they are used.
---@param obj table
function corelib.flush(obj)
	node_of(states[obj])
	flush(states[obj])
end

local function copy(value, is_node)
	if not is_node then
		return value
	end
	local t = {}
	local key, v, is_table = core.next(value)
	while key ~= nil do
		t[key] = copy(v, is_table)
		key, v, is_table = core.next(value, key)
	end
	return t
end

---A private copy of what the keys lead to.
---@param ptr lightuserdata
---@param ... string|integer
function corelib.copy(ptr, ...)
	local value, is_node = core.root(ptr), true
	for _, key in ipairs { ... } do
		if not is_node then
			return nil
		end
		value, is_node = core.get(value, key)
	end
	return copy(value, is_node)
end

return corelib
