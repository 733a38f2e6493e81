-- Nodes by etcd: each puts its name and address there, with a lease, and watches what others have put. While etcd is
-- away, what is known stays known.

local configured = require "reef.etcd.configured"
local options = require "reef.cluster.options"
local shutdown = require "reef.shutdown"
local skynet = require "skynet"

local WAIT <const> = 300 -- cs that the start waits for a first answer
local AGAIN <const> = 100 -- cs

local finder = {}

local client ---@type reef.etcd
local prefix ---@type string
local announced ---@type reef.cluster.announced|nil

---@class reef.cluster.announced
---@field address string
---@field lease reef.etcd.lease|nil  the one that the name is there with

---@param tell fun(list: table<string, string|false>, whole: boolean)
function finder.run(tell)
	client, prefix = configured.client(), configured.prefix() .. "cluster/"
	local waiting, heard = {}, false
	client:watch(prefix, { prefix = true }, function(events, whole)
		local list = {}
		for _, e in ipairs(events) do
			list[e.key:sub(#prefix + 1)] = e.type == "put" and e.value or false
		end
		tell(list, whole)
		heard = true
		skynet.wakeup(waiting)
	end)
	skynet.sleep(WAIT, waiting)
	if not heard then
		skynet.error(("cluster: no etcd at %s has answered yet, nodes are found when one does"):format(
			skynet.getenv "etcd"))
	end
end

-- Puts the name there; nil and why, when somebody else has it.
---@param own reef.cluster.announced
local function claim(name, own)
	local lease, address = client:lease(math.max(2, math.floor(options.lease))), own.address
	local key, put = prefix .. name, { "put", prefix .. name, address, { lease = lease.id } }
	local held, results = client:txn {
		compare = { { key, "create_revision", "=", 0 } }, success = { put }, failure = { { "get", key } },
	}
	local before = results[1]
	before = not held and before and before[1]
	if before and before.value == address then
		-- A process that was here before.
		held = client:txn { compare = { { key, "mod_revision", "=", before.mod_revision } }, success = { put } }
	end
	if not held then
		lease:revoke()
		return nil, ("the name is taken by %s"):format(before and before.value or "somebody")
	end
	own.lease = lease
	return lease
end

---@param own reef.cluster.announced
local function announce(name, own)
	local told, token = nil, {}
	while announced == own do
		local ok, lease, why = pcall(claim, name, own)
		if ok and lease then
			told = nil
			lease:keep(function()
				skynet.wakeup(token)
			end)
			skynet.wait(token)
			own.lease = nil
			skynet.error(("cluster: node %s is not in etcd any more, since its lease could not be prolonged"):format(name))
		else
			why = ok and why or tostring(lease)
			if why ~= told then
				skynet.error(("cluster: node %s cannot be put into etcd: %s"):format(name, why))
				told = why
			end
			skynet.sleep(AGAIN)
		end
	end
end

---The node listens there.
---@param ip string
---@param port integer
function finder.announce(ip, port)
	local name = skynet.getenv "cluster_name"
	if not name then
		return
	end
	local address = skynet.getenv "cluster_address" or ip
	if not address:find ":%d+$" or address:find "^%x*:[%x:]*$" then
		address = (address:find ":" and "[%s]:%d" or "%s:%d"):format(address, port)
	end
	if address:find "^0%.0%.0%.0:" or address:find "^%[::%]:" then
		return skynet.error(("cluster: node %s is not put into etcd: %s is no address for others, set cluster_address")
			:format(name, address))
	end
	if announced then
		-- It listens in one more place, which others need not know.
		return
	end
	announced = { address = address }
	shutdown.on(function()
		local lease = announced.lease
		announced = nil
		if lease and lease:valid() then
			pcall(lease.revoke, lease)
		end
	end, 1)
	skynet.fork(announce, name, announced)
end

return finder
