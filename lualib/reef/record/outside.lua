-- What a service that is recorded, or replayed, finds in the place of the libraries' functions that look outside: each
-- call is compared, and what it returned is recorded. In a replay files are stand-ins, which read what the record says.
--
-- Gets `call(name, f, ...)`, which is f(...) where there is an outside, `wall()`, the second, `chance()`, two integers,
-- and in a replay `knows_file(name)`: has the record that Lua file?

local call, wall, chance, knows_file = ...
local replaying = knows_file ~= nil

local loaded = package.loaded
local os, io, math, modules = loaded.os, loaded.io, loaded.math, loaded.package
local stock_open, stock_popen, stock_date, stock_output = io.open, io.popen, os.date, io.output
local stock_input, stock_time, stock_seed, stock_collect = io.input, os.time, math.randomseed, collectgarbage
local stdout, stderr, io_type = io.stdout, io.stderr, io.type

-- ---- time and chance ----

function os.time(t)
	return t == nil and wall() or stock_time(t)
end

function os.date(format, time)
	return stock_date(format or "%c", time or wall())
end

function math.randomseed(...)
	if select("#", ...) > 0 then
		return stock_seed(...)
	end
	return stock_seed(chance())
end
math.randomseed()

for _, name in ipairs { "clock", "getenv", "remove", "rename", "tmpname", "execute" } do
	local f = os[name]
	os[name] = function(...)
		return call("os." .. name, f, ...)
	end
end

function loaded._G.collectgarbage(option, ...)
	if option == "count" then
		return call("collectgarbage", stock_collect, option, ...)
	end
	return stock_collect(option, ...)
end

-- ---- modules ----

-- Those that are not here are in the record.
local search = modules.searchpath

if replaying then
	function modules.searchpath(name, path, separator, replacement)
		local found, reason = search(name, path, separator, replacement)
		for template in path:gmatch "[^;]+" do
			local file, tried = search(name, template, separator, replacement)
			local missing = not file and tried:match "^no file '(.*)'$"
			if file or missing and knows_file(missing) then
				return file or missing
			end
		end
		return found, reason
	end
end

-- ---- files ----

local function opened(name, open, ...)
	local file
	local ok, reason, code = call(name, function(...)
		local why, number
		file, why, number = open(...)
		return file ~= nil, why, number
	end, ...)
	if ok then
		return file or stock_open "/dev/null"
	end
	return nil, reason, code
end

function io.open(...)
	return opened("io.open", stock_open, ...)
end

function io.popen(...)
	return opened("io.popen", stock_popen, ...)
end

local methods = getmetatable(stdout).__index
local close = methods.close

for _, name in ipairs { "read", "seek", "setvbuf" } do
	local f = methods[name]
	methods[name] = function(...)
		return call("file:" .. name, f, ...)
	end
end

for _, name in ipairs { "write", "flush" } do
	local f = methods[name]
	methods[name] = function(file, ...)
		if replaying and (file == stdout or file == stderr) then
			f(file, ...)
		end
		local ok, reason, code = call("file:" .. name, function(...)
			local done, why, number = f(...)
			return done ~= nil, why, number
		end, file, ...)
		if ok then
			return file
		end
		return nil, reason, code
	end
end

function methods.close(file)
	if replaying and io_type(file) == "file" then
		close(file)
	end
	return call("file:close", close, file)
end

function methods.lines(file, ...)
	local formats = table.pack(...)
	return function()
		return file:read(table.unpack(formats, 1, formats.n))
	end
end

function io.lines(name, ...)
	if name == nil then
		return io.input():lines(...)
	end
	local file = assert(io.open(name))
	local formats, done = table.pack(...), false
	return function()
		local line = not done and file:read(table.unpack(formats, 1, formats.n)) or nil
		if line == nil and not done then
			done = true
			file:close()
		end
		return line
	end, nil, nil, file
end

function io.output(file)
	return stock_output(type(file) == "string" and assert(io.open(file, "w")) or file)
end

function io.input(file)
	return stock_input(type(file) == "string" and assert(io.open(file)) or file)
end

function io.read(...)
	return stock_input():read(...)
end

function io.write(...)
	return stock_output():write(...)
end

function io.close(file)
	return (file or stock_output()):close()
end
