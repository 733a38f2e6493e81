-- An agent of bench/front.lua: sends each packet of its client back.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = function(msg, sz)
		return msg, sz
	end,
	dispatch = function(fd, _, msg, sz)
		skynet.ignoreret()
		driver.send(fd, netpack.pack(msg, sz))
	end,
}

skynet.start(function() end)
