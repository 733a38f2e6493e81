-- reef top ADDR: looks at a running process, again and again.

local command = require "reef.command"
local fd = require "reef.fd"
local printable = require("reef.text").printable
local screen = require "reef.top.screen"
local skynet = require "skynet"
local terminal = require "reef.terminal"

local HELP = [[
Usage: reef top HOST:PORT [--once] [--interval SECONDS] [--sort FIELD] [--filter TEXT] [--group] [--limit N]

Shows what goes on in a process whose configuration has the key `metrics = "HOST:PORT"` (with `reef run`, REEF_METRICS):
its numbers, and its services from the busiest on. Without HOST it is this machine. With --once, or if stdin or stdout
is no terminal, it prints that once, as text.

  --once              print once, and end
  --interval SECONDS  between two looks (default 1)
  --sort FIELD        cpu_rate, memory, queued, message_rate or errors (default cpu_rate)
  --filter TEXT       only services whose names contain TEXT
  --group             services of the same name are one line
  --limit N           print the first N services (default 20; on a terminal as many as fit)

Keys: c, m, w, r, e sort by CPU, memory, mailbox (messages that wait), messages per second, errors; g groups; / filters:
type what the names contain, Enter keeps it, Esc drops it; up, down, page up and down move; q or Ctrl-C ends.

Exit code: 0 it has shown something, 1 the process cannot be asked, 2 the command line is wrong.
]]

local KEY_PAUSE = 20 -- hundredths of a second between two looks at the size of the terminal
local MOST_ROWS = 1000 -- of services that are asked for
local KEPT = 200 -- values of a curve

local function sort_by(field)
	for _, sort in ipairs(screen.sorts) do
		if sort.field == field then
			return sort
		end
	end
end

local function number_of(word, name, least, most)
	local n = tonumber(word)
	if not n or n < least or n > most then
		return nil, ("%s needs a number, %g to %g"):format(name, least, most)
	end
	return n
end

local function parse_arguments()
	local options = { interval = 1, sort = "cpu_rate", filter = "", limit = 20 }
	local next_argument = command.words()
	local flags = { ["--once"] = "once", ["--group"] = "grouped", ["--help"] = "help", ["-h"] = "help" }
	for word in next_argument do
		local wrong
		if flags[word] then
			options[flags[word]] = true
		elseif word == "--interval" then
			options.interval, wrong = number_of(next_argument(), word, 0.1, 3600)
		elseif word == "--limit" then
			options.limit, wrong = number_of(next_argument(), word, 1, MOST_ROWS)
		elseif word == "--sort" then
			options.sort = next_argument()
			wrong = not sort_by(options.sort) and "--sort needs cpu_rate, memory, queued, message_rate or errors" or nil
		elseif word == "--filter" then
			options.filter = next_argument()
			wrong = not options.filter and "--filter needs a text" or nil
		elseif word:sub(1, 1) == "-" then
			return nil, "unknown option " .. word
		elseif options.address then
			return nil, "one process at a time"
		else
			options.address = command.address(word)
		end
		if wrong then
			return nil, wrong
		end
	end
	return options
end

local function fail(options, problem)
	io.stderr:write(("reef top: %s: %s\n"):format(printable(options.address), printable(problem)))
	command.finish(1)
end

---------------------------------------------------------------------------------------------------------------------
-- on a terminal

local state
local look
local over = false

local function query(limit)
	return { sort = state.sort.field, filter = state.filter, grouped = state.grouped, limit = limit }
end

local function draw()
	local width, height = terminal.size()
	if not width then
		width, height = 80, 24
	end
	state.width, state.height = width, height
	local rows = look and #look.services or 0
	state.first = math.max(0, math.min(state.first, rows - 1))
	local lines = screen.lines(look, state, width, height)
	for i, line in ipairs(lines) do
		local bold = state.color and (line:find "^ADDRESS" or line:find "^SERVICES") and "\27[7m%s\27[m" or "%s"
		lines[i] = bold:format(line) .. "\27[K"
	end
	io.write("\27[H", table.concat(lines, "\r\n"), "\27[J")
	io.flush()
