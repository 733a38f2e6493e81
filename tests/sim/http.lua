-- Many coroutines ask a web server over a network that breaks and parts, and talk to it over WebSockets. Promised: who
-- gets a response gets his own and all of it, a POST is done once at most and a GET twice, messages of a WebSocket come
-- once and in order, nobody waits longer than he said, and in calm all are answered.
--
--     reef sim http.lua [MODULE FILE]   FILE takes the place of the module
local module, file = ...
if module then
	package.loaded[module] = dofile(file)
end
local client = require "reef.http.client"
local http = require "reef.http.server"
local sim = require "reef.sim"
local skynet = require "skynet"
local websocket = require "http.websocket"

local CALLERS <const> = 6
local REQUESTS <const> = 25
local TALKS <const> = 10
local TIMEOUT <const> = 5
local LATE <const> = 0.5 -- seconds by which a deadline may be found late
local URL <const> = "http://web:80/"

local slow = 0.05 -- the chance that the server thinks about it
local done = {} ---@type table<string, integer>  how often the server has done what

-- What a body of that name is: it can be told whether it is whole.
local function body_of(name, size)
	return name .. (":" .. name):rep(size)
end

local function pieces(text)
	local at = 1
	return function()
		local piece = text:sub(at, at + 4999)
		at = at + #piece
		return piece ~= "" and piece or nil
	end
end

local function echo(id, text)
	sim.check(not done[text], "%s came twice", text)
	done[text] = 1
	websocket.write(id, text)
end

local function handle(request)
	if request.path == "/talk" then
		return request:websocket { message = echo }
	end
	local name, size = request.path:match "^/([^/]+)/(%d+)$"
	local key = request.method .. " " .. name
	done[key] = (done[key] or 0) + 1
	if request.method == "POST" then
		sim.check(request:body() == body_of(name, 100), "%s has another body", name)
	end
	if sim.fault(slow) then
		skynet.sleep(sim.random(1, 800))
	end
	local text = body_of(name, tonumber(size))
	return 200, math.random(2) == 1 and text or pieces(text), { ["x-name"] = name }
end

local function ask(web, name, calm)
	-- Where a connection holds but a few bytes, even calm does not carry much in time.
	local size = math.random(10) == 1 and not calm and 20000 or math.random(0, 100)
	local method = ({ "GET", "PUT", "POST" })[math.random(3)]
	local since = sim.elapsed()
	local ok, response, body = pcall(function()
		local response = web:request { url = URL .. name .. "/" .. size, method = method,
			body = method == "POST" and body_of(name, 100) or nil, timeout = TIMEOUT * 100 }
		return response, response:body()
	end)
	sim.check(sim.elapsed() - since < TIMEOUT + LATE, "%s %s took %.3f s", method, name, sim.elapsed() - since)
	sim.check(ok or not calm, "in calm: %s %s: %s", method, name, tostring(response))
	if ok then
		sim.check(response.status == 200 and response.header["x-name"] == name and body == body_of(name, size),
			"%s %s was answered by %d %s with %d bytes", method, name, response.status,
			tostring(response.header["x-name"]), #body)
	end
	local times = done[method .. " " .. name] or 0
	sim.check(times >= (ok and 1 or 0) and times <= (method == "POST" and 1 or 2), "%s %s was done %d times", method, name,
		times)
end

local function talk(name, calm)
	local ok, id = pcall(websocket.connect, "ws://web:80/talk", nil, TIMEOUT * 100)
	sim.check(ok or not calm, "in calm: %s", tostring(id))
	if not ok then
		return
	end
	local broken
	local replies = 0
	for i = 1, TALKS do
		if not pcall(websocket.write, id, ("%s.%d"):format(name, i)) then
			broken = true
			break
		end
	end
	for i = 1, TALKS do
		local read, text = pcall(websocket.read, id)
		if not (read and text) then
			broken = true
			break
		end
		sim.check(text == ("%s.%d"):format(name, i), "message %s.%d is %s", name, i, text)
		replies = i
	end
	sim.check(replies == TALKS or not calm and broken, "in calm: %d messages of %s", replies, name)
	pcall(websocket.close, id)
end

local function all_ask(word, calm)
	local ready = 0
	local web = client.new { keep = 500, idle_timeout = TIMEOUT * 100 }
	for caller = 1, CALLERS do
		skynet.fork(function()
			for i = 1, REQUESTS do
				local name = ("%s%d.%d"):format(word, caller, i)
				if i % 5 == 0 then
					talk(name, calm)
				else
					ask(web, name, calm)
				end
				skynet.sleep(math.random(0, 20))
			end
			ready = ready + 1
		end)
	end
	sim.eventually(CALLERS * REQUESTS * 100, "all have asked", function()
		return ready == CALLERS
	end)
	web:close()
end

skynet.start(function()
	sim.no_errors()
	sim.place "web"
	http.listen("0.0.0.0:80", handle)
	sim.place "app"
	sim.network { delay = { 0.0001, sim.random(1, 50) / 1000 }, stall = 0.003, stall_most = 3, reset = 0.003,
		refuse = 0.1, lose = 0.05, slow = 0.05 }
	skynet.fork(function()
		while true do
			skynet.sleep(sim.random(1, 1000))
			if slow == 0 then
				return
			elseif sim.fault(0.5) then
				sim.partition("app", "web", sim.random(1, 50) / 10)
			elseif sim.fault(0.5) then
				sim.half_close { to = "web" }
			end
		end
	end)
	all_ask("storm", false)
	sim.calm()
	slow = 0
	all_ask("calm", true)
	sim.finish()
end)
