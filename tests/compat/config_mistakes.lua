-- tsan: no, the command line and what it reads
-- What a configuration that is wrong is told: each mistake, and the message that it gets. A mistake that ends the start
-- is said on stderr with its file and line; one that a project may mean is a warning there, and the start goes on.
local process = require "test.process"
local project = require "project"
local test = require "test"

local MAIN = [[
	require("skynet").start(function()
		print "main is up"
		io.stdout:flush()
		require("skynet.manager").abort()
	end)
]]

-- The configuration has three lines before what a case adds: those of project:config.
local function run(lines, files, options)
	files = files or {}
	files["main.lua"] = files["main.lua"] or MAIN
	local p = project.new(files)
	local errors = p:path "stderr"
	local words = { test.reef, table.unpack(p:config(lines)) }
	words.cwd, words.stderr, words.env = p.dir, errors, options and options.env
	table.move(options and options.words or {}, 1, 99, #words + 1, words)
	local code, output = process.run(words)
	return code, p:read "stderr", output, p
end

---The start ends with exit code 1 and this alone on stderr.
local function refused(lines, message, files, options)
	local code, errors, output = run(lines, files, options)
	test.equal({ code, errors }, { 1, "reef: " .. message .. "\n" }, lines)
	test.equal(output:find "main is up", nil)
end

---The start is what it would be, with this on stderr.
local function warned(lines, message, files, options)
	local code, errors, output = run(lines, files, options)
	test.equal({ code, errors }, { 0, message and "reef: " .. message .. "\n" or "" }, lines)
	test.matches(output, "main is up")
end

local function check(lines, files)
	local p = project.new(files or { ["main.lua"] = MAIN })
	p:config(lines)
	local code, output = p:run { "check", "config" }
	return code, output
end

local INTEGER <const> = "%s = %s: must be an integer %s"

test.case("numbers: each value that is none, or too small or large", function()
	local ranges = {
		thread = "from 1 to 1024", harbor = "from 0 to 255", shutdown_timeout = "of at least 0", log_buffer = "of at least 1",
		socket_linger = "of at least 0", socket_connect_timeout = "of at least 1", socket_limit = "of at least 0",
		mailbox_messages = "of at least 0", await_threads = "of at least 1", cluster_lease = "of at least 200",
		etcd_timeout = "of at least 1", bus_heartbeat = "of at least 1", daemon_timeout = "of at least 0",
		cluster_limit = "of at least 65536", mongo_srv_poll = "of at least 1", socket_write_limit = "of at least 0",
	}
	local bad = { "'abc'", "-1", "1.5", "'5x'", "''", "true", "1e300" }
	for key, range in pairs(ranges) do
		local value = bad[math.random(#bad)]
		local text = ({ ["1e300"] = "1e+300" })[value] or value:gsub("'", "")
		-- The last assignment counts, and its line is told.
		refused(("\n%s = 1\n%s = %s"):format(key, key, value), "config:6: " .. INTEGER:format(key, text, range))
	end
end)

test.case("a token that can be guessed ends the start, and is not shown", function()
	for _, key in ipairs { "metrics_token", "console_http_token" } do
		for _, value in ipairs { "", "short", "fifteen letters", "sixteen letters and spaces" } do
			local lines = ("%s = '%s'"):format(key, value)
			refused(lines, ("config:4: %s = ***: must have at least 16 visible characters, without spaces"):format(key))
			local code, output = check(lines)
			test.equal(code, 1)
			test.matches(output, "config:4: " .. key .. " = %*%*%*: must have at least 16 visible characters")
		end
		warned(key .. " = 'sixteen.letters!'")
	end
end)

test.case("all wrong values are told, not only the first", function()
	local code, errors = run "thread = 0\nlog_buffer = 'x'\nsocket_linger = {}"
	test.equal({ code, errors }, { 1,
		"reef: config:6: Invalid config table key = socket_linger (its value is a table)\n" })
	code, errors = run "thread = 0\nlog_buffer = 'x'\nsocket_linger = 'y'"
	test.equal(code, 1)
	for _, line in ipairs { "config:4: thread = 0: ", "config:5: log_buffer = x: ", "config:6: socket_linger = y: " } do
		test.truthy(errors:find(line, 1, true), line)
	end
end)

test.case("a misspelled key is a warning that names the known one", function()
	for wrong, right in pairs {
		shutdown_timout = "shutdown_timeout", sockt_linger = "socket_linger", tread = "thread", loger = "logger",
		lua_pathh = "lua_path", socket_limti = "socket_limit", Start = "start", metrisc = "metrics",
	} do
		warned(wrong .. " = 5", ("config:4: warning: Reef knows no key %s (did you mean %s?)"):format(wrong, right))
	end
end)

test.case("keys of a project's own are no mistake", function()
	warned("database = 'x' root = './' max_clients = 5 nodeid = 3 lualib_path = 'y' debug = true logs = 1")
end)

test.case("values that only some processes look at are warnings", function()
	warned("profile = 'x'", "config:4: warning: profile = x: must be true or false")
	warned("etcd = 'me'", "config:4: warning: etcd = me: must begin with one of: http:// https://")
	warned("mine = eight", "config:4: warning: mine is given no value, for eight has none (a text needs quotes)")
	warned("thread = eight", "config:4: warning: thread is given no value, for eight has none (a text needs quotes)")
	warned("thread = eight or 4\nlogger = nil\nsnax = snax\nmine = false",
		"config:6: warning: snax is given no value, for snax has none (a text needs quotes)")
	warned("include 'other'\nmine = there", "other:2: warning: a is given no value, for b has none (a text needs quotes)",
		{ other = "there = 1\na = b" })
	warned("multicast = 'x'", "config:4: warning: multicast = x: must be one of: harbor bus")
	warned("snax = './x.lua'",
		"config:4: warning: snax = ./x.lua: must be patterns, separated by ;, each with a ? for the name")
	warned("cluster = './nowhere'", "config:4: warning: cluster = ./nowhere: cannot be read: No such file or directory")
	warned("certfile = '.'", "config:4: warning: certfile = .: cannot be read: Is a directory")
end)

test.case("what cannot be a value ends the start", function()
	refused("cluster_listen = 'x'", "config:4: cluster_listen = x: must be one of: any secure loopback")
	refused("start = ''", "config:4: start = : must not be empty")
	refused("cpath = './x'", "config:4: cpath = ./x: must be patterns, separated by ;, each with a ? for the name")
	for _, host in ipairs { "abc", "127.0.0.1", "a:", "a:x", "127.0.0.1:65536", "127.0.0.1:-1", ":+1", "9464" } do
		refused(("metrics = '%s'"):format(host),
			("config:4: metrics = %s: must be an address with a port, such as 127.0.0.1:9464"):format(host))
	end
	for _, rate in ipairs { "7", "-0.1", "'1%'", "'many'", "''", "1/0" } do
		refused("trace_rate = " .. rate,
			("config:4: trace_rate = %s: must be a number from 0 to 1"):format(rate == "1/0" and "inf" or rate:gsub("'", "")))
	end
	refused("otlp_endpoint = 'host:4318'",
		"config:4: otlp_endpoint = host:4318: must begin with one of: http:// https://")
end)

test.case("mistakes are told in the order of their lines", function()
	local lines = { "trace_rate = 7", "log_format = 'xml'", "shutdown_timout = 1", "harbor = 'x'", "await_threads = 0",
		"log_buffer = 0" }
	refused(table.concat(lines, "\n"), table.concat({
		"config:4: trace_rate = 7: must be a number from 0 to 1",
		"config:5: log_format = xml: must be one of: text json",
		"config:6: warning: Reef knows no key shutdown_timout (did you mean shutdown_timeout?)",
		"config:7: harbor = x: must be an integer from 0 to 255",
		"config:8: await_threads = 0: must be an integer of at least 1",
		"config:9: log_buffer = 0: must be an integer of at least 1",
	}, "\nreef: "))
end)

test.case("a preload, lualoader or bootstrap that is bad says why on stderr", function()
	local files = { ["bad.lua"] = "x = = 1", ["boom.lua"] = "error 'boom'" }
	refused("preload = './none.lua'", "config:4: preload = ./none.lua: cannot be read: No such file or directory")
	refused("lualoader = './none.lua'", "config:4: lualoader = ./none.lua: cannot be read: No such file or directory")
	refused("preload = './boom.lua'", "Bootstrap error : ./boom.lua:1: boom", files)
	refused("lualoader = './boom.lua'", "Bootstrap error : ./boom.lua:1: boom", files)
	refused("lualoader = './bad.lua'", "Bootstrap error : ./bad.lua:1: unexpected symbol near '='", files)
	refused("bootstrap = 'snlua none'", "Bootstrap error : cannot open ./none.lua: No such file or directory")
	refused("bootstrap = 'none'", "Bootstrap error : cannot launch none, which the key bootstrap names")
	refused("bootstrap = ''", "config:4: bootstrap = : must not be empty")
	local code, errors = run("preload = './bad.lua'", files)
	test.equal(code, 1)
	test.matches(errors, "^reef: Bootstrap error : .*%./bad%.lua:1: unexpected symbol near '='\n$")
end)

test.case("files that include themselves, or a directory", function()
	refused("include 'config'", "config:4: a file that is being read is included again: config -> config")
	refused("include './config'", "config:4: a file that is being read is included again: config -> ./config")
	refused("include 'sub/a'", "sub/b:1: a file that is being read is included again: sub/a -> sub/b -> sub/../sub/a",
		{ ["sub/a"] = "include 'b'", ["sub/b"] = "include '../sub/a'" })
	refused("include 'sub'", "config:4: sub: Is a directory", { ["sub/a"] = "" })
	refused("include 'none'", "config:4: none: No such file or directory")
	warned("include 'marked'", nil, { marked = "\xef\xbb\xbfmine = 5 -- an editor's mark\n" })
	refused("include 'marked'", "marked:2: thread = x: must be an integer from 1 to 1024",
		{ marked = "\xef\xbb\xbf\nthread = 'x'" })
	refused("include = 'x'", "config:4: include is a function, and no key")
	local files = {}
	for i = 1, 40 do
		files["deep" .. i] = ("include 'deep%d'"):format(i + 1)
	end
	refused("include 'deep1'", "deep31:1: more than 32 files include each other, the last is deep32", files)
	warned("include 'twice' include 'twice'", nil, { twice = "mine = (mine or 0) + 1" })
end)

test.case("the place of a value is that of its file", function()
	refused("include 'sub/a'", "sub/a:2: thread = 0: must be an integer from 1 to 1024", { ["sub/a"] = "\nthread = 0" })
end)

test.case("$ in comments stays, and elsewhere it has an escape and defaults", function()
	warned("-- costs 5$ $REEF_TEST_NOT_SET ${\n--[==[ $REEF_TEST_NOT_SET ]]\n ]==]")
	local main = [[
		local skynet = require "skynet"
		skynet.start(function()
			print(skynet.getenv "a", skynet.getenv "b", skynet.getenv "c", skynet.getenv "d", skynet.getenv "e")
			print "main is up"
			io.stdout:flush()
			require("skynet.manager").abort()
		end)
	]]
	local code, errors, output = run([==[
		a = "$$5 $$NAME" b = "${REEF_TEST_A}x" c = '${REEF_TEST_NOT_SET:-a -- default} ${REEF_TEST_EMPTY:-2}'
		d = [[--$REEF_TEST_A]] e = "\"--$REEF_TEST_A\" [[" -- "$
	]==], { ["main.lua"] = main }, { env = { REEF_TEST_A = "from outside", REEF_TEST_EMPTY = "" } })
	test.equal({ code, errors }, { 0, "" })
	test.truthy(output:find('$5 $NAME\tfrom outsidex\ta -- default 2\t--from outside\t"--from outside" [[\n', 1,
		true), output)
	refused("\na = '$REEF_TEST_NOT_SET'",
		'config:5: the environment variable $REEF_TEST_NOT_SET is not set; "${NAME:-text}" has a text for that')
	refused("a = 'x$'", "config:4: a $ without a name; $$ is a dollar sign")
	for _, bad in ipairs { "${A", "${}", "${A:x}", "${A:-\n}" } do
		refused("a = '" .. bad .. "'", "config:4: ${ is followed by neither NAME} nor NAME:-text}")
	end
end)

test.case("words behind the configuration are refused, and commands that are misspelled are guessed", function()
	refused("", "unexpected more: a start takes a configuration file and nothing else (see reef --help)", nil,
		{ words = { "more" } })
	local p = project.new { ["x.lua"] = "", here = "", ["rnu2"] = "thread = 0" }
	local function says(words, code, pattern)
		local got, output = p:run(words)
		test.equal(got, code, table.concat(words, " "))
		test.matches(output, pattern)
	end
	says({ "rnu", "x" }, 1,
		"^reef: there is neither a command nor a configuration file rnu %(did you mean reef run%?%)\n$")
	says({ "chekc", "x" }, 1, "did you mean reef check")
	for word, meant in pairs { tst = "test", nwe = "new", tpo = "top", atach = "attach", repll = "repl" } do
		says({ word }, 1, "did you mean reef " .. meant)
	end
	says({ "rnu2" }, 1, "rnu2:1: thread = 0")
	says({ "run", "--help" }, 0, "^Usage: reef run SCRIPT")
	says({ "run" }, 1, "^reef run: which script%? %(see reef run %-%-help%)\n$")
	says({ "run", "--what" }, 1, "^reef run: unknown option %-%-what %(see reef run %-%-help%)\n$")
	says({ "run", "none.lua" }, 1, "^reef run: cannot run none%.lua: No such file or directory\n$")
	says({ "help" }, 0, "^Usage: reef CONFIG")
end)

-- ---- daemon ----

test.case("a daemon whose start fails ends with the exit code and the reason of that", function()
	refused("daemon = './pid' start = 'none'",
		"cannot start none: call failed: cannot open ./none.lua: No such file or directory")
	refused("daemon = './pid' preload = './boom.lua'", "Bootstrap error : ./boom.lua:1: boom",
		{ ["boom.lua"] = "error 'boom'" })
	refused("daemon = './pid' bootstrap = 'none'", "Bootstrap error : cannot launch none, which the key bootstrap names")
	-- Without a log, the log's lines are on stderr, too.
	local code, errors = run "daemon = './pid' logger = './none/x'"
	test.equal(code, 1)
	test.matches(errors, "reef: cannot open the log %./none/x: No such file or directory\n")
	local p
	local _
	code, errors, _, p = run("daemon = './pid'", { ["main.lua"] = "require('skynet').start(function() os.exit(7) end)" })
	test.equal({ code, errors }, { 7, "" })
	test.eventually("the pid file is gone", 20, function()
		return not p:read "pid"
	end)
end)

test.case("a daemon that takes long to start is not waited for longer than daemon_timeout", function()
	local code, errors, _, p = run("daemon = './pid' daemon_timeout = 20", {
		["main.lua"] = "require('skynet').start(function() require('skynet').wait() end)",
	})
	os.execute(("kill $(cat %s)"):format(p:path "pid"))
	test.equal({ code, errors },
		{ 0, "reef: has not started within 0.20 s, and goes on in the background (daemon_timeout)\n" })
	test.eventually("it has ended", 20, function()
		return not p:read "pid"
	end)
end)

-- ---- reef check ----

test.case("reef check says of a good configuration that it is, and which keys are the project's own", function()
	local code, output = check "\nmine = 1\nlogger = './x.log'"
	test.equal(code, 0)
	test.equal(output, "config:5: note: mine is none of Reef's keys; services find it with skynet.getenv\n"
		.. "config is good: 5 keys, 1 of them the project's own\n")
end)

test.case("reef check says everything that is wrong, each with file and line, and starts nothing", function()
	local code, output = check(table.concat({
		"thread = 0", "preload = './bad.lua'", "shutdown_timout = 5", "start = 'none'", "logger = './none/x.log'",
		"bootstrap = 'snlua wrong'", "harbor = 0", "standalone = 'x'", "etcd = 'x'", "daemon = '.'",
		"error_file = 1", "mine = x",
	}, "\n"), { ["bad.lua"] = "x = = 1", ["wrong.lua"] = "y = = 2" })
	test.equal(code, 1)
	test.equal(output, [[
config:4: thread = 0: must be an integer from 1 to 1024
config:5: preload = ./bad.lua: ./bad.lua:1: unexpected symbol near '='
config:6: warning: Reef knows no key shutdown_timout (did you mean shutdown_timeout?)
config:7: start = none: there is no service none in luaservice = ./?.lua
config:8: logger = ./none/x.log: there is no directory ./none/
config:9: bootstrap = snlua wrong: ./wrong.lua:1: unexpected symbol near '='
config:11: standalone = x: needs harbor > 0; leave it out
config:12: warning: etcd = x: must begin with one of: http:// https://
config:13: daemon = .: is a directory
config:15: warning: mine is given no value, for x has none (a text needs quotes)
config:14: note: error_file is none of Reef's keys; services find it with skynet.getenv
config: 7 errors
]])
	code, output = check "x = = 1"
	test.equal({ code, output }, { 1, "config:4: unexpected symbol near '='\nconfig: 1 error\n" })
end)

test.case("the keys that a start knows are those that the sources read and the pages name", function()
	local settings = require "reef.settings"
	local known = {}
	for i, key in ipairs(settings.known()) do
		known[key] = true
		test.truthy(i == 1 or settings.known()[i - 1] < key, "the list is in order: " .. key)
	end
	local root = test.root
	local function words_of(command)
		local pipe <close> = assert(io.popen(command))
		local words = {}
		for word in pipe:read("a"):gmatch "[%w_]+" do
			words[word] = true
		end
		return words
	end
	local read = words_of(([[cd '%s' && (grep -rhoE '(getenv[ (]+|reef_env_(get|int)\()"[a-z_]+"' \
		lualib core socket drivers
		grep -hoE 'number\("[a-z_]+"' lualib/reef/cluster/options.lua) | sed 's/.*"\(.*\)"/\1/']]):format(root))
	test.truthy(read.thread and read.cluster_limit and read.socket_linger)
	for key in pairs(read) do
		test.truthy(known[key] or key:find "^reef_", key .. " is read, and not known")
	end
	local named = words_of(("cat '%s'/docs/*.md | grep -oE '`[a-z_]+`'"):format(root))
	for key in pairs(known) do
		test.truthy(named[key], "no page names the key " .. key)
	end
end)

-- ---- any text ----

test.case("whatever stands in a configuration, a start says where it is wrong, or starts", { timeout = 120 }, function()
	local pieces = { "$", "$$", "${", "}", ":-", "A",
		"'", '"', "[[", "]]", "[==[", "]==]", "--", "--[[", "\n", "=", "x", " ",
		"\\", "include ", "thread", "1", "{}", ";", "\0", "\255" }
	local p = project.new { ["main.lua"] = MAIN }
	for _ = 1, test.count(40) do
		local list = {}
		for i = 1, math.random(12) do
			list[i] = pieces[math.random(#pieces)]
		end
		local text = table.concat(list)
		local code, output = p:run(p:config(text), { env = { A = "a" } })
		test.truthy(code == 0 and output:find "main is up" or code == 1 and output:find "reef: config:%d+: ",
			("%q: %s %s"):format(text, code, output))
	end
end)

test.run()
