-- The page: one service accepts connections, several answer them and send pictures of the map to who looks.
local datacenter = require "skynet.datacenter"
local httpd = require "http.httpd"
local multicast = require "skynet.multicast"
local skynet = require "skynet"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local the_map = require "the_map"
local urllib = require "http.url"
local websocket = require "http.websocket"

local mode = ...
local AGENTS = 2
local REQUEST = 8192

local function accept_all()
	local host, port = os.getenv "WORLD_WEB":match "^(.*):(%d+)$"
	local agents = {}
	for i = 1, AGENTS do
		agents[i] = skynet.newservice(SERVICE_NAME, "agent")
	end
	-- Somebody else may have the port.
	local ok, id, _, real = pcall(socket.listen, host, tonumber(port))
	if not ok then
		id, _, real = select(1, socket.listen(host, 0))
	end
	local turn = 0
	socket.start(id, function(fd, address)
		turn = turn % AGENTS + 1
		skynet.send(agents[turn], "lua", fd, address)
	end)
	skynet.dispatch("lua", function()
		skynet.retpack(host, real)
	end)
end

local function answer_some()
	local watching = {} -- WebSocket -> true, or false while it does not take what it was sent
	local last -- picture
	local page
	do
		local file <close> = assert(io.open(os.getenv "WORLD_HOME" .. "/page.html"))
		page = file:read "a"
	end

	local handle = {}
	function handle.handshake(id)
		watching[id] = true
		if last then
			websocket.write(id, last)
		end
	end
	function handle.message(_, text)
		local x, y = text:match "^call (%d+) (%d+)$"
		if x then
			the_map.ask("call", math.tointeger(tonumber(x)), math.tointeger(tonumber(y)))
		end
	end
	function handle.warning(ws, kb)
		watching[ws.id] = kb == 0
	end
	function handle.close(id)
		watching[id] = nil
	end
	handle.error = handle.close

	local channel = multicast.new {
		channel = datacenter.wait "pictures",
		dispatch = function(_, _, picture)
			last = picture
			for id, takes in pairs(watching) do
				if takes then
					pcall(websocket.write, id, picture)
				end
			end
		end,
	}
	channel:subscribe()
	-- A channel that nobody refers to is unsubscribed; this is asked with the console's `info`.
	skynet.info_func(function()
		local n = 0
		for _ in pairs(watching) do
			n = n + 1
		end
		return { watching = n, channel = tostring(channel) }
	end)

	local function respond(fd, ...)
		local ok, why = httpd.write_response(sockethelper.writefunc(fd), ...)
		if not ok then
			skynet.error(("web: %s"):format(why))
		end
	end

	local function serve(fd, address)
		socket.start(fd)
		local code, url, method, header = httpd.read_request(sockethelper.readfunc(fd), REQUEST)
		local path = code == 200 and urllib.parse(url)
		if not code then
			skynet.error(("web: %s: %s"):format(address, url))
		elseif code ~= 200 then
			respond(fd, code)
		elseif path == "/ws" and header.upgrade then
			local upgrade = { header = header, method = method, url = url }
			websocket.accept(fd, handle, "ws", address, { upgrade = upgrade })
			watching[fd] = nil
			return
		elseif path == "/" then
			respond(fd, 200, page, { ["content-type"] = "text/html; charset=utf-8", ["cache-control"] = "no-store" })
		else
			respond(fd, 404, "no such page\n", { ["content-type"] = "text/plain" })
		end
		socket.close(fd)
	end

	skynet.dispatch("lua", function(_, _, fd, address)
		local ok, why = pcall(serve, fd, address)
		if not ok then
			skynet.error(("web: %s: %s"):format(address, why))
			socket.close(fd)
		end
	end)
end

skynet.start(function()
	if mode == "agent" then
		answer_some()
	else
		accept_all()
	end
end)
