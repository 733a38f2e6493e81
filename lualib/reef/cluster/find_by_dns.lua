-- Nodes by DNS, as in headless services of Kubernetes: by SRV (`_reef._tcp.game.default.svc.cluster.local`), where the
-- first label of a target is the node's name; or by A and AAAA (`game.default.svc.cluster.local:2528`), where its
-- address is. What DNS does not answer changes nothing.

local core = require "reef.socketcore"
local dns = require "reef.dns"
local options = require "reef.cluster.options"
local skynet = require "skynet"

local finder = {}

local server ---@type string|nil

local function address_of(host, port)
	return (host:find ":" and "[%s]:%s" or "%s:%s"):format(host, port)
end

-- The addresses of a name; nil and why.
local function lookup(name)
	local ips, why = core.lookup(name, false, server, nil)
	if not ips then
		ips = core.lookup(name, true, server, nil)
	end
	return ips, why
end

---@param found { target: string, port: integer }[]
---@return table<string, string>
local function from_srv(found)
	local list, count = {}, {}
	local records = {}
	for _, one in ipairs(found) do
		local label = one.target:match "^[%w%-_]+"
		if label and one.port ~= 0 then
			records[#records + 1] = { label = label, target = one.target:gsub("%.$", ""), port = one.port }
			count[label] = (count[label] or 0) + 1
		end
	end
	for _, record in ipairs(records) do
		local host = record.target
		if server then
			local ips = lookup(host)
			host = ips and ips[1]
		end
		if host then
			list[count[record.label] == 1 and record.label or record.target .. ":" .. record.port] = address_of(host,
				record.port)
		end
	end
	return list
end

-- All nodes; nil and why not.
local function ask(name, port)
	if not port then
		local found, why = dns.srv(name, server)
		return found and from_srv(found), why
	end
	local ips, why = lookup(name)
	if not ips then
		return nil, why
	end
	local list = {}
	for _, ip in ipairs(ips) do
		list[ip] = address_of(ip, port)
	end
	return list
end

---@param tell fun(list: table<string, string|false>, whole: boolean)
function finder.run(tell)
	local text = skynet.getenv "cluster_dns"
	if not text then
		error("cluster_nodes = dns: the key `cluster_dns` has to say what is asked for", 0)
	end
	server = skynet.getenv "cluster_dns_server"
	local name, port = text:match "^([^:]+):(%d+)$"
	name = name or text
	if not port and name:sub(1, 1) ~= "_" then
		error(("cluster_dns = %s: neither _service._protocol.name nor name:port"):format(text), 0)
	end
	local told
	local function look()
		local list, why = ask(name, port)
		if list then
			tell(list, true)
			told = nil
		elseif why ~= told then
			skynet.error(("cluster: DNS says nothing of %s: %s"):format(name, why))
			told = why
		end
	end
	local first = {}
	skynet.fork(function()
		look()
		skynet.wakeup(first)
		while true do
			skynet.sleep(options.dns_interval)
			look()
		end
	end)
	skynet.sleep(300, first)
end

---Who is in DNS is not ours to say.
function finder.announce() end

return finder
