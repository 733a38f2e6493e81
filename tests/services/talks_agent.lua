-- An agent of a message server: says what it is told in capitals.
local skynet = require "skynet"

skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT, unpack = skynet.tostring }

skynet.start(function()
	skynet.dispatch("client", function(_, _, text)
		skynet.ret(text:upper())
	end)
end)
