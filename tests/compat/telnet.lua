-- config: snax = "$REEF_TEST_ROOT/tests/services/snax/?.lua"
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

test.case("snax starts a snax service, and its methods' times are its info", function()
	local address = run("snax counter 5"):match "^(:%x+) counter 5$"
	test.equal(value_of(run "list", address), "snlua snaxd counter")
	local counter = require("skynet.snax").bind(tonumber(address:sub(2), 16), "counter")
	counter.req.slow()
	test.matches(value_of(run("info " .. address), "slow"), "count:1\ttime:[%d.e-]+")
	test.matches(run "snax no_such", "^Failed.*no_such")
	require("skynet.snax").kill(counter)
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
	-- What is not built in says so, as the allocator under a sanitizer.
	if not test.sanitizer then
		test.matches(run "profactive", "active$")
	end
	local text, mark = ask(console(), "dumpheap")
	test.equal(mark == "<CMD OK>" or text ~= "", true)
end)

test.case("a result that is neither text nor table is printed, and the connection goes on", function()
	local id, key = console(), skynet.address(test.service "actor")
	test.matches(ask(id, "dbgcmd " .. key .. " MEM"), "^%d+%.%d+$")
	test.equal(ask(id, "dbgcmd " .. key .. " SUPPORT lua"), "true")
	test.equal(select(2, ask(id, "ping " .. key)), "<CMD OK>")
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

local function any(list)
	return list[math.random(#list)]
end

local function random_case(word)
	return (word:gsub("%a", function(c)
		return math.random(2) == 1 and c:upper() or c:lower()
	end))
end

local browser_methods = {
	"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "PRI", "QUERY", "X-OWN",
}

-- What a web page can make a browser send to this port: its own lines come after the first one only.
local function hostile_request(evil)
	local encoded = evil:gsub("[ \n]", { [" "] = "%20", ["\n"] = "%0a" })
	local target = any {
		"/", "/setenv/hit/x", "/" .. encoded, "*", "http://evil.example/", "/?" .. encoded, "127.0.0.1:1",
	}
	local first = any {
		any(browser_methods) .. " " .. target .. " HTTP/1.1\r\n",
		random_case(any(browser_methods)) .. " " .. target .. any { " HTTP/1.0\r\n", " HTTP/2.0\n", " http/3\r\n" },
		"GET /" .. encoded .. "\r\n",
		" POST  / HTTP/1.1\n",
		"\22\3\1\2\0\1\0\1\252\3\3" .. ("s"):rep(32) .. "\n",
		"\0\r\n",
	}
	local headers = any {
		"Host: evil.example\r\n", "Host: 127.0.0.1\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n",
		"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
		"Content-Type: text/plain\r\n", "",
	}
	return first .. headers .. any { "", "\r\n", "\n" } .. evil .. "\n" .. evil .. "\r\n"
end

test.case("nothing that looks like HTTP or TLS runs a command, and its connection ends", { timeout = 120 }, function()
	for n = 1, test.count(400) do
		local key = "console_hit_" .. n
		local text = hostile_request("setenv " .. key .. " x")
		local id = connect()
		for piece in text:gmatch(math.random(2) == 1 and ".+" or ("."):rep(math.random(9)) .. "?") do
			if not socket.write(id, piece) then
				break
			end
		end
		local answer = test.within(10, socket.readall, id)
		test.different(answer:find "CMD", true, text)
		test.equal(answer:gsub("^Welcome to skynet console\n", ""), "", text)
		test.equal(skynet.getenv(key), nil, text)
		socket.close(id)
	end
end)

test.case("HTTP ends a connection that was used as a console before, too", function()
	local id = console()
	ask(id, "help")
	socket.write(id, "GET / HTTP/1.1\nsetenv console_hit_late x\n")
	test.equal(test.within(10, socket.readall, id), "")
	test.equal(skynet.getenv "console_hit_late", nil)
end)

test.case("what is printed has no control characters and no passwords", function()
	local address = test.service "actor"
	local key = skynet.address(address)
	local text = run("call " .. key .. " 'return ...', '\\27[2J\\7\\r\\194\\155x', '\\155'")
	test.equal(text, "1\t\\x1b[2J\\x07\\x0d\\xc2\\x9bx\n2\t\\x9b\nn\t2")
	for _, expression in ipairs {
		"{ password = 's3cr3t x' }", "'redis://:s3cr3t/x@h'", "{ deep = 'unix://:s3cr3t@/x' }", "{ auth = 's3cr3t' }",
		"'mongodb://u:s3cr3t@a,b/?x=y'", "'redis://h?password=s3cr3t'",
	} do
		local shown = run("call " .. key .. " 'return ...', " .. expression)
		test.equal(shown:find "s3cr3t", nil, shown)
	end
	test.equal(fails("call " .. key .. " 'error [[redis://:s3cr3t@h]]'"):find "s3cr3t", nil)
	run "setenv some_password s3cr3t"
	test.equal(run "getenv some_password", "some_password\t***")
	run "setenv some_database redis://:s3cr3t@h/0"
	test.equal(run "getenv some_database", "some_database\tredis://***@h/0")
	run "start actor redis://:s3cr3t@h"
	test.equal(run "list":find "s3cr3t", nil)
	test.equal(run "mem":find "s3cr3t", nil)
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

test.case("a debugger that ends by itself, or never begins, takes no line from the console", function()
	local id = console()
	for _ = 1, 3 do
		local text, mark = test.within(20, ask, id, "debug :99")
		test.equal({ text, mark }, { "call to invalid address :00000099", "<CMD Error>" })
		test.matches(test.within(20, ask, id, "list"), "debug_console")
	end
	for _ = 1, 2 do
		local address = test.service "debugged"
		socket.write(id, "debug " .. skynet.address(address) .. "\n")
		local seen = ""
		test.eventually("the debugger's prompt", 20, function()
			seen = seen .. socket.read(id)
			return seen:find "> $"
		end)
		skynet.kill(address)
		test.eventually("it ends", 20, function()
			seen = seen .. socket.read(id)
			return seen:find "<CMD Error>\n$"
		end)
		test.matches(test.within(20, ask, id, "list"), "debug_console")
		test.equal(test.within(20, ask, id, "tail 1 :99"), "")
	end
end)

test.case("what cannot be done is an error that says what, and not where in Reef", function()
	for line, wanted in pairs {
		["inject .launcher nowhere.lua"] = "nowhere.lua: No such file or directory",
		["inject .launcher ."] = ".: cannot be read",
		["call .launcher nosuch("] = "call:1: unexpected symbol near <eof>",
		["loglevel loud"] = "reef.log: there is no level loud: debug, verbose, info, warn and error are",
		["tail many"] = "tail [n [address|all [id]]]",
		["signal :99"] = "no service :99", ["signal .launcher x"] = "signal address [n]",
		["logon :99"] = "no service :99", ["logoff :99"] = "no service :99",
		["profile none* soon"] = "profile: seconds has to be a number up to 3600, not soon",
	} do
		test.equal(fails(line), wanted, line)
	end
	test.equal(run "profile none* 0.1", "nothing was sampled: what is looked at was idle, or is not there")
end)

test.run()
