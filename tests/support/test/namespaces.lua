-- Several hosts on one machine: network namespaces that are joined by a bridge, and what happens to cables. Needs
-- root and
-- `ip`; the case is skipped otherwise.
--
--     local net = require("test.namespaces").start(3)
--     net[1].ip, net[1]:command { "program", "argument" }     -- a command that runs there
--     net[1]:unplug() net[1]:plug()
--     net[1]:deaf_to(net[2]) net[1]:hear(net[2])             -- what 2 sends does not reach 1
--     net[1]:netem("delay", "20ms", "loss", "5%")            -- false: the kernel does not have it
--
-- They are gone with the case that made them.
local process = require "test.process"
local test = require "test"

local namespaces = {}

---@class test.host
---@field ip string
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

---@param count integer
---@return test.host[]
function namespaces.start(count)
	local id = unique()
	local bridge = ("rb%x"):format(id)
	if not try("ip", "link", "add", bridge, "type", "bridge") then
		test.skip "no network namespaces: they need root, and ip"
	end
	local hosts = {}
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
			ip = ("10.77.%d.%d"):format(id % 250, i), mac = ("02:00:00:00:00:%02x"):format(i),
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

---What the other one sends goes to an address that nobody has.
---@param other test.host
function host:deaf_to(other)
	run("ip", "-n", other.name, "neigh", "replace", self.ip, "lladdr", "02:00:00:00:00:ff", "dev", "eth0", "nud",
		"permanent")
end

---@param other test.host
function host:hear(other)
	run("ip", "-n", other.name, "neigh", "replace", self.ip, "lladdr", self.mac, "dev", "eth0", "nud", "permanent")
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
