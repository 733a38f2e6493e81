-- Sits in C while it starts, until somebody writes into the fifo.
local skynet = require "skynet"
local fifo = ...

skynet.start(function()
	local f <close> = assert(io.open(fifo))
	f:read()
end)
