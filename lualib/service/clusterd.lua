-- What this process knows of its cluster: see reef.cluster.nodes. Started by skynet.cluster when it is first used.
local nodes = require "reef.cluster.nodes"
local skynet = require "skynet"

skynet.start(nodes.run)
