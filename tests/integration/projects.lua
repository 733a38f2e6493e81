-- timeout: 240
-- Projects in the shapes that public ones have: each starts from its configuration, answers, and ends. The doctor finds
-- nothing missing in any of them.
local crypt = require "skynet.crypt"
local process = require "test.process"
local project = require "project"
local socket = require "skynet.socket"
local test = require "test"

---Starts a project; the doctor has looked at it before.
local function start(files, options)
	local p = project.new(files)
	local code, output = p:run({ "doctor", "config" }, options)
	test.equal(code, 0, output)
	return p:start({ "config" }, options), p
end

---Ends it in order.
local function finish(server)
	server:signal "TERM"
	test.equal({ server:wait() }, { 0 }, server:output())
	test.truthy(not server:output():find "stack traceback", server:output())
end

local function connect(port)
	local id
	test.eventually("somebody who listens", 10, function()
		id = socket.open("127.0.0.1", port)
		return id
	end)
	test.defer(socket.close, id)
	return id
end

local function send_packet(id, text)
	socket.write(id, (">s2"):pack(text))
end

local function read_packet(id)
	local size = (">I2"):unpack(assert(socket.read(id, 2)))
	return size > 0 and assert(socket.read(id, size)) or ""
end

test.case("a game: watchdog, gate, agents, a protocol in sproto, a simple database, a console on a port", function()
	local port, console = process.free_port(), process.free_port()
	local server = start({
		config = ([[
			include "config.path"
			thread = 4
			logger = nil
			logpath = "."
			harbor = 0
			start = "main"
			bootstrap = "snlua bootstrap"
			luaservice = root .. "service/?.lua;" .. root .. "game/?.lua"
			lualoader = root .. "lualib/loader.lua"
			lua_path = root .. "lualib/?.lua;" .. root .. "lualib/?/init.lua"
			lua_cpath = root .. "luaclib/?.so"
			snax = root .. "game/?.lua;" .. root .. "test/?.lua"
			cpath = root .. "cservice/?.so"
			preload = root .. "game/preload.lua"
			port = %d
			console_port = %d
		]]):format(port, console),
		["config.path"] = 'root = "./"',
		["game/preload.lua"] = "game_name = 'hearts'",
		["lualib/proto.lua"] = [[
			local sprotoparser = require "sprotoparser"
			local header = ".package { type 0 : integer  session 1 : integer }\n"
			return {
				c2s = sprotoparser.parse(header .. "get 1 { request { what 0 : string } response { result 0 : string } }\n"
					.. "set 2 { request { what 0 : string  value 1 : string } }\n quit 3 {}"),
				s2c = sprotoparser.parse(header .. "heartbeat 1 {}"),
			}
		]],
		["game/main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				assert(game_name == "hearts")
				skynet.uniqueservice "protoloader"
				if not skynet.getenv "daemon" then skynet.newservice "console" end
				skynet.newservice("debug_console", skynet.getenv "console_port")
				skynet.newservice "simpledb"
				local watchdog = skynet.newservice "watchdog"
				local address, port = skynet.call(watchdog, "lua", "start", {
					port = tonumber(skynet.getenv "port"), maxclient = 64, nodelay = true })
				skynet.error("Watchdog listen on " .. address .. ":" .. port)
				skynet.exit()
			end)
		]],
		["game/protoloader.lua"] = [[
			local skynet = require "skynet"
			local sprotoloader = require "sprotoloader"
			local proto = require "proto"
			skynet.start(function() sprotoloader.save(proto.c2s, 1) sprotoloader.save(proto.s2c, 2) end)
		]],
		["game/simpledb.lua"] = [[
			local skynet = require "skynet"
			require "skynet.manager"
			local db = {}
			local command = {}
			function command.GET(key) return db[key] end
			function command.SET(key, value) local last = db[key] db[key] = value return last end
			skynet.start(function()
				skynet.dispatch("lua", function(session, address, cmd, ...)
					skynet.ret(skynet.pack(command[cmd:upper()](...)))
				end)
				skynet.register "SIMPLEDB"
			end)
		]],
		["game/watchdog.lua"] = [[
			local skynet = require "skynet"
			local CMD, SOCKET, gate, agent = {}, {}, nil, {}
			function SOCKET.open(fd, address)
				agent[fd] = skynet.newservice "agent"
				skynet.call(agent[fd], "lua", "start", { gate = gate, client = fd, watchdog = skynet.self() })
			end
			local function close_agent(fd)
				local a = agent[fd]
				agent[fd] = nil
				if a then skynet.call(gate, "lua", "kick", fd) skynet.send(a, "lua", "disconnect") end
			end
			SOCKET.close = close_agent
			function SOCKET.error(fd) close_agent(fd) end
			function SOCKET.warning() end
			function SOCKET.data() end
			function CMD.start(conf) return skynet.call(gate, "lua", "open", conf) end
			function CMD.close(fd) close_agent(fd) end
			skynet.start(function()
				skynet.dispatch("lua", function(session, source, cmd, subcmd, ...)
					if cmd == "socket" then SOCKET[subcmd](...) else skynet.ret(skynet.pack(CMD[cmd](subcmd, ...))) end
				end)
				gate = skynet.newservice "gate"
			end)
		]],
		["game/agent.lua"] = [[
			local skynet = require "skynet"
			local socket = require "skynet.socket"
			local sprotoloader = require "sprotoloader"
			local host, client_fd, watchdog
			local REQUEST, CMD = {}, {}
			function REQUEST:get() return { result = skynet.call("SIMPLEDB", "lua", "get", self.what) } end
			function REQUEST:set() skynet.call("SIMPLEDB", "lua", "set", self.what, self.value) end
			function REQUEST:quit() skynet.call(watchdog, "lua", "close", client_fd) end
			local function send_package(pack) socket.write(client_fd, string.pack(">s2", pack)) end
			skynet.register_protocol {
				name = "client", id = skynet.PTYPE_CLIENT,
				unpack = function(msg, sz) return host:dispatch(msg, sz) end,
				dispatch = function(fd, _, type, name, args, response)
					assert(fd == client_fd)
					skynet.ignoreret()
					assert(type == "REQUEST")
					local result = REQUEST[name](args)
					if response then send_package(response(result)) end
				end,
			}
			function CMD.start(conf)
				client_fd, watchdog = conf.client, conf.watchdog
				host = sprotoloader.load(1):host "package"
				skynet.call(conf.gate, "lua", "forward", client_fd)
			end
			function CMD.disconnect() skynet.exit() end
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, command, ...) skynet.ret(skynet.pack(CMD[command](...))) end)
			end)
		]],
	})
	server:expect "Watchdog listen on 0%.0%.0%.0:"
	local sproto = require "sproto"
	local header = ".package { type 0 : integer  session 1 : integer }\n"
	local c2s = sproto.parse(header .. "get 1 { request { what 0 : string } response { result 0 : string } }\n"
		.. "set 2 { request { what 0 : string  value 1 : string } }\n quit 3 {}")
	local host = c2s:host "package"
	local request = host:attach(c2s)
	for n = 1, 5 do
		local id = connect(port)
		send_packet(id, request("set", { what = "k" .. n, value = "v" .. n }))
		send_packet(id, request("get", { what = "k" .. n }, n))
		local kind, session, reply = host:dispatch(read_packet(id))
		test.equal({ kind, session, reply }, { "RESPONSE", n, { result = "v" .. n } })
		send_packet(id, request("quit"))
		test.equal((socket.read(id)), false)
	end
	local id = connect(console)
	test.equal(socket.readline(id), "Welcome to skynet console")
	socket.write(id, "list\n")
	local lines = {}
	repeat
		lines[#lines + 1] = socket.readline(id)
	until lines[#lines]:find "<CMD"
	test.matches(table.concat(lines, "\n"), "snlua simpledb\n.*<CMD OK>$")
	finish(server)
end)

test.case("a login service, message gates that register with it, and players behind them", function()
	local login, gate = process.free_port(), process.free_port()
	local server = start {
		config = ([[
			thread = 4
			harbor = 0
			start = "main"
			root = "./"
			luaservice = root .. "service/?.lua;" .. root .. "login/?.lua"
			lua_path = root .. "lualib/?.lua"
			login_port = %d
			gate_port = %d
		]]):format(login, gate),
		["login/main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				local loginserver = skynet.newservice "logind"
				local gate = skynet.newservice("gated", loginserver)
				skynet.call(gate, "lua", "open", {
					port = tonumber(skynet.getenv "gate_port"), maxclient = 64, servername = "sample" })
				skynet.error "open for all"
			end)
		]],
		["login/logind.lua"] = [[
			local login = require "snax.loginserver"
			local crypt = require "skynet.crypt"
			local skynet = require "skynet"
			local servers = {}
			local server = { host = "127.0.0.1", port = tonumber(skynet.getenv "login_port"), multilogin = false,
				name = "login_master" }
			function server.auth_handler(token)
				local user, name, password = token:match "([^@]+)@([^:]+):(.+)"
				user, name, password = crypt.base64decode(user), crypt.base64decode(name), crypt.base64decode(password)
				assert(password == "password", "Invalid password")
				return name, user
			end
			function server.login_handler(name, uid, secret)
				local gate = assert(servers[name], "Unknown server")
				return skynet.call(gate, "lua", "login", uid, secret)
			end
			local CMD = {}
			function CMD.register_gate(name, address) servers[name] = address end
			function server.command_handler(command, ...) return assert(CMD[command])(...) end
			login(server)
		]],
		["login/gated.lua"] = [[
			local msgserver = require "snax.msgserver"
			local skynet = require "skynet"
			local loginservice = tonumber(...)
			local server, users, id = {}, {}, 0
			skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT }
			function server.login_handler(uid, secret)
				id = id + 1
				local username = msgserver.username(uid, id, "sample")
				local agent = skynet.newservice "msgagent"
				skynet.call(agent, "lua", "login", uid)
				users[username] = agent
				msgserver.login(username, secret)
				return id
			end
			function server.logout_handler(uid, subid) msgserver.logout(msgserver.username(uid, subid, "sample")) end
			function server.kick_handler() end
			function server.disconnect_handler() end
			function server.request_handler(username, msg)
				return skynet.tostring(skynet.rawcall(users[username], "client", msg))
			end
			function server.register_handler(name) skynet.call(loginservice, "lua", "register_gate", name, skynet.self()) end
			msgserver.start(server)
		]],
		["login/msgagent.lua"] = [[
			local skynet = require "skynet"
			local who
			skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT, unpack = skynet.tostring }
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, _, uid) who = uid skynet.ret() end)
				skynet.dispatch("client", function(_, _, msg)
					skynet.sleep(2)
					skynet.ret(who .. " said " .. msg)
				end)
			end)
		]],
	}
	server:expect "open for all"
	for n = 1, 3 do
		local user = "user" .. n
		local id = connect(login)
		local function value()
			return crypt.base64decode(socket.readline(id))
		end
		local function say(text)
			socket.write(id, crypt.base64encode(text) .. "\n")
		end
		local challenge, key = value(), crypt.randomkey()
		say(crypt.dhexchange(key))
		local secret = crypt.dhsecret(value(), key)
		say(crypt.hmac64(challenge, secret))
		say(crypt.desencode(secret, ("%s@%s:%s"):format(crypt.base64encode(user), crypt.base64encode "sample",
			crypt.base64encode "password")))
		local subid = crypt.base64decode(socket.readline(id):match "^200 (.*)")
		local name = ("%s@%s#%s"):format(crypt.base64encode(user), crypt.base64encode "sample", crypt.base64encode(subid))
		local line = name .. ":1"
		local game = connect(gate)
		send_packet(game, line .. ":" .. crypt.base64encode(crypt.hmac_hash(secret, line)))
		test.equal(read_packet(game), "200 OK")
		send_packet(game, ("hello" .. (">I4"):pack(n)))
		test.equal(read_packet(game), user .. " said hello\1" .. (">I4"):pack(n))
	end
	finish(server)
