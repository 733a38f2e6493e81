-- The prompt of `reef repl`: each line is Lua that runs in this service, in an environment that stays. What a line
-- returns is shown. An input that goes on (an open function, say) is asked for to its end. From a file or a pipe it is
-- a script: the first error ends the process with exit code 1.
local process = require "reef.process"
local prompt = require "reef.prompt"
local skynet = require "skynet"
local values = require "reef.values"
require "reef.manager"

local MOST_WORDS = 200 -- that a word may become

local repl = {}

---Compiles what was typed: an expression, or statements.
---@param text string
---@return function|nil
---@return string|nil problem
---@return boolean|nil goes_on  it is the beginning of something
function repl.compile(text, environment)
	local f = load("return " .. text, "=repl", "t", environment)
	if f then
		return f
	end
	local problem
	f, problem = load(text, "=repl", "t", environment)
	if f then
		return f
	end
	return nil, problem, problem:find("<eof>", 1, true) ~= nil
end

---What the word that is being typed may become: names in the environment, fields behind a dot or a colon.
---@param word string
---@param environment table
---@return string[]
function repl.complete(word, environment)
	local before, path, last = word:match "^(.-)([%w_%.:]-)([%w_]*)$"
	local value = environment
	for name in path:gmatch "[%w_]+" do
		local ok, inner = pcall(function()
			return value[name]
		end)
		value = ok and inner or nil
	end
	local found = {}
	while type(value) == "table" do
		for key in next, value do
			if type(key) == "string" and key:find "^[%a_][%w_]*$" and key:sub(1, #last) == last and #found < MOST_WORDS then
				found[#found + 1] = before .. path .. key
			end
		end
		local meta = getmetatable(value)
		value = type(meta) == "table" and meta.__index
	end
	table.sort(found)
	return found
end

local function describe(err)
	return debug.traceback(type(err) == "string" and err or values.show(err), 2)
end

-- Nil: it raised.
local function evaluate(p, f)
	local result = table.pack(xpcall(f, describe))
	if not result[1] then
		io.stderr:write(require("reef.text").printable(result[2]), "\n")
		return nil
	elseif result.n > 1 then
		p:say(values.list(table.unpack(result, 2, result.n)))
	end
	return true
end

local function run()
	local environment = setmetatable({ skynet = skynet }, { __index = _G })
	local p = prompt.new("repl", function(word)
		return repl.complete(word, environment)
	end)
	if p.on_terminal then
		io.write("Lua inside a service, `skynet` is loaded. Ctrl-D ends.\n")
	end
	local good = true
	while good or p.on_terminal do
		local text = p:line "> "
		if not text then
			break
		end
		local f, problem, goes_on = repl.compile(text, environment)
		while not f and goes_on do
			local more = p:line ">> "
			if not more then
				break
			end
			text = text .. "\n" .. more
			f, problem, goes_on = repl.compile(text, environment)
		end
		if f then
			good = evaluate(p, f)
		elseif text:find "%S" then
			good = false
			io.stderr:write(problem, "\n")
		end
	end
	process.stop((good or p.on_terminal) and 0 or 1)
end

---To be called in the service's start function.
function repl.start()
	skynet.fork(function()
		local ok, reason = xpcall(run, debug.traceback)
		if not ok then
			io.stderr:write("reef repl: ", reason, "\n")
			process.stop(1)
		end
	end)
end

return repl
