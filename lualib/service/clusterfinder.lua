-- Looks for the nodes of the cluster, where the configuration's `cluster_nodes` says, and tells `clusterd`.
local process = require "reef.process"
local skynet = require "skynet"

local KINDS <const> = { etcd = "reef.cluster.find_by_etcd", dns = "reef.cluster.find_by_dns" }

local manager = math.tointeger(tonumber((...)))

skynet.start(function()
	process.daemon()
	local kind = skynet.getenv "cluster_nodes"
	if not KINDS[kind] then
		error(("cluster_nodes = %s: \"etcd\" or \"dns\" is needed"):format(kind), 0)
	end
	local finder = require(KINDS[kind])
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.ignoreret()
		finder[name](...)
	end)
	finder.run(function(list, whole)
		skynet.send(manager, "lua", "found", list, whole)
	end)
end)
