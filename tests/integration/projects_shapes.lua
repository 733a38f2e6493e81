-- timeout: 240
-- More shapes of projects: what stands around the core. Each starts, answers, and ends.
local process = require "test.process"
local project = require "project"
local test = require "test"

---Runs reef with a project's configuration to its end, the doctor before; its output.
local function run(files, code, options)
	local p = project.new(files)
	local doctor, said = p:run({ "doctor", "config" }, options)
	test.equal(doctor, 0, said)
	local exit, output = p:run({ "config" }, options)
	test.equal(exit, code or 0, output)
	return output, p, said
end

local function finish(server)
	server:signal "TERM"
	test.equal({ server:wait() }, { 0 }, server:output())
end

test.case("a web service: one accepts, several agents answer with httpd, a page speaks WebSocket", function()
	if not package.searchpath("http.httpd", test.root .. "/lualib/?.lua") or not pcall(require, "reef.http.server") then
		test.skip "built without HTTP"
	end
	local port = process.free_port()
	local p = project.new {
		config = ([[
			thread = 2
			harbor = 0
			start = "web"
			luaservice = "./?.lua"
			lua_path = "./?.lua"
			web_port = %d
		]]):format(port),
		["web.lua"] = [[
			local skynet = require "skynet"
			local socket = require "skynet.socket"
			local httpd = require "http.httpd"
			local sockethelper = require "http.sockethelper"
			local urllib = require "http.url"
			local websocket = require "http.websocket"
			local mode = ...
			if mode == "agent" then
				local handle = {}
				function handle.connect(id) end
				function handle.handshake(id, header, url) websocket.write(id, "welcome to " .. url) end
				function handle.message(id, msg, kind) websocket.write(id, msg:upper(), kind) end
				function handle.close() skynet.error "websocket is over" end
				local function respond(id, ...)
					local ok, err = httpd.write_response(sockethelper.writefunc(id), ...)
					if not ok then skynet.error(("fd = %d, %s"):format(id, err)) end
				end
				skynet.start(function()
					skynet.dispatch("lua", function(_, _, id, addr)
						socket.start(id)
						local code, url, method, header, body = httpd.read_request(sockethelper.readfunc(id), 8192)
						if not code then
							socket.close(id)
							return
						end
						if code == 200 and header.upgrade then
							websocket.accept(id, handle, "ws", addr, { upgrade = { header = header, method = method, url = url } })
							return
						end
						if code ~= 200 then
							respond(id, code)
						else
							local path, query = urllib.parse(url)
							local q = query and urllib.parse_query(query) or {}
							respond(id, 200, ("%s %s %s %s"):format(method, path, q.name or "-", body))
						end
						socket.close(id)
					end)
				end)
			else
				skynet.start(function()
					local agent = {}
					for i = 1, 4 do agent[i] = skynet.newservice(SERVICE_NAME, "agent") end
					local balance = 1
					local id = socket.listen("0.0.0.0", tonumber(skynet.getenv "web_port"))
					socket.start(id, function(fd, addr)
						skynet.send(agent[balance], "lua", fd, addr)
						balance = balance % #agent + 1
					end)
					skynet.error "web is listening"
				end)
			end
		]],
	}
	local server = p:start { "config" }
	server:expect "web is listening"
	local httpc, websocket = require "http.httpc", require "http.websocket"
	for _ = 1, 8 do
		local status, body = httpc.get("127.0.0.1:" .. port, "/hello?name=a%20b")
		test.equal({ status, body }, { 200, "GET /hello a b " })
	end
	local status, body = httpc.post("127.0.0.1:" .. port, "/form", { x = "1" })
	test.equal({ status, body }, { 200, "POST /form - x=1" })
	local id = websocket.connect(("ws://127.0.0.1:%d/room"):format(port))
	test.equal(websocket.read(id), "welcome to /room")
	websocket.write(id, "moves")
	test.equal(websocket.read(id), "MOVES")
	websocket.close(id)
	server:expect "websocket is over"
	finish(server)
end)

