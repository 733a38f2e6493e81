-- A directory with a configuration and services, as a user has one, for tests that start a `reef` of their own.
local process = require "test.process"
local test = require "test"

---@class project
---@field dir string
local project = {}
project.__index = project

---@param files? table<string, string> path -> text
---@return project
function project.new(files)
	local self = setmetatable({ dir = process.path "project" }, project)
	process.mkdir(self.dir)
	for path, text in pairs(files or {}) do
		self:write(path, text)
	end
	return self
end

function project:path(path)
	return self.dir .. "/" .. path
end

function project:write(path, text)
	for directory in path:gmatch "()/" do
		process.mkdir(self:path(path:sub(1, directory - 1)))
	end
	local f <close> = assert(io.open(self:path(path), "w"))
	f:write(text)
end

---The file's text, nil if there is none.
function project:read(path)
	local f <close> = io.open(self:path(path), "rb")
	return f and f:read "a"
end

local function command(self, words, options)
	local t = { test.reef, cwd = self.dir, env = options and options.env, stdin = options and options.stdin }
	table.move(words, 1, #words, 2, t)
	return t
end

---Starts reef with these words in the project's directory.
---@return test.process
function project:start(words, options)
	return process.start(command(self, words, options))
end

---Runs reef to its end: exit code, output.
function project:run(words, options)
	return process.run(command(self, words, options))
end

---Configuration text: thread = 2, services and modules of this directory, and the given lines.
function project:config(lines)
	self:write("config", "thread = 2\nluaservice = \"./?.lua\"\nlua_path = \"./?.lua\"\n" .. (lines or ""))
	return { "config" }
end

return project
