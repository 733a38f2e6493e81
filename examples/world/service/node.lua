-- A node of the world, or all of it: lets players in by a login service and a gate, shows the map on a page, and has
-- the map, if there is no other node or this one is elected.
local cluster = require "skynet.cluster"
local config = require "reef.config"
local process = require "reef.process"
local report = require "report"
local skynet = require "skynet"
local the_map = require "the_map"
local world = require "world"

local PLAYERS = math.tointeger(tonumber(os.getenv "WORLD_PLAYERS"))
local IP = os.getenv "WORLD_IP"
local LOGIN, GATE = math.tointeger(tonumber(os.getenv "WORLD_LOGIN")), math.tointeger(tonumber(os.getenv "WORLD_GATE"))

---A port where nobody listens yet.
local function free_port()
	local socket = require "skynet.socket"
	local id, _, port = socket.listen(IP, 0)
	socket.close(id)
	return port
end

local function build()
	assert(config.watch(os.getenv "WORLD_DIR" .. "/data"))
	local name = skynet.getenv "cluster_name"
	if name then
		cluster.reload { [name] = ("%s:%s"):format(IP, os.getenv "WORLD_CLUSTER") }
		cluster.open(name)
	end
	the_map.launch()
	local login_port, gate_port = LOGIN or free_port(), GATE or free_port()
	local login = skynet.newservice("logind", IP, login_port)
	local gate = skynet.newservice("gated", login)
	skynet.call(gate, "lua", "open", {
		address = IP, port = gate_port, maxclient = 2 * PLAYERS + 16, nodelay = true, servername = world.SERVER,
	})
	local host, web_port = skynet.call(skynet.newservice "web", "lua", "where")
	report.line("The map: http://%s:%d/   (%d players, %d coins)", host, web_port, PLAYERS,
		PLAYERS * world.COINS_PER_PLAYER)
	return { host = IP, login = login_port, gate = gate_port, web = web_port }
end

skynet.start(function()
	local ok, door = pcall(build)
	if not ok then
		io.stderr:write("world: ", tostring(door), "\n")
		return process.stop(1)
	end
	skynet.dispatch("lua", function()
		skynet.retpack(door)
	end)
end)
