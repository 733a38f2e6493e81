-- The commands of the debug console (debug_console.lua), a line each. What a command returns is shown.
local core = require "skynet.core"
local nearest = require("reef.options").nearest
local services = require "reef.services"
local skynet = require "skynet"
local socket = require "reef.socket"
local sorted = require "reef.base.sorted"
local text = require "reef.text"
require "reef.manager"

local console = {}

local help = {
	help = "This help message",
	list = "List all the services",
	stat = "stat [timeout]: dump all stats",
	info = "info address ...: get service information",
	exit = "exit address: ask a lua service to exit",
	kill = "kill address: kill a service at once",
	mem = "mem [timeout]: show memory of all lua services",
	gc = "gc [timeout]: force every lua service to collect garbage, then show memory",
	start = "start name ...: start a lua service",
	log = "log name ...: start a lua service with its message log on",
	snax = "snax name ...: start a snax service",
	service = "List the unique services",
	task = "task address [session]: show what the coroutines of a service wait in",
	uniqtask = "uniqtask address: the same, grouped",
	killtask = "killtask address thread: end a coroutine",
	dbgcmd = "dbgcmd address command ...: send a debug command",
	ping = "ping address: time of a round trip",
	inject = "inject address file ...: run a lua file inside a service",
	run = "run address code: run lua code, one line, inside a service; what it returns is shown",
	tail = "tail [n [address|all [id]]]: the last n lines of the log, of a service, from that id on",
	call = "call address 'cmd', arg, ...: call a lua service, arguments written in lua",
	logon = "logon address: log all messages of a service",
	logoff = "logoff address",
	record = "record [name|address [file|off]]: record services of that name from their next start on; list the records",
	loglevel = "loglevel [level [pattern]]: from which level on lines are written; of services whose names fit",
	signal = "signal address [n]: 0 interrupts a lua loop, 1 logs its memory",
	clearcache = "Forget the compiled lua files",
	profile = "profile address|pattern [seconds] [bytes]: where services spend CPU time, or allocate",
	heap = "heap address [seconds]: what is in a service's memory; with seconds, what grew meanwhile",
	trace = "trace address [proto] on|off: trace log of messages",
	debug = "debug address: attach the debugger to a lua service",
	cmem = "C memory of services",
	shared = "Memory that services share, and who holds old versions of it",
	jmem = "Statistics of the allocator",
	profactive = "profactive [on|off]: switch the allocator's profile",
	dumpheap = "Write the allocator's profile",
	netstat = "Show all sockets",
	getenv = "getenv name",
	setenv = "setenv name value",
}

---@class debug_console.connection
---@field id integer socket
---@field from string   peer
---@field print fun(...)
---@field greeted boolean|nil
---@field reading boolean|nil      the debugger's reader waits for a line,
---@field waiting thread|nil       the console for what it reads when the debugger has ended,
---@field line string|false|nil    which is this

local command = {} ---@type table<string, fun(...: string): any>
local special = {} ---@type table<string, fun(connection: debug_console.connection, line: string, ...: string): any>

---------------------------------------------------------------------------------------------------------------------
-- text

local function value_of(key, value)
	return text.names_secret(tostring(key)) and "***" or tostring(value)
end

local function one_line(t)
	local words = {}
	for i, key in ipairs(sorted.keys(t)) do
		words[i] = ("%s:%s"):format(tostring(key), value_of(key, t[key]))
	end
	return table.concat(words, "\t")
end

local function show(result, print)
	if type(result) == "table" then
		for _, key in ipairs(sorted.keys(result)) do
			local value = result[key]
			print(("%s\t%s"):format(tostring(key), type(value) == "table" and one_line(value) or value_of(key, value)))
		end
	elseif result ~= nil then
		print(tostring(result))
	end
end

local function bytes(n)
	if n >= 1048576 then
		return ("%.1fM"):format(n / 1048576)
	elseif n >= 1024 then
		return ("%.1fK"):format(n / 1024)
	end
	return ("%d"):format(n)
end

local function split(line)
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	return words
end

---------------------------------------------------------------------------------------------------------------------
-- commands