end)

test.case("snax services with a root of their own, and one that is changed while it runs", function()
	local server = start {
		config = [[
			root = "./"
			start = "main"
			luaservice = root .. "app/?.lua"
			snax = root .. "snax/?.lua;" .. root .. "more/?/init.lua"
			logger = nil
		]],
		["app/main.lua"] = [[
			local skynet = require "skynet"
			local snax = require "skynet.snax"
			skynet.start(function()
				local ping = snax.newservice("pingserver", "hello")
				local count = snax.uniqueservice "counter"
				for i = 1, 10 do ping.post.add(i) end
				skynet.error("sum", ping.req.sum(), ping.req.ping "world", snax.queryservice("counter").req.next())
				snax.hotfix(ping, "local total function response.sum() return 'patched ' .. total end")
				skynet.error("sum", ping.req.sum())
				snax.kill(ping, "bye")
				skynet.error "end of snax"
			end)
		]],
		["snax/pingserver.lua"] = [[
			local skynet = require "skynet"
			local total, word = 0
			function init(w) word = w end
			function accept.add(n) total = total + n end
			function response.sum() return total end
			function response.ping(who) skynet.sleep(1) return word .. " " .. who end
			function exit(...) skynet.error("exit", ...) end
		]],
		["more/counter/init.lua"] = "local n = 0 function init() end function response.next() n = n + 1 return n end",
	}
	server:expect "sum 55 hello world 1\n"
	server:expect "sum patched 55\n"
	server:expect "exit bye\n"
	server:expect "end of snax"
	finish(server)
end)

test.run()
