-- The service of a generic proxy (reef.proxy.*). Its first message says what it is; then it takes all messages raw.
local process = require "reef.process"
local relay = require "reef.proxy.relay"
local skynet = require "skynet"

skynet.start(function()
	process.daemon()
	skynet.dispatch("lua", function(_, _, kind, options)
		local handlers = require("reef.proxy." .. kind).run(options)
		skynet.retpack()
		relay.run(handlers)
	end)
end)
