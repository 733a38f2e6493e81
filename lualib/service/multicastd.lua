-- The channels of skynet.multicast, in this process and its network of numbered nodes, or over the bus.
local skynet = require "skynet"

local KINDS <const> = { harbor = "reef.multicast.by_harbor", bus = "reef.multicast.by_bus" }

local kind = skynet.getenv "multicast" or "harbor"
if not KINDS[kind] then
	error(("multicast = %s: \"harbor\" or \"bus\" is needed"):format(kind), 0)
end
require(KINDS[kind]).run()
