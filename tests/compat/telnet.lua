-- The debug console over a real connection.
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"
local endless = require "endless"
local test = require "test"

local port

local function connect()
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	return id
end

---Sends a line and reads up to the mark that ends the answer.
local function ask(id, line)
	socket.write(id, line .. "\n")
	local lines = {}
	while true do
		local text = assert(socket.readline(id, "\n"), "the console closed the connection")
		if text == "<CMD OK>" or text == "<CMD Error>" then
			return table.concat(lines, "\n"), text
		end
		lines[#lines + 1] = text
	end
end

local function console()
	local id = connect()
	test.equal(socket.readline(id, "\n"), "Welcome to skynet console")
	return id
end

---One command on a connection of its own, which must succeed.
local function run(line)
	local text, mark = ask(console(), line)
	test.equal(mark, "<CMD OK>", text)
	return text
end

local function fails(line)
	local text, mark = ask(console(), line)
	test.equal(mark, "<CMD Error>", text)
	return text
end

---The value behind `key<TAB>` in a table's output.
local function value_of(text, key)
	for line in text:gmatch "[^\n]+" do
		local name, value = line:match "^(.-)\t(.*)$"
		if name == key then
			return value
		end
	end
end

test.case("it starts on a free port and says where", function()
	local address = skynet.newservice("debug_console", 0)
	port = skynet.call(address, "debug", "INFO").port
	test.truthy(port > 0)
	test.equal(skynet.call(address, "debug", "INFO").ip, "127.0.0.1")
end)

test.case("help lists the commands, sorted", function()
	local keys = {}
	for line in run("help"):gmatch "[^\n]+" do
		keys[#keys + 1] = line:match "^(%S+)\t"
	end
	test.truthy(#keys > 25)
	for i = 2, #keys do
		test.truthy(keys[i - 1] < keys[i])
	end
end)

test.case("many commands go over one connection, CRLF and empty lines among them", function()
	local id = console()
	socket.write(id, "\n\r\n")
	for _ = 1, 3 do
		test.matches(ask(id, "list\r"), "snlua debug_console 0")
	end
end)

test.case("an unknown command gives a hint and leaves the connection open", function()
	local id = console()
	local text, mark = ask(id, "nonsense")
	test.matches(text, "help")
	test.equal(mark, "<CMD Error>")
	test.equal(select(2, ask(id, "help")), "<CMD OK>")
end)

test.case("list, stat, mem, gc and service show all services", function()
	local address = test.service "actor"
	local key = skynet.address(address)
	test.equal(value_of(run "list", key), "snlua actor")
	test.matches(value_of(run "stat", key), "^cpu:%S+\tmessage:%d+\tmqlen:0\ttask:%d+$")
	test.matches(value_of(run "mem", key), "^%d+%.%d%d Kb %(snlua actor%)$")
	test.matches(value_of(run "gc 500", key), "Kb %(snlua actor%)$")
	skynet.uniqueservice "actor"
	test.matches(value_of(run "service", "actor"), "^:%x+$")
end)

test.case("start tells the address, what exited at once, and what failed", function()
	local address = run("start actor a b"):match "^(:%x+) actor a b$"
	test.equal(value_of(run "list", address), "snlua actor a b")
	run("kill " .. address)
	test.equal(value_of(run "list", address), nil)
	test.equal(run "start starts exits", "Exit")
	test.matches(run "start starts raises", "^Failed.*no luck today")
	address = run("log actor"):match "^(:%x+) actor$"
	test.matches(run("kill " .. address), "^" .. address .. "\tsnlua actor$")
end)

test.case("addresses are taken as :hex, hex and .name", function()
	local address = test.service "actor"
	skynet.name(".console_target", address)
	for _, text in ipairs { skynet.address(address), ("%x"):format(address), ".console_target" } do
		test.matches(run("ping " .. text), "^%d+%.%d+ cs$")
	end
	test.matches(fails "ping", "address")
	test.matches(fails "ping .nobody", "nobody")
	test.matches(fails "ping :zz", "zz")
	test.matches(fails "ping :ffffff", "invalid address")
end)

test.case("exit asks a service to end, kill ends it", function()
	local asked, killed = skynet.newservice "actor", skynet.newservice "actor"
	run("exit " .. skynet.address(asked))
	test.equal(run("kill " .. skynet.address(killed)), skynet.address(killed) .. "\tsnlua actor")
	test.eventually("both are gone", 10, function()
		local list = run "list"
		return not value_of(list, skynet.address(asked)) and not value_of(list, skynet.address(killed))
	end)
end)

test.case("info, task, uniqtask, killtask and dbgcmd ask the service itself", function()
	local address = test.service "actor"
	local key = skynet.address(address)
	skynet.call(address, "lua", "require'skynet'.info_func(function(...) return { words = table.concat({...}, '+') } end)")
	test.equal(run("info " .. key .. " a b"), "words\ta+b")
	skynet.fork(pcall, skynet.call, address, "lua", "require'skynet'.wait()")
	skynet.sleep(2)
	local thread = run("task " .. key):match "^thread: 0x(%x+) session: %d+\t"
	test.truthy(thread)
	test.matches(run("uniqtask " .. key), "^1\tsessions")
	test.equal(run("killtask " .. key .. " " .. thread), "")
	test.equal(run("killtask " .. key .. " " .. thread), "Not found")
	test.matches(run("dbgcmd " .. key .. " MEM"), "^%d+%.%d+$")
	test.equal(run("dbgcmd " .. key .. " GC"), "")
	test.matches(fails("dbgcmd " .. key .. " NONSENSE"), "NONSENSE")
end)

test.case("inject runs a file inside the service", function()
	local address = test.service "inner"
	local path = test.dir .. "/patch.lua"
	local function write(text)
		local f <close> = assert(io.open(path, "w"))
		f:write(text)
	end
	write "print(_P.lua.state.secret, ...)"
	test.equal(run("inject " .. skynet.address(address) .. " " .. path .. " x y"), "hidden\tx\ty")
	write "error 'bad patch'"
	test.matches(fails("inject " .. skynet.address(address) .. " " .. path), "bad patch")
	test.matches(fails("inject " .. skynet.address(address) .. " /no/such/file"), "No such file")
end)

test.case("call takes its arguments in lua", function()
	local address = test.service "actor"
	local output = run("call " .. skynet.address(address) .. " 'return ...', { a = 1 }, 2, 'three'")
	test.equal(output, "1\ta:1\n2\t2\n3\tthree\nn\t3")
	test.matches(fails("call " .. skynet.address(address) .. " syntax error"), "call:1:")
	test.matches(fails("call " .. skynet.address(address)), "arguments")
	test.matches(fails("call " .. skynet.address(address) .. " 'error [[no]]'"), "call failed")
end)

test.case("signal interrupts an endless loop", function()
	local address = test.service "actor"
	local outcome
	skynet.fork(function()
		outcome = table.pack(pcall(skynet.call, address, "lua", endless))
	end)
	skynet.sleep(10)
	test.equal(outcome, nil)
	run("signal " .. skynet.address(address))
	test.eventually("the loop ends", 20, function()
		return outcome
	end)
	test.equal(outcome[1], false)
	test.matches(outcome[2], "signal 0")
	run("signal " .. skynet.address(address) .. " 1")
	test.equal(skynet.call(address, "lua", "return 'alive'"), "alive")
end)

test.case("logon, logoff, trace, clearcache and netstat are accepted", function()
	local key = skynet.address(test.service "actor")
	run("logon " .. key)
	run("logoff " .. key)
	run("trace " .. key .. " on")
	run("trace " .. key .. " lua off")
	test.matches(fails("trace " .. key), "on|off")
	test.matches(run "netstat", "LISTEN")
end)

test.case("getenv and setenv reach the environment", function()
	test.equal(run "getenv harbor", "harbor\t0")
	test.equal(run "setenv console_made x", "")
	test.equal(skynet.getenv "console_made", "x")
	test.matches(fails "setenv harbor 1", "harbor")
end)

test.case("cmem, jmem and profactive tell about memory", function()
	test.matches(value_of(run "cmem", skynet.address(skynet.self())), "^%d")
	run "jmem"
end)

test.case("shared tells what services share, and who holds old versions", function()
	local sharetable = require "skynet.sharetable"
	sharetable.loadtable("console", { words = "one two" })
	local words = sharetable.query("console").words:gmatch "%a+"
	sharetable.loadtable("console", { words = "three" })
	sharetable.update "console"
	local output = run "shared"
	test.matches(value_of(output, "console"), "^version %d+, [%d.]+K, 1 readers$")
	test.matches(output, "console, old %d+%s+version %d+.-, held by :%x+ %(1 references, one is a string kept by")
	test.matches(value_of(output, ".code"), "^%d+ files, ")
	test.matches(value_of(output, ".sheets"), "^%d+ rows, ")
	words()
end)

test.case("HTTP GET and POST are answered with the output", function()
	local function request(text)
		local id = connect()
		socket.write(id, text)
		return socket.readall(id)
	end
	local reply = request "GET /getenv/harbor HTTP/1.1\r\nHost: x\r\n\r\n"
	test.matches(reply, "^HTTP/1%.1 200 OK\r\n")
	test.matches(reply, "\r\n\r\nharbor\t0\n<CMD OK>\n$")
	reply = request "POST / HTTP/1.1\r\nContent-Length: 13\r\n\r\ngetenv harbor"
	test.matches(reply, "\r\n\r\nharbor\t0\n<CMD OK>\n$")
	test.matches(request "GET /nonsense HTTP/1.0\r\n\r\n", "<CMD Error>\n$")
end)

test.case("a line that never ends does not fill the memory", function()
	local id = console()
	local piece = ("x"):rep(64 * 1024)
	for _ = 1, 64 do
		if not socket.write(id, piece) then
			break
		end
		skynet.sleep(1)
	end
	test.equal((socket.readline(id, "\n")), false)
end)

test.case("the debugger stops at a watched message and reads and writes its locals", function()
	local address = test.service "debugged"
	local id = console()
	socket.write(id, "debug " .. skynet.address(address) .. "\n")
	local function expect(pattern)
		local seen = ""
		while true do
			seen = seen .. assert(socket.read(id))
			if seen:find(pattern) then
				return seen
			end
		end
	end
	local function say(line, pattern)
		socket.write(id, line .. "\n")
		return test.within(20, expect, pattern)
	end
	test.within(20, expect, "> $")
	say("1 + 1", "2\n> $")
	say("watch('lua', function(n) return n == 42 end)", "> $")
	test.equal(skynet.call(address, "lua", 1), 11)
	local result
	skynet.fork(function()
		result = skynet.call(address, "lua", 42)
	end)
	test.within(20, expect, "debugged.lua:%d+\n> $")
	say("n", "debugged.lua:%d+\n> $")
	say("number", "42\n> $")
	say("number = 100", "> $")
	say("n", "debugged.lua:%d+\n> $")
	say("s", "debugged.lua:%d+\n> $")
	say("upvalue + number", "110\n> $")
	test.equal(result, nil)
	socket.write(id, "c\n")
	test.eventually("the message goes on", 20, function()
		return result
	end)
	test.equal(result, 110)
	say("cont", "<CMD OK>\n$")
	test.equal(skynet.call(address, "lua", 2), 12)
end)

test.run()
