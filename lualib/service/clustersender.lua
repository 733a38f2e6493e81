-- The connection to another node: see reef.cluster.sender. Started by `clusterd`.
local process = require "reef.process"
local sender = require "reef.cluster.sender"
local skynet = require "skynet"

local node = (...):gsub("%%(%x%x)", function(code)
	return string.char(tonumber(code, 16))
end)

skynet.start(function()
	process.daemon()
	sender.run(node)
end)