end

local function keep(list, value)
	if type(value) == "number" then
		list[#list + 1] = value
		if #list > KEPT then
			table.remove(list, 1)
		end
	end
end

local function ask(source)
	local result, problem = source:look(query(MOST_ROWS))
	state.problem = problem and ("lost: " .. problem) or nil
	look = result or look
	if result then
		keep(state.cpu, result.process.cpu_rate)
		keep(state.messages, result.process.message_rate)
	end
end

local MOVES <const> = {
	["\27[A"] = -1, ["\27OA"] = -1, k = -1, ["\27[B"] = 1, ["\27OB"] = 1, j = 1, ["\27[5~"] = -10, ["\27[6~"] = 10,
}

-- What a key does. True: the services have to be asked for anew.
local function press(key)
	if state.typing then
		if key == "\r" or key == "\n" then
			state.typing = false
		elseif key == "\27" then
			state.typing, state.filter = false, ""
		elseif key == "\127" or key == "\8" then
			state.filter = state.filter:sub(1, (utf8.offset(state.filter, -1) or 1) - 1)
		elseif key == "\3" then
			over = true
		elseif not key:find "^%c" then
			state.filter = printable(state.filter .. key)
		end
		return true
	elseif key == "q" or key == "\3" or key == "\4" then
		over = true
	elseif key == "/" then
		state.typing = true
	elseif key == "g" then
		state.grouped = not state.grouped
		return true
	elseif MOVES[key] then
		state.first = state.first + MOVES[key]
	end
	for _, sort in ipairs(screen.sorts) do
		if key == sort.key then
			state.sort, state.first = sort, 0
			return true
		end
	end
end

-- One key after the other: a sequence that begins with an escape is one.
local function each_key(text, f)
	while text ~= "" do
		local key = text:match "^\27[%[O][%d;]*[%a~]" or text:match("^" .. utf8.charpattern) or text:sub(1, 1)
		text = text:sub(#key + 1)
		f(key)
	end
end

local function watch(options, source)
	assert(terminal.take())
	local asking, wanted = {}, true
	skynet.fork(function()
		while not over do
			if not wanted then
				skynet.sleep(math.ceil(options.interval * 100), asking)
			end
			wanted = false
			ask(source)
			if not over then
				draw()
			end
		end
	end)
	while not over do
		local ready, why = fd.wait(0, "r", KEY_PAUSE)
		if ready then
			local text = terminal.read(4096)
			over = not text or text == ""
			each_key(text or "", function(key)
				if press(key) then
					wanted = true
					skynet.wakeup(asking)
				end
			end)
		elseif why ~= "timeout" then
			over = true
		end
		local width, height = terminal.size()
		if not over and (ready or width ~= state.width or height ~= state.height) then
			draw()
		end
	end
	terminal.give_back()
	command.finish(0)
end

---------------------------------------------------------------------------------------------------------------------

local function print_once(options)
	local lines = screen.head(look.process)
	lines[#lines + 1] = ""
	table.move(screen.table(look.services, options.grouped, 200), 1, options.limit + 1, #lines + 1, lines)
	io.write(table.concat(lines, "\n"), "\n")
	command.finish(0)
end

skynet.start(function()
	local options = command.options("top", HELP, parse_arguments, "address", "which process? HOST:PORT")
	if not options then
		return
	end
	local has_http, sources = pcall(require, "reef.top.source")
	if not has_http then
		return fail(options, tostring(sources))
	end
	local source, wrong = sources.new(options.address)
	if not source then
		return command.usage("top", wrong)
	end
	state = {
		sort = sort_by(options.sort), filter = options.filter, grouped = options.grouped or false, typing = false, first = 0,
		cpu = {}, messages = {}, color = command.colors(),
	}
	local on_terminal = not options.once and terminal.is_terminal(0) and terminal.is_terminal(1)
	local problem
	look, problem = source:look(query(on_terminal and MOST_ROWS or math.tointeger(options.limit // 1)))
	if not look then
		return fail(options, problem)
	elseif on_terminal then
		return watch(options, source)
	end
	print_once(options)
end)
