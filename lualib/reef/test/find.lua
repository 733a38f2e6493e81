-- Which files are tests: those that are named, and all *_test.lua below a directory that is.
local files = require "reef.files"

local MOST = 100000 -- names in a directory
local DEEPEST = 32 -- directories in directories; links may go round

local find = {}

local function walk(directory, found, depth)
	local names, why = files.names(directory, MOST)
	if not names then
		error(why, 0)
	end
	table.sort(names)
	for _, name in ipairs(names) do
		local path = directory .. "/" .. name
		local kind = files.stat(path)
		if kind == "directory" and depth < DEEPEST then
			walk(path, found, depth + 1)
		elseif kind == "file" and name:find "_test%.lua$" then
			found[#found + 1] = path
		end
	end
end

---@param what string[] files and directories; raises if one is not there, or has no tests
---@return string[]
function find.tests(what)
	local found = {}
	for _, path in ipairs(what) do
		local kind, why = files.stat(path)
		if kind == "directory" then
			local before = #found
			walk((path:gsub("(.)/+$", "%1")), found, 1)
			if #found == before then
				error(("%s: there is no file *_test.lua in it"):format(path), 0)
			end
		elseif kind then
			found[#found + 1] = path
		else
			error(why, 0)
		end
	end
	return found
end

return find
