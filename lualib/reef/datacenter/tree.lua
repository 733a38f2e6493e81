-- The tree of skynet.datacenter as keys of etcd: a path is a key, a table the keys below it. What tells `1` from
-- `"1"` is the letter before it.

local skynet = require "skynet"

local tree = {}

local function escaped(text)
	return (text:gsub("[%c/%%]", function(c)
		return ("%%%02X"):format(c:byte())
	end))
end

local function unescaped(text)
	return (text:gsub("%%(%x%x)", function(code)
		return string.char(tonumber(code, 16))
	end))
end

local function name_of(key)
	local kind = math.type(key) or type(key)
	if kind == "string" then
		return "s" .. escaped(key)
	elseif kind == "integer" then
		return ("i%d"):format(key)
	elseif kind == "float" and key == key then
		return ("f%a"):format(key)
	elseif kind == "boolean" then
		return "b" .. tostring(key)
	end
	error(("a key is a text, a number or a boolean, not %s"):format(key ~= key and "not a number" or "a " .. kind), 0)
end

local function key_of(name)
	local kind, text = name:sub(1, 1), name:sub(2)
	if kind == "s" then
		return unescaped(text)
	elseif kind == "b" then
		return text == "true"
	end
	return kind == "i" and math.tointeger(tonumber(text)) or tonumber(text)
end

---A key as it stands in errors.
---@param key any
---@return string
function tree.printable(key)
	return (tostring(key):gsub("%c", function(c)
		return ("\\%d"):format(c:byte())
	end))
end

---@param root string what all keys begin with
---@param path table with n
---@return string key
---@return string[] above the keys of the path's beginnings
function tree.key(root, path)
	local key, above = root, {}
	for i = 1, path.n do
		key = (i == 1 and key or key .. "/") .. name_of(path[i])
		above[i] = key
	end
	above[path.n] = nil
	return key, above
end

---What is below a key begins like that.
---@param key string
---@param root string
---@return string
function tree.below(key, root)
	return key == root and root or key .. "/"
end

local MOST <const> = 32 -- levels

local function add_leaves(out, key, value, depth)
	if type(value) ~= "table" then
		out[#out + 1] = { key, skynet.packstring(value) }
		return
	elseif depth > MOST then
		error(("a table of more than %d levels, or one that contains itself"):format(MOST), 0)
	end
	local empty = true
	for name, item in pairs(value) do
		empty = false
		add_leaves(out, key .. "/" .. name_of(name), item, depth + 1)
	end
	if empty then
		out[#out + 1] = { key .. "/", "" }
	end
end

---What has to be stored for a value.
---@param key string
---@param value any
---@return {[1]: string, [2]: string}[] keys and values
function tree.leaves(key, value)
	local out = {}
	add_leaves(out, key, value, 1)
	return out
end

---The value of a leaf.
---@param bytes string
---@return any
function tree.leaf(bytes)
	return (skynet.unpack(bytes))
end

---The table that these keys are; nil: there are none.
---@param items reef.etcd.item[]
---@param below string what they all begin with
---@return table|nil
function tree.branch(items, below)
	local root = items[1] and {}
	for _, item in ipairs(items) do
		local at, rest = root, item.key:sub(#below + 1)
		for name in rest:gmatch "([^/]+)/" do
			local key = key_of(name)
			if type(at[key]) ~= "table" then
				at[key] = {}
			end
			at = at[key]
		end
		local last = rest:match "[^/]+$"
		if last then
			at[key_of(last)] = tree.leaf(item.value)
		end
	end
	return root
end

return tree
