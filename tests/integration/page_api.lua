-- config: metrics_token = "the-token-of-these-tests"
-- The API of the page: what it answers is true, and who may not ask or change gets nothing.
if require "test".without "reef.http.core" then
	return
end

local core = require "reef.services"
local json = require "test.json"
local look = require "reef.look"
local metrics = require "reef.metrics"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
local websocket = require "http.websocket"
require "skynet.manager"

local TOKEN <const> = "the-token-of-these-tests"
local address

---@param text string  a request
---@return integer status
---@return table|string body
---@return string header
local function ask(text)
	local id = assert(socket.open(address))
	socket.write(id, text)
	local answer = socket.readall(id)
	socket.close(id)
	local status, header, body = answer:match "^HTTP/1%.1 (%d+)[^\r]*\r\n(.-)\r\n\r\n(.*)$"
	if header:find "application/json" then
		body = json.decode(body)
	end
	return tonumber(status), body, header
end

local function get(path)
	return ask(("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(path, address))
end

local function post(path, fields)
	return ask(("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n%s\r\n"):format(path, address, fields or ""))
end

local function with_token(path)
	return post(path, ("Authorization: Bearer %s\r\n"):format(TOKEN))
end

local function hex(service)
	return skynet.address(service):sub(2)
end

test.case("it says what process this is", function()
	address = metrics.serve "127.0.0.1:0"
	local status, body = get "/api/process"
	test.equal(status, 200)
	local f = assert(io.open "/proc/self/stat")
	test.equal(body.pid, tonumber(f:read "a":match "^%d+"))
	f:close()
	test.equal(body.services, #core.snapshot())
	test.equal({ body.version, body.workers, body.changes }, { look.version, 4, true })
	test.between(body.time - skynet.time(), -5, 5)
	for path, endpoint in pairs(select(2, get "/api").endpoints) do
		if endpoint.method == "GET" and path ~= "/api/live" and #endpoint.parameters ~= 1 then
			test.equal({ path, (get(path)) }, { path, 200 })
		end
	end
end)

test.case("lists are sorted, filtered and cut as a plain sort would", function()
	math.randomseed(test.seed)
	local words = { "Apple", "<b>pear", "fig", "a\"b" }
	for _ = 1, 40 do
		test.service("watched", words[math.random(#words)], math.random(100))
	end
	local address_of, description = core.snapshot()
	test.eventually("a look that has them all", 20, function()
		return select(2, get "/api/services?limit=0").total == #description
	end)
	for _ = 1, test.count(40) do
		local field = ({ "address", "description" })[math.random(2)]
		local order, limit, offset = ({ "asc", "desc" })[math.random(2)], math.random(0, 60), math.random(0, 20)
		local filter = ({ "", "watched", "app", "PEAR", "%3Cb", "nothing+such", "1" })[math.random(7)]
		local plain = filter:gsub("%%3C", "<"):gsub("+", " "):lower()
		local want = {}
		for i, text in ipairs(description) do
			if (skynet.address(address_of[i]) .. " " .. text):lower():find(plain, 1, true) then
				want[#want + 1] = { text, address_of[i], i }
			end
		end
		table.sort(want, function(a, b)
			local ka, kb = field == "address" and a[2] or a[1], field == "address" and b[2] or b[1]
			if ka == kb then
				return a[3] < b[3]
			elseif order == "asc" then
				return ka < kb
			end
			return ka > kb
		end)
		local names = {}
		for i = offset + 1, math.min(offset + limit, #want) do
			names[#names + 1] = skynet.address(want[i][2])
		end
		local status, body = get(("/api/services?sort=%s&order=%s&limit=%d&offset=%d&filter=%s"):format(
			field, order, limit, offset, filter))
		local got = {}
		for i, row in ipairs(body.services) do
			got[i] = row.address
		end
		test.equal({ status, body.matching, body.total, got }, { 200, #want, #description, names })
	end
	local _, body = get "/api/services?group=name&filter=watched"
	test.equal({ body.services[1].name, body.services[1].services }, { "watched", 40 })
end)

test.case("a service that waits in a call says for whom, and since when", function()
	local waiting, called = test.service("watched", "waits"), test.service("watched", "called")
	skynet.call(waiting, "lua", "wait_for", called)
	local path = "/api/service?address=" .. hex(waiting)
	local body
	test.eventually("it waits", 20, function()
		body = select(2, get(path))
		return body.tasks == 1 and body.waiting[1].what == "call" and body.waiting[1].seconds > 0 and body.state == "waits"
	end)
	local wait = body.waiting[1]
	test.equal({ wait.target, wait.target_name, wait.count }, { skynet.address(called), "watched", 1 })
	test.matches(wait.stack, "watched%.lua:%d+")
	test.equal({ body.state, body.silent, body.name }, { "waits", false, "watched" })
	test.equal(body.description, "snlua watched waits")
	local first = wait.seconds
	test.eventually("it waits longer", 20, function()
		return select(2, get(path)).waiting[1].seconds > first
	end)
	-- Whose request the other one handles.
	local other = select(2, get("/api/service?address=" .. hex(called)))
	test.equal({ other.waiting[1].what, other.waiting[1].source }, { "wait", skynet.address(waiting) })
	skynet.kill(called)
	test.eventually("its answer has come", 20, function()
		return select(2, get(path)).tasks == 0
	end)
	test.equal((get("/api/service?address=" .. hex(called))), 404)
end)

test.case("a service that is stuck is shown without its word, with what it is stuck in", function()
	local stuck = test.service("watched", "stuck")
	local path = "/api/service?address=" .. hex(stuck)
	skynet.send(stuck, "lua", "work", 1 << 60)
	local body
	test.eventually("it runs", 20, function()
		body = select(2, get(path))
		return body.state == "runs" and body.silent
	end)
	test.equal({ body.doing.type, body.doing.source }, { "lua", skynet.address(skynet.self()) })
	test.truthy(body.doing.seconds > 0)
	skynet.kill(stuck)
end)

test.case("slow messages are listed, the slowest first", function()
	local slow = test.service("watched", "slow")
	skynet.call(slow, "lua", "work", 150e6)
	local found
	test.eventually("it is listed", 20, function()
		for _, message in ipairs(select(2, get "/api/slow").messages) do
			found = found or message.service == skynet.address(slow) and message
		end
		return found
	end)
	test.equal({ found.name, found.type, found.source }, { "watched", "lua", skynet.address(skynet.self()) })
	test.truthy(found.seconds >= 0.15)
end)

test.case("lines of the log are kept by level; what is talkative pushes no error out", function()
	local service = test.service "watched"
	local hostile = "</script><img src=x> \"\\ \u{202e}\1"
	pcall(skynet.call, service, "lua", "fail", hostile)
	skynet.call(service, "lua", "log", "warn", "mind the gap")
	for i = 1, test.count(6000) do
		skynet.call(service, "lua", "log", "info", ("line %d %s"):format(i, ("x"):rep(60)))
	end
	local _, body = get("/api/log?level=warn&service=" .. hex(service))
	test.equal(#body.lines, 2)
	test.equal(body.lines[1].level, "error")
	test.matches(body.lines[1].text, "</script><img src=x> \"\\ \\xe2\\x80\\xae\\x01")
	test.equal({ body.lines[2].level, body.lines[2].text }, { "warn", "mind the gap" })
	local errors = select(2, get("/api/service?address=" .. hex(service))).last_errors
	test.equal({ #errors, errors[1].text }, { 2, body.lines[1].text })
	-- What is kept is bounded, and in order.
	local bytes, before, last = 0, nil, nil
	repeat
		local id, _, _, _, text = look.line(before)
		test.truthy(not id or not last or id < last)
		before, last, bytes = id, id, bytes + #(text or "")
	until not id
	test.truthy(bytes <= 512 << 10)
	-- Only what is new.
	local since = body.next
	skynet.call(service, "lua", "log", "info", "something new")
	body = select(2, get("/api/log?filter=SOMETHING&since=" .. since))
	test.equal({ #body.lines, body.lines[1].text }, { 1, "something new" })
end)

test.case("pools tell what they did, and that their server is gone", { timeout = 60 }, function()
	local server = require("test.redis").start()
	local db = require("reef.pool").redis(("redis://127.0.0.1:%d/0"):format(server.port), { size = 2 })
	for i = 1, 50 do
		test.equal(db:incr "n", i)
	end
	local function row()
		for _, pool in ipairs(select(2, get "/api/pools").pools) do
			if pool.name == ("redis 127.0.0.1:%d/0"):format(server.port) then
				return pool
			end
		end
	end
	test.eventually("fifty requests", 20, function()
		return row() and row().requests >= 50
	end)
	test.equal({ row().failed, row().down }, { 0, false })
	server:kill()
	pcall(db.incr, db, "n")
	test.eventually("it is down, and requests have failed", 40, function()
		pcall(db:with { timeout = 0.1 }.incr, db, "n")
		local pool = row()
		return pool.down and pool.failed > 0
	end)
end)

test.case("shared tables name who holds them, configuration data their version and last error", {
	timeout = 60,
}, function()
	local sharetable = require "skynet.sharetable"
	sharetable.loadtable("page <items>", { sword = { price = 3 } })
	local held = sharetable.query "page <items>"
	local function shared()
		return select(2, get "/api/shared")
	end
	local entry
	for _, t in ipairs(shared().tables) do
		entry = entry or t.name == "page <items>" and t
	end
	test.equal({ entry.holders[1].service, entry.holders[1].name }, { skynet.address(skynet.self()), "page_api" })
	test.equal(held.sword.price, 3)

	local dir = require("test.process").path "sheets"
	assert(os.execute("mkdir " .. dir))
	local function write(text)
		local f = assert(io.open(dir .. "/items.json", "w"))
		f:write(text)
		f:close()
	end
	write '{"sword": {"price": 1}}'
	local watcher = assert(require("reef.config").watch(dir))
	local directory
	test.eventually("the directory", 20, function()
		directory = shared().directories[1]
		return directory
	end)
	test.equal({ directory.directory, directory.version, directory.errors }, { dir, 1, nil })
	write '{"sword": {"price": '
	test.eventually("the error", 30, function()
		directory = shared().directories[1]
		return directory.errors
	end)
	test.matches(directory.errors[1], "items%.json:1")
	test.equal(directory.version, 1)
	watcher:stop()
end)

test.case("nodes of the cluster are there, with or without a connection", { timeout = 60 }, function()
	local cluster = require "skynet.cluster"
	cluster.reload { nobody = "127.0.0.1:1" }
	local function node()
		return select(2, get "/api/cluster").nodes[1]
	end
	test.eventually("it is known", 20, node)
	test.equal({ node().name, node().address, node().state }, { "nobody", "127.0.0.1:1", "unused" })
	-- It is tried again and again: nobody waits for that here.
	skynet.fork(pcall, cluster.call, "nobody", "x", "y")
	test.eventually("it was called", 20, function()
		return node().state == "not connected"
	end)
end)

test.case("who asks for what is not there gets an error that names it", function()
	for path, words in pairs {
		["/api/services?sort=colour"] = "sort=colour: there is no such field; address, cpu",
		["/api/services?limit=-1"] = "limit=-1: an integer from 0 to 20000 is needed",
		["/api/services?order=up"] = "order=up: asc or desc",
		["/api/services?group=colour"] = "only group=name",
		["/api/services?colour=1"] = "there is no parameter colour here; there are filter",
		["/api/services?sort=cpu&sort=name"] = "the parameter sort is given more than once",
		["/api/log?level=loud"] = "level=loud: debug, verbose, info, warn and error are levels",
		["/api/service"] = "address=... is needed",
		["/api/service?address=ffffff"] = "there is no service ffffff",
	} do
		local status, body = get(path)
		test.equal({ path, status // 100 }, { path, 4 })
		test.matches(body.error, words:gsub("%p", "%%%0"))
	end
	test.equal((get "/api/nothing"), 404)
end)

test.case("only who has the token changes something", { timeout = 60 }, function()
	local victim = test.service("watched", "victim")
	local path = "/api/kill?address=" .. hex(victim)
	test.equal((get(path)), 405)
	test.equal((post(path)), 401)
	test.equal((post(path, "Authorization: Bearer wrong\r\n")), 401)
	test.equal((post(path, ("Authorization: Bearer %s\r\nOrigin: http://evil.example\r\n"):format(TOKEN))), 403)
	test.equal((post("/api/process", ("Authorization: Bearer %s\r\n"):format(TOKEN))), 405)
	test.truthy(core.alive(victim))
	local status, body = with_token(path)
	test.equal({ status, body }, { 200, { killed = skynet.address(victim), description = "snlua watched victim" } })
	test.eventually("it is gone", 20, function()
		return not core.alive(victim)
	end)
	test.equal((with_token "/api/level?level=debug&service=watched"), 200)
	test.equal((with_token "/api/level?level=loud"), 400)
	local service = test.service "watched"
	skynet.call(service, "lua", "log", "debug", "now it is said")
	test.equal(select(2, get "/api/log?filter=now+it+is+said").lines[1].level, "debug")
	status, body = with_token("/api/collect?address=" .. hex(service))
	test.equal({ status, body.services }, { 200, 1 })
	test.equal((with_token "/api/kill?address=.launcher"), 400)
end)

local function live(fields)
	return websocket.connect("ws://" .. address .. "/api/live", fields)
end

test.case("pages of others and other names get no stream", function()
	for _, fields in ipairs {
		{ origin = "http://evil.example" }, { host = "evil.example" }, { ["sec-fetch-site"] = "cross-site" },
	} do
		test.equal(pcall(live, fields), false)
	end
end)

test.case("a stream tells what is asked for, and waits for who reads slowly", { timeout = 60 }, function()
	local id = live()
	local function read()
		return json.decode((assert(websocket.read(id))))
	end
	local service = test.service "watched"
	websocket.write(id, [[
		{"watch":["/api/process","/api/log?limit=1","/api/nothing","/api/services?limit=x"],"period":0.5}
	]])
	test.equal(read().body.changes, true)
	test.equal(read().path, "/api/log?limit=1")
	test.equal(read(), { path = "/api/nothing", body = { error = "there is no /api/nothing" } })
	test.equal(read().body, { error = "limit=x: an integer from 0 to 20000 is needed" })
	test.equal(read(), { round = 1 })
	-- Nothing more comes before the round was seen, however long that takes: what is asked for meanwhile comes then.
	websocket.write(id, '{"watch":["/api/log?limit=1"]}')
	skynet.call(service, "lua", "log", "info", "while nobody looked")
	websocket.write(id, '{"seen":1}')
	local body = read().body
	test.equal({ #body.lines, body.lines[1].text }, { 1, "while nobody looked" })
	test.equal(read(), { round = 2 })
	for said, answer in pairs {
		["{"] = "no JSON", ['{"seen":"x"}'] = "seen: the number", ['{"period":0.1}'] = "period: seconds from 0.5 to 60",
		['{"watch":[1]}'] = "a path is a string", ['{"watch":["","","","","","","","",""]}'] = "at most 8 paths",
	} do
		websocket.write(id, said)
		test.matches(read().error, answer)
	end
	websocket.close(id)
end)

test.case("not more than twenty look at a time, and who leaves makes room", function()
	local ids = {}
	for i = 1, 20 do
		ids[i] = live()
	end
	test.raises("answers 503", live)
	websocket.close(ids[20])
	test.eventually("there is room again", 20, function()
		local ok, id = pcall(live)
		ids[20] = ok and id or nil
		return ok
	end)
	for _, id in ipairs(ids) do
		websocket.close(id)
	end
end)

test.case("files of the page are there, and nothing else of the disk", function()
	for path, kind in pairs {
		["/"] = "text/html", ["/page/main.js"] = "text/javascript", ["/page/style.css"] = "text/css",
	} do
		local status, _, header = get(path)
		test.equal(status, 200)
		test.matches(header, "Content%-Type: " .. kind)
		test.matches(header, "script%-src 'self'")
	end
	for _, path in ipairs {
		"/page/", "/page/../http_guard.lua", "/page/%2e%2e/json.lua", "/page//etc/passwd", "/page/none.js", "/page/main.js/",
	} do
		test.equal({ path, (get(path)) }, { path, 404 })
	end
end)

test.run()
