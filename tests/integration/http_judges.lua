-- timeout: 240
-- HTTP and WebSocket as programs of others see them: a browser, wrk, Node. Those that are missing are skipped.
if require "test".without("reef.http.core", "reef.http.frames") then
	return
end

local client = require "reef.http.client"
local http = require "reef.http.server"
local httpd = require "http.httpd"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local test = require "test"
local websocket = require "http.websocket"

local function need(program, package)
	if process.run { "sh", "-c", "command -v " .. program } ~= 0 then
		test.skip(("%s is missing (Debian: %s)"):format(program, package))
	end
end

-- Where Node finds a module of the distribution; skips without it.
local function node_module(name, package)
	need("node", "nodejs")
	local code, where = process.run { "node", "-e", ("console.log(require.resolve(%q))"):format(name),
		env = { NODE_PATH = "/usr/share/nodejs" } }
	if code ~= 0 then
		test.skip(("Node's module %s is missing (Debian: %s)"):format(name, package))
	end
	return where:match "%S+"
end

local function serve(handler, options)
	local server = http.listen("127.0.0.1:0", handler, options)
	test.defer(server.close, server)
	return server
end

local PAGE = [[<!doctype html><meta charset=utf-8><script>
async function check() {
  const say = []
  let r = await fetch("/echo?x=1", { method: "POST", body: "ä".repeat(100000) })
  say.push(r.status, (await r.text()).length)
  r = await fetch("/pieces")
  say.push((await r.text()).length)
  const all = await Promise.all([...Array(50).keys()].map(i => fetch("/echo", { method: "PUT", body: String(i) })
    .then(x => x.text())))
  say.push(all.every((x, i) => x == i))
  r = await fetch("/head", { method: "HEAD" })
  say.push(r.headers.get("x-path"))
  r = await fetch("/moved")
  say.push(r.redirected, r.url.endsWith("/head"))
  const ws = new WebSocket(location.href.replace("http", "ws") + "chat")
  ws.binaryType = "arraybuffer"
  await new Promise((done, failed) => { ws.onopen = done; ws.onerror = failed })
  say.push(ws.extensions)
  const got = data => new Promise(done => { ws.onmessage = e => done(e.data); ws.send(data) })
  for (const n of [0, 1, 126, 65536, 200000]) {
    const text = "€x".repeat(n / 2)
    say.push(await got(text) === text)
    const bytes = new Uint8Array(n).fill(n & 255)
    say.push((await got(bytes.buffer)).byteLength === n)
  }
  const over = new Promise(done => { ws.onclose = e => done(e.code + " " + e.reason + " " + e.wasClean) })
  ws.send("close me")
  say.push(await over)
  return say.join(",")
}
check().catch(e => "failed: " + e).then(text => fetch("/result", { method: "POST", body: text }))
</script>]]

test.case("a browser fetches, follows, and speaks WebSocket", { timeout = 120 }, function()
	need("chromium", "chromium")
	local result
	local server = serve(function(request)
		local path = request.path
		if path == "/" then
			return 200, PAGE, { ["content-type"] = "text/html" }
		elseif path == "/echo" then
			return 200, request:body()
		elseif path == "/pieces" then
			local left = 100
			return 200, function()
				left = left - 1
				return left >= 0 and ("x"):rep(1000) or nil
			end
		elseif path == "/moved" then
			return 302, nil, { location = "/head" }
		elseif path == "/chat" then
			return request:websocket({
				message = function(id, data, kind)
					if data == "close me" then
						return websocket.close(id, 4001, "as you wish")
					end
					websocket.write(id, data, kind)
				end,
			}, { deflate = true, max_message = 1 << 20 })
		elseif path == "/result" then
			result = request:body()
		end
		return 200, nil, { ["x-path"] = path }
	end)
	local browser = process.start { "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-dev-shm-usage",
		"--user-data-dir=" .. process.path "profile", ("http://127.0.0.1:%d/"):format(server.port) }
	test.eventually("the page has its result", 90, function()
		return result ~= nil
	end)
	browser:signal "TERM"
	browser:wait()
	test.equal(result, "200,100000,100000,true,/head,true,true,permessage-deflate; client_max_window_bits=12"
		.. (",true"):rep(10) .. ",4001 as you wish true")
end)

test.case("wrk finds no answer that is wrong", { timeout = 60 }, function()
	need("wrk", "wrk")
	local id, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, id)
	socket.start(id, function(newid)
		socket.start(newid)
		local read, write = sockethelper.readfunc(newid), sockethelper.writefunc(newid)
		while httpd.read_request(read, 8192) == 200 and httpd.write_response(write, 200, "hello") do -- luacheck: ignore
		end
		socket.close(newid)
	end)
	local server = serve(function(request)
		return 200, request.path
	end)
	local script = process.path "pipeline.lua"
	local f <close> = assert(io.open(script, "w"))
	f:write [[
init = function()
  local r = {}
  for i = 1, 10 do r[i] = wrk.format("POST", "/" .. i, nil, ("x"):rep(i * 10)) end
  all = table.concat(r)
end
request = function() return all end]]
	f:flush()
	for _, number in ipairs { port, server.port } do
		for _, more in ipairs { { "-c", "50" }, { "-c", "8", "-s", script } } do
			local command = { "wrk", "-t", "1", "-d", "1s", table.unpack(more) }
			command[#command + 1] = ("http://127.0.0.1:%d/a"):format(number)
			local code, output = process.run(command)
			test.equal(code, 0, output)
			test.truthy(tonumber(output:match "(%d+) requests in") > 0, output)
			test.equal(output:find "Non%-2xx", nil, output)
			test.equal(output:find "Socket errors", nil, output)
		end
	end
end)