---@param word string? `:hex`, `.name` or hex
---@return integer
local function parse_address(word)
	if not word then
		error("this command needs the address of a service; list has them", 0)
	end
	local handle
	if word:byte() == 46 then
		handle = skynet.localname(word)
	else
		handle = tonumber(word:match "^:?(%x+)$" or "", 16)
	end
	if not handle or handle == 0 then
		error(("no service %s"):format(word), 0)
	end
	return handle
end

-- The same, of a service that is there.
---@param word string?
---@return string
local function living(word)
	local handle = parse_address(word)
	return services.alive(handle) and skynet.address(handle) or error(("no service %s"):format(word), 0)
end

local function launcher(...)
	return skynet.call(".launcher", "lua", ...)
end

local function timeout_of(word)
	local timeout = tonumber(word) or 300
	if timeout > 0 then
		return timeout
	end
end

function command.help()
	return help
end

function command.list()
	return launcher "LIST"
end

function command.stat(timeout)
	return launcher("STAT", timeout_of(timeout))
end

function command.mem(timeout)
	return launcher("MEM", timeout_of(timeout))
end

function command.gc(timeout)
	return launcher("GC", timeout_of(timeout))
end

function command.service()
	return skynet.call("SERVICE", "lua", "LIST")
end

local function started(ok, handle, ...)
	if not ok then
		skynet.error(handle)
		return "Failed: " .. tostring(handle)
	elseif not handle then
		return "Exit"
	end
	return ("%s %s"):format(skynet.address(handle), table.concat({ ... }, " "))
end

function command.start(...)
	local ok, handle = pcall(skynet.newservice, ...)
	return started(ok, handle, ...)
end

function command.log(...)
	local ok, handle = pcall(launcher, "LOGLAUNCH", "snlua", ...)
	return started(ok, handle, ...)
end

function command.snax(...)
	local ok, object = pcall(require("skynet.snax").newservice, ...)
	return started(ok, ok and object.handle or object, ...)
end

function command.exit(address)
	skynet.send(parse_address(address), "debug", "EXIT")
end

function command.kill(address)
	return launcher("KILL", parse_address(living(address)))
end

function command.info(address, ...)
	return skynet.call(parse_address(address), "debug", "INFO", ...)
end

function command.task(address, session)
	return skynet.call(parse_address(address), "debug", "TASK", tonumber(session) or session)
end

function command.uniqtask(address)
	return skynet.call(parse_address(address), "debug", "UNIQTASK")
end

function command.killtask(address, thread)
	return skynet.call(parse_address(address), "debug", "KILLTASK", thread)
end

function command.dbgcmd(address, name, ...)
	return skynet.call(parse_address(address), "debug", name, ...)
end

function command.ping(address)
	local handle, start = parse_address(address), skynet.hpc()
	skynet.call(handle, "debug", "PING")
	return ("%.3f cs"):format((skynet.hpc() - start) / 1e7)
end

function command.inject(address, filename, ...)
	local handle = parse_address(address)
	local file <close>, why = io.open(filename or error("inject needs a file", 0), "rb")
	local source = file and file:read "a"
	if not source then
		error(why or filename .. ": cannot be read", 0)
	end
	local ok, output = skynet.call(handle, "debug", "RUN", source, filename, ...)
	if not ok then
		error(output, 0)
	end
	return output
end

function special.call(_, line)
	local address, expression = line:match "^%s*%S+%s+(%S+)%s*(.*)$"
	local handle = parse_address(address)
	local f, wrong = load("return " .. expression, "=call", "t", {})
	local arguments = table.pack((f or error(wrong, 0))())
	if arguments.n == 0 then
		error("call what? write the arguments in lua: call " .. address .. " 'command', 1", 0)
	end
	return table.pack(skynet.call(handle, "lua", table.unpack(arguments, 1, arguments.n)))
end

-- An expression, or statements.
function special.run(_, line)
	local address, code = line:match "^%s*%S+%s+(%S+)%s*(.*)$"
	local handle = parse_address(address)
	local source = load("return " .. code, "=run", "t") and ("print(require('reef.values').list(" .. code .. "))") or code
	local ok, output = skynet.call(handle, "debug", "RUN", source, "=run")
	if not ok then
		error(output, 0)
	end
	return output
end

