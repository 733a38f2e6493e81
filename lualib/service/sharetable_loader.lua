-- Runs the files and sources of skynet.sharetable, each in a VM of its own, for whoever asks.

local skynet = require "skynet"
local core = require "reef.sharetable"
local process = require "reef.process"

skynet.start(function()
	process.daemon()
	skynet.dispatch("lua", function(_, _, name, is_file, number)
		skynet.ret(skynet.pack(core.load(name, is_file, number)))
	end)
end)