test.case("Node's client keeps its connections, and its server is asked", { timeout = 60 }, function()
	need("node", "nodejs")
	local peers = {}
	local server = serve(function(request)
		peers[request.peer] = true
		local body = request:body()
		return 200, function()
			local piece = body
			body = nil
			return piece, not piece and { ["x-after"] = "done" } or nil
		end
	end)
	local code, output = process.run { "node", "-e", ([[
const http = require("http")
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 })
function ask(i) {
  return new Promise((done, failed) => {
    const r = http.request({ port: %d, host: "127.0.0.1", method: "POST", agent, path: "/" + i }, a => {
      let text = ""
      a.on("data", d => text += d)
      a.on("end", () => done(text.length + a.trailers["x-after"]))
    })
    r.on("error", failed)
    for (let k = 0; k < i; k++) r.write("x".repeat(100))
    r.end()
  })
}
Promise.all([...Array(40).keys()].map(ask)).then(all => {
  console.log(all.every((x, i) => x == i * 100 + "done"))
  agent.destroy()
})]]):format(server.port) }
	test.equal({ code, output }, { 0, "true\n" })
	local count = 0
	for _ in pairs(peers) do
		count = count + 1
	end
	test.equal(count, 2)
	local other = process.start { "node", "-e", [[
const http = require("http")
let connections = 0
const server = http.createServer((q, a) => {
  if (q.url == "/count") return a.end(String(connections))
  let n = 0
  q.on("data", d => n += d.length)
  q.on("end", () => {
    a.writeHead(200, { Trailer: "X-Sum" })
    for (let i = 0; i < 10; i++) a.write("y".repeat(n))
    a.addTrailers({ "X-Sum": n + (q.trailers["x-sum"] || "") })
    a.end()
  })
}).listen(0, "127.0.0.1", () => console.log("port", server.address().port))
server.on("connection", () => connections++)]] }
	local url = ("http://127.0.0.1:%s"):format(other:expect "port (%d+)")
	local c = client.new()
	test.defer(c.close, c)
	for _, n in ipairs { 0, 1, 5000, 100000 } do
		local left = 1
		local response = c:request { url = url .. "/x", method = "PUT", body = function()
			left = left - 1
			if left >= 0 then
				return ("z"):rep(n)
			end
			return nil, { ["X-Sum"] = "!" }
		end }
		test.equal(#response:body(), 10 * n)
		test.equal(response.trailers["x-sum"], n .. "!")
	end
	local before = c:request({ url = url .. "/count" }):body()
	for _ = 1, 20 do
		c:request({ url = url .. "/x" }):body()
	end
	test.equal(c:request({ url = url .. "/count" }):body(), before)
end)

test.case("Node's ws is served, and serves", { timeout = 60 }, function()
	local ws = node_module("ws", "node-ws")
	local server = serve(function(request)
		return request:websocket({
			message = function(id, data, kind)
				websocket.write(id, data, kind)
			end,
		}, { max_message = 1 << 20 })
	end)
	local code, output = process.run { "node", "-e", ([[
const WebSocket = require(%q)
const ws = new WebSocket("ws://127.0.0.1:%d/")
const sent = [Buffer.alloc(0), Buffer.from("a"), Buffer.alloc(65536, 7), Buffer.alloc(300000, 9)]
let n = 0
ws.on("open", () => { ws.ping(); ws.send("ä".repeat(70000)) })
ws.on("pong", () => n++)
ws.on("message", (data, binary) => {
  if (!binary) { if (String(data) == "ä".repeat(70000)) n++ }
  else if (Buffer.compare(data, sent.shift()) == 0) n++
  if (sent.length) ws.send(sent[0]); else ws.close(4002, "enough")
})
ws.on("close", (code, reason) => console.log(n, code, String(reason)))]]):format(ws, server.port) }
	test.equal({ code, output }, { 0, "6 4002 enough\n" })
	local other = process.start { "node", "-e", ([[
const { WebSocketServer } = require(%q)
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 0 } }, () =>
  console.log("port", server.address().port))
server.on("connection", ws => {
  ws.on("message", (data, binary) => String(data) == "bye" ? ws.close(4003, "bye then") : ws.send(data, { binary }))
})]]):format(ws) }
	local url = ("ws://127.0.0.1:%s/"):format(other:expect "port (%d+)")
	for _, deflate in ipairs { false, true } do
		local id = websocket.connect(url, nil, nil, { deflate = deflate })
		for _, n in ipairs { 0, 1, 200, 70000 } do
			websocket.write(id, ("ab"):rep(n), "binary")
			test.equal(websocket.read(id), ("ab"):rep(n))
		end
		websocket.write(id, "bye")
		test.equal({ websocket.read(id) }, { false, "\x0f\xa3bye then" })
	end
	skynet.sleep(0)
end)

test.run()
