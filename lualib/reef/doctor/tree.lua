-- A project's files, looked at without trust: what is no regular file is not opened, links in circles end, and there
-- are bounds on how many files and bytes are read, and on the time that it takes.

local files = require "reef.files"
local skynet = require "skynet"

---@class reef.doctor.tree
---@field base string what relative paths are relative to: "" or ends with a slash
---@field skipped { file: string, message: string }[] what was left out, and why
---@field bytes integer read so far
---@field seen integer names in directories so far
---@field late boolean? was there not enough time?
---@field deadline integer ns
local tree = {}
tree.__index = tree

local MAX_FILE = 4 << 20
local MAX_ALL = 256 << 20
local MAX_FILES = 20000
local MAX_NAMES = 20000 -- of one directory
local MAX_SEEN = 200000 -- names in all directories

---@param seconds number how long all may take
---@return reef.doctor.tree
function tree.new(seconds)
	return setmetatable({
		base = "", skipped = {}, bytes = 0, seen = 0, deadline = skynet.hpc() + math.tointeger(seconds * 1e9 // 1), said = {},
	}, tree)
end

---Says once that something is left out.
function tree:skip(file, message)
	if not self.said[file .. message] then
		self.said[file .. message] = true
		self.skipped[#self.skipped + 1] = { file = file, message = message }
	end
end

---Is there time left?
---@return boolean
function tree:in_time()
	if skynet.hpc() < self.deadline then
		return true
	end
	self.late = true
	return false
end

---The path as this process reaches it.
---@param path string
---@return string
function tree:at(path)
	if path:sub(1, 1) == "/" then
		return path
	end
	local relative = self.base .. path:gsub("^%./+", "")
	return relative == "" and "." or relative
end

---@param path string
---@return "file"|"directory"|"other"|nil kind, integer|string size_or_reason, string? id
function tree:stat(path)
	if path:find("\0", 1, true) then
		return nil, "a path has no zero bytes"
	end
	return files.stat(self:at(path))
end

---@param path string
---@return boolean
function tree:is_file(path)
	return self:stat(path) == "file"
end

---The text of a regular file; nil and the reason if it is none, too large or no text.
---@param path string
---@param most? integer bytes; 4 MB
---@return string? text, string? reason
function tree:read(path, most)
	most = most or MAX_FILE
	local kind, size = self:stat(path)
	if kind == nil then
		return nil, tostring(size):gsub("^.*: ", "")
	elseif kind ~= "file" then
		return nil, kind == "directory" and "is a directory" or "is no regular file"
	elseif size > most then
		return nil, ("%d MB are more than the %d that are looked at"):format(size >> 20, most >> 20)
	elseif self.bytes + size > MAX_ALL then
		return nil, ("more than %d MB of files"):format(MAX_ALL >> 20)
	end
	local f <close>, reason = io.open(self:at(path), "rb")
	if not f then
		return nil, (tostring(reason):gsub("^.*: ", ""))
	end
	local text = f:read(most) or ""
	self.bytes = self.bytes + #text
	return text
end

---All regular files below a directory whose names end so: paths, sorted.
---@param directory string
---@param ending string
---@param depth integer 1: not in directories within it
---@return string[]
function tree:list(directory, ending, depth)
	local found, seen = {}, {}
	local function walk(path, level)
		local kind, _, id = self:stat(path)
		if kind ~= "directory" or seen[id] or not self:in_time() then
			return
		end
		seen[id] = true
		local names, more = files.names(self:at(path), MAX_NAMES)
		if not names then
			return self:skip(path, more)
		elseif more then
			self:skip(path, ("more than %d names in one directory"):format(MAX_NAMES))
		end
		self.seen = self.seen + #names
		if self.seen > MAX_SEEN then
			return self:skip(path, ("more than %d names in all directories"):format(MAX_SEEN))
		end
		table.sort(names)
		for _, name in ipairs(names) do
			local child = (path == "" or path == "./") and path .. name or path:gsub("/*$", "/") .. name
			local child_kind = self:stat(child)
			if child_kind == "directory" then
				if level < depth then
					walk(child, level + 1)
				end
			elseif child_kind == "file" and name:sub(-#ending) == ending then
				if #found >= MAX_FILES then
					return self:skip(path, ("more than %d files"):format(MAX_FILES))
				end
				found[#found + 1] = child
			end
		end
	end
	walk(directory, 1)
	return found
end

return tree
