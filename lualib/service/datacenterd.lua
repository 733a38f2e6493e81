-- `DATACENTER`: the tree of values of skynet.datacenter, in this process or where the configuration says.
local skynet = require "skynet"

local KINDS <const> = { ["local"] = "reef.datacenter.local", etcd = "reef.datacenter.by_etcd" }

local kind = skynet.getenv "datacenter" or "local"
if not KINDS[kind] then
	error(("datacenter = %s: \"local\" or \"etcd\" is needed"):format(kind), 0)
end
require(KINDS[kind]).run()