test.case("shared things: datacenter, multicast, sharedata, names, a queue, older names of modules", function()
	local output = run {
		config = ([[
			start = "main"
			luaservice = "./service/?.lua;./rooms/?/main.lua"
			lua_path = "./lualib/?.lua;%s/lualib/compat10/?.lua"
		]]):format(test.root),
		["lualib/words.lua"] = "return { hello = 'hello' }",
		["rooms/hall/main.lua"] = [[
			local skynet = require "skynet"
			local datacenter, multicast, sharedata = require "datacenter", require "multicast", require "sharedata"
			local inside = require "inside" -- beside this file
			skynet.start(function()
				local got = {}
				local channel = multicast.new {
					channel = datacenter.wait("channels", "news"),
					dispatch = function(_, _, ...) got[#got + 1] = table.concat({ ... }, "+") end,
				}
				channel:subscribe()
				local rules = sharedata.query "rules"
				skynet.dispatch("lua", function()
					skynet.sleep(2)
					assert(channel.channel) -- one that nobody refers to is unsubscribed
					skynet.retpack(inside.name, SERVICE_PATH, table.concat(got, ","), rules.price, rules.list[2])
				end)
			end)
		]],
		["rooms/hall/inside.lua"] = "return { name = 'inside' }",
		["service/main.lua"] = [[
			local skynet = require "skynet"
			require "skynet.manager"
			local datacenter, multicast, sharedata = require "datacenter", require "multicast", require "sharedata"
			local queue = require "skynet.queue"
			skynet.start(function()
				sharedata.new("rules", { price = 5, list = { "a", "b" } })
				local channel = multicast.new()
				skynet.timeout(2, function() datacenter.set("channels", "news", channel.channel) end)
				local hall = skynet.uniqueservice "hall"
				skynet.name(".hall", hall)
				channel:publish("good", require "words".hello)
				sharedata.update("rules", { price = 7, list = { "a", "c" } })
				local critical, order = queue(), {}
				for i = 1, 3 do
					skynet.fork(critical, function() skynet.sleep(3 - i) order[#order + 1] = i end)
				end
				skynet.sleep(5)
				critical(function() end)
				print("answer:", table.concat(order), skynet.call(".hall", "lua"))
				io.stdout:flush()
				skynet.abort()
			end)
		]],
	}
	test.matches(output, "answer:\t123\tinside\t%./rooms/hall/\tgood%+hello\t7\tc\n")
end)

test.case("two nodes of a cluster that read one file", function()
	local one, two = process.free_port(), process.free_port()
	local p = project.new {
		["config.one"] = "include 'common.lua' start = 'one'",
		["config.two"] = "include 'common.lua' start = 'two'",
		["common.lua"] = "harbor = 0 thread = 2 cluster = './clustername.lua' luaservice = './?.lua' lua_path = './?.lua'",
		["clustername.lua"] = ("__nowaiting = true\none = '127.0.0.1:%d'\ntwo = '127.0.0.1:%d'\n"):format(one, two),
		["one.lua"] = [[
			local skynet = require "skynet"
			local cluster = require "skynet.cluster"
			skynet.start(function()
				local db = {}
				skynet.dispatch("lua", function(_, _, cmd, key, value)
					if cmd == "set" then db[key] = value end
					skynet.retpack(db[key])
				end)
				cluster.register "sdb"
				cluster.open "one"
				skynet.error "one is open"
			end)
		]],
		["two.lua"] = [[
			local skynet = require "skynet"
			local cluster = require "skynet.cluster"
			skynet.start(function()
				local proxy = cluster.proxy "one@sdb"
				skynet.call(proxy, "lua", "set", "big", ("x"):rep(100000))
				cluster.send("one", "@sdb", "set", "a", 1)
				skynet.error("answer", #cluster.call("one", "@sdb", "get", "big"), cluster.call("one", "@sdb", "get", "a"),
					pcall(cluster.call, "three", "@x"))
			end)
		]],
	}
	for _, config in ipairs { "config.one", "config.two" } do
		local code, output = p:run { "doctor", config }
		test.equal(code, 0, output)
	end
	local first = p:start { "config.one" }
	first:expect "one is open"
	local second = p:start { "config.two" }
	second:expect "answer 100000 1 false"
	finish(second)
	finish(first)
end)

test.case("a daemon with a log service of its own, which opens its file anew", function()
	local p = project.new {
		config = [[
			thread = 2
			daemon = "./game.pid"
			logservice = "snlua"
			logger = "userlog"
			start = "main"
			luaservice = "./service/?.lua"
		]],
		["service/userlog.lua"] = [[
			local skynet = require "skynet"
			require "skynet.manager"
			local file = io.open("user.log", "a")
			skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
				dispatch = function(_, address, msg) file:write(("%08x: %s\n"):format(address, msg)) file:flush() end }
			skynet.register_protocol { name = "SYSTEM", id = skynet.PTYPE_SYSTEM, unpack = function(...) return ... end,
				dispatch = function() file:close() file = io.open("user.log", "a") file:write("anew\n") file:flush() end }
			skynet.start(function() end)
		]],
		["service/main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function() skynet.error "the game is on" end)
		]],
	}
	local code, output = p:run { "doctor", "config" }
	test.equal(code, 0, output)
	test.equal((p:run { "config" }), 0)
	local pid
	test.eventually("the daemon", 20, function()
		pid = tonumber((p:read "game.pid" or ""):match "%d+")
		return pid and (p:read "user.log" or ""):find "the game is on"
	end)
	test.equal((process.run { "kill", "-HUP", tostring(pid) }), 0)
	test.eventually("a file that was opened anew", 20, function()
		return p:read("user.log"):find "anew"
	end)
	-- A second one is refused while it lives.
	test.equal((p:run { "config" }), 1)
	test.equal((process.run { "kill", "-TERM", tostring(pid) }), 0)
	test.eventually("its end", 20, function()
		return p:read "game.pid" == nil
	end)
end)

test.case("a console by name reads its input; a configuration has variables, includes, a network of one", function()
	local lines = process.path "lines"
	local f <close> = assert(io.open(lines, "w"))
	local master = process.free_port()
	f:write("echo hello there\n\nnosuchservice\nsnax greets you\necho last\n")
	f:close()
	local output = run({
		["config"] = ([[
			include "etc/base.lua"
			start = "boot"
			harbor = 1
			standalone = "127.0.0.1:%d"
			master = "127.0.0.1:%d"
			address = "127.0.0.1:%d"
		]]):format(master, master, process.free_port()),
		["etc/base.lua"] = 'include "paths.lua" thread = $REEF_TEST_THREADS',
		["etc/paths.lua"] = "luaservice = './$REEF_TEST_WHERE/?.lua' snax = './$REEF_TEST_WHERE/?.lua'",
		["here/boot.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice "console"
				skynet.exit()
			end)
		]],
		["here/echo.lua"] = [[
			local skynet = require "skynet"
			local words = table.concat({ ... }, " ")
			skynet.start(function()
				print("echo:", words)
				io.stdout:flush()
				if words == "last" then skynet.timeout(20, require("skynet.manager").abort) else skynet.exit() end
			end)
		]],
		["here/greets.lua"] = "function init(who) print('snax:', who) io.stdout:flush() end",
	}, 0, { env = { REEF_TEST_THREADS = "2", REEF_TEST_WHERE = "here" }, stdin = lines })
	for _, line in ipairs { "echo:\thello there\n", "snax:\tyou\n", "echo:\tlast\n", "nosuchservice" } do
		test.matches(output, line)
	end