function command.tail(n, address, id)
	local words = {}
	if n and not tonumber(n) then
		error("tail [n [address|all [id]]]", 0)
	end
	for i, line in ipairs(require("reef.look.lines").last {
		limit = math.max(1, math.min(tonumber(n) or 20, 1000)) // 1, since = math.tointeger(tonumber(id)),
		address = address and address ~= "all" and parse_address(address) or nil,
	}) do
		words[i] = ("%d %s %s %s %s"):format(line.id, os.date("%H:%M:%S", line.time // 1), line.level, line.service,
			line.text:gsub("\n", " "))
	end
	return words[1] and table.concat(words, "\n")
end

function command.logon(address)
	core.command("LOGON", living(address))
end

function command.logoff(address)
	core.command("LOGOFF", living(address))
end

---The name under which a service was launched.
local function name_of(word)
	if not word:find "^[:.]" then
		return word
	end
	local address = parse_address(word)
	local line = launcher "LIST"[skynet.address(address)]
	return line and line:match "^snlua (%S+)" or error(("%s is no service in Lua"):format(word), 0)
end

function command.record(word, file)
	local record = require "reef.record"
	if not word then
		local lines = {}
		for _, one in ipairs(record.list()) do
			lines[#lines + 1] = ("%s\t%s\t%s\t%d bytes%s"):format(skynet.address(one.handle), one.name, one.path, one.bytes,
				one.stopped and "\t" .. one.stopped or "")
		end
		for _, name in ipairs(record.wanted()) do
			lines[#lines + 1] = name .. "\tfrom its next start on"
		end
		return #lines > 0 and table.concat(lines, "\n") or "nothing is recorded"
	end
	local name = name_of(word)
	if file == "off" then
		return record.stop(name) and ("no %s is recorded from now on"):format(name)
			or error(("no %s was to be recorded"):format(name), 0)
	end
	record.start(name, file)
	return ("%s is recorded from its next start on; one that runs has to be started again"):format(name)
end

function command.signal(address, n)
	local number = math.tointeger(tonumber(n or 0)) or error("signal address [n]", 0)
	core.command("SIGNAL", ("%s %d"):format(living(address), number))
end

function command.clearcache()
	require("skynet.codecache").clear()
end

function command.trace(address, protocol, flag)
	local handle = parse_address(address)
	if flag == nil then
		protocol, flag = "lua", protocol
	end
	if flag ~= "on" and flag ~= "off" then
		error("trace address [proto] on|off", 0)
	end
	skynet.call(handle, "debug", "TRACELOG", protocol, flag == "on")
end

function command.profile(service, seconds, kind)
	if not service then
		error("profile address|pattern [seconds] [bytes]", 0)
	end
	local address = service:find "^[:.]" and parse_address(service) or service
	local folded = require("reef.profile").take({
		service = address, seconds = tonumber(seconds or 10) or seconds, kind = kind or "cpu",
	}):folded()
	return folded ~= "" and folded or "nothing was sampled: what is looked at was idle, or is not there"
end

function command.heap(service, seconds)
	local profile, address = require "reef.profile", parse_address(service)
	local before = profile.heap(address)
	if seconds then
		skynet.sleep(math.ceil((tonumber(seconds) or error("heap address [seconds]", 0)) * 100))
		return profile.diff(before, profile.heap(address)):text()
	end
	return profile.diff({ paths = {}, bytes = {}, parents = {}, types = before.types }, before):text()
end

function special.debug(connection, _, address)
	local handle = parse_address(address)
	if skynet.getenv "thread" == "1" then
		error("the debugger stops the worker of its service: it needs thread = 2 or more", 0)
	end
	local channel, id = require("skynet.debugchannel").create()
	local finished = false
	connection.reading = true
	skynet.fork(function()
		while not finished do
			local line = socket.readline(connection.id, "\n")
			if finished then -- by another end than `cont`: the line is the console's
				connection.line = line
				break
			end
			channel:write(line and line:gsub("\r$", "") or "cont")
			if not line or line:match "^%s*cont%s*$" then
				break
			end
		end
		connection.reading = nil
		if connection.waiting then
			skynet.wakeup(connection.waiting)
		end
	end)
	local ok, reason = pcall(skynet.call, handle, "debug", "REMOTEDEBUG", connection.id, id)
	finished = true
	if not ok then
		error(reason, 0)
	end
end

-- A version of a shared table: bytes, and who holds it.
local function describe(version)
	local words = ("version %d, %s, %d readers"):format(version.version, bytes(version.bytes), #version.readers)
	for i, reader in ipairs(version.current and {} or version.readers) do
		if i > 8 then
			return words .. (", and %d more"):format(#version.readers - 8)
		end
		words = ("%s%s %s"):format(words, i == 1 and ", held by" or ",", skynet.address(reader.address))
		if reader.pinned_by then
			words = ("%s (%d references, one is %s)"):format(words, reader.left, reader.pinned_by)
		end
	end
	return words
end

function command.shared()
	local tables, code = require("skynet.sharetable").stat(), require("skynet.codecache").stat()
	local sheets = require("reef.datasheet").stat()
	local list = {
		[".code"] = ("%d files, %s"):format(#code.files, bytes(code.bytes)),
		[".tables"] = ("%d versions, %s"):format(tables.versions, bytes(tables.bytes)),
		[".sheets"] = ("%d rows, %s, %d readers; removed, perhaps still held: %d, %s"):format(sheets.rows,
			bytes(sheets.bytes), sheets.readers, sheets.retired, bytes(sheets.retired_bytes)),
	}
	for name, versions in pairs(tables.names) do
		for _, version in ipairs(versions) do
			list[version.current and name or ("%s, old %d"):format(name, version.version)] = describe(version)
		end
	end
	return list
end

function command.cmem()
	local memory = require "reef.allocator"
	local list = {}
	for handle, size in pairs(memory.info()) do
		list[skynet.address(handle)] = bytes(size)
	end
	list.total = bytes(memory.total())
	list.block = memory.block()
	return list
end

function command.jmem()
	local list = {}
	for name, size in pairs(require("reef.allocator").jestat()) do
		list[name] = ("%s\t%d"):format(bytes(size), size)
	end
	return list
end

function command.profactive(flag)
	local memory = require "reef.allocator"
	if flag ~= nil then
		memory.profactive(flag == "on" or flag == "true")
	end
	return "heap profiling is " .. (memory.profactive() and "active" or "inactive")
end

function command.dumpheap()
	require("reef.allocator").dumpheap()
end

function command.loglevel(level, pattern)
	local log = require "reef.log"
	if level then
		log.set(level, pattern or "*")
	end
	local list = {}
	for i, rule in ipairs(log.rules()) do
		list[i] = rule.pattern .. "\t" .. rule.level
	end
	return table.concat(list, "\n")
end

function command.getenv(name)
	return { [name or error("getenv name", 0)] = skynet.getenv(name) }
end

function command.setenv(name, value)
	if not value then
		error("setenv name value", 0)
	end
	skynet.setenv(name, value)
end

local function age(stamp, now)
	if not stamp or stamp == 0 then
		return nil
	end
	local centiseconds = now - stamp
	if centiseconds < 6000 then
		return ("%.2fs"):format(centiseconds / 100)
	elseif centiseconds < 360000 then
		return ("%.1fm"):format(centiseconds / 6000)
	end
	return ("%.1fh"):format(centiseconds / 360000)
end

function command.netstat()
	local now, list = skynet.now(), socket.netstat()
	for _, info in ipairs(list) do
		info.address = info.address and skynet.address(info.address)
		for _, name in ipairs { "read", "write", "wbuffer" } do
			info[name] = info[name] and bytes(info[name])
		end
		info.rtime, info.wtime = age(info.rtime, now), age(info.wtime, now)
	end
	return list
end

-- Before errors of the arguments with which a command calls others: here all that is called is ours.
local HERE <const> = "^[^%s:]*lualib/[%w_/]+%.lua:%d+: "

---Runs a command; what it says is printed.
---@param connection debug_console.connection
---@param line string
function console.run(connection, line)
	local words = split(line)
	local name = words[1]
	if not name then
		return
	end
	local ok, result
	if special[name] then
		ok, result = pcall(special[name], connection, line, table.unpack(words, 2))
	elseif command[name] then
		ok, result = pcall(command[name], table.unpack(words, 2))
	else
		local meant = nearest(name, help)
		ok, result = false, ("Invalid command %s, type help for command list%s"):format(name,
			meant and "; did you mean " .. meant .. "?" or "")
	end
	show(ok and result or not ok and tostring(result):gsub(HERE, "") or nil, connection.print)
	connection.print(ok and "<CMD OK>" or "<CMD Error>")
end

return console
