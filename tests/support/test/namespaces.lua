-- Several hosts on one machine: network namespaces that are joined by a bridge, and what happens to cables. Needs root
-- and `ip`; the case is skipped otherwise.
--
--     local net = require("test.namespaces").start(3)
--     net[1].ip, net[1]:command { "program", "argument" }     -- a command that runs there
--     net[1]:unplug() net[1]:plug()
--     net[1]:deaf_to(net[2]) net[1]:hear(net[2])             -- what 2 sends does not reach 1
--     net[1]:deaf_to(net.here) net.here:deaf_to(net[1])      -- where the test itself runs
--     net[1]:netem("delay", "20ms", "loss", "5%")            -- false: the kernel does not have it
--
-- They are gone with the case that made them.
local process = require "test.process"
local test = require "test"

local namespaces = {}

---@class test.host
---@field ip string
---@field device string   its own end of the cable
local host = {}
host.__index = host

local function try(...)
	local code, output = process.run { ... }
	return code == 0, output
end

local function run(...)
	local ok, output = try(...)
	if not ok then
		error(table.concat({ ... }, " ") .. ": " .. output, 2)
	end
end

local serial = 0

local function unique()
	local file <close> = assert(io.open "/proc/self/stat")
	serial = serial + 1
	return (math.tointeger(tonumber(file:read("a"):match "^%d+")) * 8 + serial) % 0xfffff
end

-- The first three numbers of addresses that no other test has at the moment.
local function unused_network(id)
	local _, taken = try("ip", "-o", "-4", "addr")
	for i = id, id + 249 do
		local network = ("10.77.%d."):format(i % 250)
		if not taken:find(network, 1, true) then
			return network
		end
	end
	error "no network is left for the test's hosts"
end

---@param count integer
---@return test.host[]  and `here`
function namespaces.start(count)
	local id = unique()
	local bridge = ("rb%x"):format(id)
	if not try("ip", "link", "add", bridge, "type", "bridge") then
		test.skip "no network namespaces: they need root, and ip"
	end
	local network = unused_network(id)
	local here = setmetatable({ ip = network .. 254, device = bridge, mac = "02:00:00:00:00:fe" }, host)
	run("ip", "link", "set", bridge, "address", here.mac)
	run("ip", "addr", "add", here.ip .. "/24", "dev", bridge)
	local hosts = { here = here }
	test.defer(function()
		-- A process of the test's own would want to be ended with the case, which is over.
		for _, h in ipairs(hosts) do
			os.execute(("ip link del %s 2>/dev/null; ip netns del %s 2>/dev/null"):format(h.cable, h.name))
		end
		os.execute(("ip link del %s 2>/dev/null"):format(bridge))
	end)
	run("ip", "link", "set", bridge, "up")
	for i = 1, count do
		local h = setmetatable({
			name = ("reef%x-%d"):format(id, i), cable = ("rv%x-%d"):format(id, i),
			ip = network .. i, mac = ("02:00:00:00:00:%02x"):format(i), device = "eth0",
		}, host)
		if not try("ip", "netns", "add", h.name) then
			test.skip "no network namespaces: the kernel does not have them"
		end
		hosts[i] = h
		run("ip", "link", "add", h.cable, "type", "veth", "peer", "name", "eth0", "address", h.mac, "netns", h.name)
		run("ip", "link", "set", h.cable, "master", bridge, "up")
		for _, words in ipairs { { "link", "set", "lo", "up" }, { "addr", "add", h.ip .. "/24", "dev", "eth0" },
			{ "link", "set", "eth0", "up" } } do
			run("ip", "-n", h.name, table.unpack(words))
		end
	end
	return hosts
end

---@param words string[]
---@return string[]
function host:command(words)
	return table.move(words, 1, #words, 5, { "ip", "netns", "exec", self.name })
end

function host:unplug()
	run("ip", "link", "set", self.cable, "down")
end

function host:plug()
	run("ip", "link", "set", self.cable, "up")
end

-- Where this host believes the other one to be.
local function believe(self, other, mac)
	local words = { "neigh", "replace", other.ip, "lladdr", mac, "dev", self.device, "nud", "permanent" }
	if self.name then
		run("ip", "-n", self.name, table.unpack(words))
	else
		run("ip", table.unpack(words))
	end
end

---What the other one sends goes to an address that nobody has.
---@param other test.host
function host:deaf_to(other)
	believe(other, self, "02:00:00:00:00:ff")
end

---@param other test.host
function host:hear(other)
	believe(other, self, self.mac)
end

---Changes what leaves this host; without words nothing is changed any more.
---@return boolean there
function host:netem(...)
	if select("#", ...) == 0 then
		return (try("ip", "netns", "exec", self.name, "tc", "qdisc", "del", "dev", "eth0", "root"))
	end
	return (try("ip", "netns", "exec", self.name, "tc", "qdisc", "replace", "dev", "eth0", "root", "netem", ...))
end

return namespaces
