-- A console over TCP, or a Unix socket: one command a line. `debug_console [ip] port`, `debug_console path`.
--
-- Whoever can connect can do everything to the process: keep it on the loopback address. That keeps out other machines,
-- but not the web pages that a browser on this one shows: what looks like HTTP, or like no line of text, ends the
-- connection. With the configuration key `console_http_token` a POST whose body is one command is answered, too, if it
-- carries that token.

local guard = require "reef.http_guard"
local run = require("service.debug_console.commands").run
local skynet = require "skynet"
local socket = require "reef.socket"
local text = require "reef.text"

local LINE_LIMIT = 64 * 1024 -- bytes of one command
local WRONG_TOKEN_PAUSE = 50 -- hundredths of a second

-- ---- HTTP, if the configuration has a token ----

local token ---@type string|nil
local listens ---@type string address

-- Answers a request with the output of the command that is its body, as text.
local http = guard.server(function()
	return listens
end, function()
	return { POST = true }
end, LINE_LIMIT, function(request)
	if not guard.has_token(request, token) then
		skynet.sleep(WRONG_TOKEN_PAUSE)
		return guard.refuse(401, "Authorization: Bearer and the token of console_http_token")
	elseif not request.header["content-length"] then
		return guard.refuse(411)
	end
	local command_line, output = request:body(), {}
	run({
		id = request.id,
		print = function(...)
			output[#output + 1] = text.clean(table.concat({ ... }, "\t"))
		end,
	}, command_line)
	return guard.answer(200, "text/plain; charset=utf-8", table.concat(output, "\n") .. "\n")
end)

-- ---- lines ----

local function greet(connection)
	if not connection.greeted and not socket.invalid(connection.id) then
		connection.greeted = true
		connection.print "Welcome to skynet console"
	end
end

-- The next line, which may be with the reader of a debugger that has ended.
---@param connection debug_console.connection
local function next_line(connection)
	if connection.reading then
		connection.waiting = coroutine.running()
		skynet.wait(connection.waiting)
		connection.waiting = nil
	end
	local line = connection.line
	connection.line = nil
	if line == nil then
		line = socket.readline(connection.id, "\n")
	end
	return line
end

---@param connection debug_console.connection
local function serve(connection)
	if token then
		-- An HTTP client speaks first: wait a moment before greeting, so that the answer begins with the status line.
		skynet.timeout(3, function()
			greet(connection)
		end)
	else
		greet(connection)
	end
	local first = true
	while true do
		local line = next_line(connection)
		if not line then
			return
		end
		line = line:gsub("\r$", "")
		if guard.is_request_line(line) then
			if token and first and not connection.greeted then
				connection.greeted = true
				return guard.serve(http, connection.id, connection.from, line)
			end
			error("this is HTTP, which the console does not speak here", 0)
		elseif line:find "[%z\1-\8\10-\31\127]" then
			error("this is not text", 0)
		end
		first = false
		greet(connection)
		run(connection, line)
	end
end

local function accept(id, from)
	skynet.error(("console: %s connected"):format(from))
	local connection = {
		id = id,
		from = from,
		print = function(...)
			local words = table.pack(...)
			for i = 1, words.n do
				words[i] = tostring(words[i])
			end
			socket.write(id, text.clean(table.concat(words, "\t")) .. "\n")
		end,
	}
	socket.start(id)
	socket.limit(id, LINE_LIMIT)
	local ok, reason = pcall(serve, connection)
	if not ok then
		skynet.error(("console: %s: %s"):format(from, tostring(reason)))
	end
	skynet.error(("console: %s disconnected"):format(from))
	socket.close(id)
end

local first, second = ...
local ip, port = "127.0.0.1", first
if second then
	ip, port = first, second
end

skynet.start(function()
	-- What a service that is being debugged says.
	skynet.dispatch("lua", function(_, _, what, socket_id, output)
		if what == "OUTPUT" then
			socket.write(socket_id, text.clean(output))
		end
	end)
	token = guard.token "console_http_token"
	local path = (second == nil or second == "0") and first and first:find "^/" and first
	if not path and not tonumber(port) then
		error("debug_console [ip] port, or debug_console /path", 0)
	end
	local id, address, real_port = socket.listen(path or ip, not path and tonumber(port) or nil)
	listens = address
	require("reef.look").keep() -- lines of the log, for `tail`
	skynet.error("Start debug console at " .. (path and address or ("%s:%d"):format(address, real_port)))
	if not address:find "^127%." and address ~= "::1" and not address:find("/", 1, true) then
		skynet.error "console: whoever reaches this address can do everything to the process"
	end
	skynet.info_func(function()
		return { ip = address, port = real_port }
	end)
	socket.start(id, accept)
end)