end)

test.case("a module that is not there is told when it is required, also by whoever can do without", function()
	local output = run {
		config = "start = 'main' luaservice = './?.lua'",
		["main.lua"] = [[
			local skynet = require "skynet"
			local ok, reason = pcall(require, "skynet.db.nosuchdatabase")
			skynet.start(function()
				print("without:", ok, (reason:match "^[^\n]*"))
				io.stdout:flush()
				require("skynet.manager").abort()
			end)
		]],
	}
	test.matches(output, "without:\tfalse\tmodule 'skynet%.db%.nosuchdatabase' not found:\n")
	-- Who cannot, does not start.
	local p = project.new { config = "start = 'main' luaservice = './?.lua'", ["main.lua"] = "require 'nosuchdatabase'" }
	test.equal((p:run { "doctor", "config" }), 1)
	local code
	code, output = p:run { "config" }
	test.equal(code, 1)
	test.matches(output, "cannot start main: [^\n]*module 'nosuchdatabase' not found")
end)

test.case("the whole of another implementation's tree may be on the paths, and may go", function()
	local bad = "error 'marker: a file of the other tree was run'"
	local files = {
		config = [[
			root = "./"
			thread = 2
			bootstrap = "snlua bootstrap"
			start = "main"
			luaservice = root .. "skynet/service/?.lua;" .. root .. "src/?.lua"
			lualoader = root .. "skynet/lualib/loader.lua"
			lua_path = root .. "skynet/lualib/?.lua;" .. root .. "skynet/lualib/?/init.lua;" .. root .. "src/lib/?.lua"
			lua_cpath = root .. "skynet/luaclib/?.so"
			cpath = root .. "skynet/cservice/?.so"
			snax = root .. "src/?.lua"
		]],
		["src/main.lua"] = [[
			local skynet = require "skynet"
			require "skynet.manager"
			local names = { "skynet.socket", "skynet.cluster", "skynet.datacenter", "skynet.snax", "skynet.crypt", "sproto",
				"bson", "md5", "skynet.netpack", "lib_of_mine" }
			for _, name in ipairs(names) do assert(require(name), name) end
			skynet.start(function()
				for _, name in ipairs { "clusterd", "sharedatad", "datacenterd", "gate" } do skynet.newservice(name) end
				print("answer:", skynet.call(skynet.uniqueservice "worker", "lua", 20))
				io.stdout:flush()
				skynet.abort()
			end)
		]],
		["src/worker.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function() skynet.dispatch("lua", function(_, _, n) skynet.retpack(n + 1) end) end)
		]],
		["src/lib/lib_of_mine.lua"] = "return true",
	}
	local modules = { "skynet", "loader", "sproto", "sprotoparser", "md5", "skynet/socket", "skynet/cluster",
		"skynet/manager", "skynet/datacenter", "skynet/snax", "skynet/db/redis", "snax/gateserver", "http/httpd" }
	for _, name in ipairs(modules) do
		files[("skynet/lualib/%s.lua"):format(name)] = bad
	end
	local services = { "bootstrap", "launcher", "clusterd", "sharedatad", "datacenterd", "gate", "service_mgr", "cdummy" }
	for _, name in ipairs(services) do
		files[("skynet/service/%s.lua"):format(name)] = bad
	end
	for _, name in ipairs { "skynet", "bson", "md5", "sproto" } do
		files[("skynet/luaclib/%s.so"):format(name)] = "no library"
	end
	for _, name in ipairs { "snlua", "logger", "gate", "harbor" } do
		files[("skynet/cservice/%s.so"):format(name)] = "no library"
	end
	local output, p, said = run(files)
	test.matches(output, "answer:\t21\n")
	test.truthy(not output:find "marker")
	test.matches(said, "%./skynet/service/: 8 services stand behind Reef's own: bootstrap, cdummy,")
	test.matches(said, "%./skynet/lualib/: 13 modules stand behind Reef's own: ")
	test.matches(said, "%./skynet/luaclib/: [34] modules stand behind Reef's own: ")
	test.equal((process.run { "rm", "-r", p:path "skynet" }), 0)
	local code
	code, output = p:run { "config" }
	test.equal(code, 0, output)
	test.matches(output, "answer:\t21\n")
	test.equal((p:run { "doctor", "config" }), 0)
end)

test.run()
