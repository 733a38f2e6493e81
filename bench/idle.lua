-- A process that does nothing: bench/run looks at it from outside. With END it is over at once instead.
local skynet = require "skynet"

print "FIRST LINE"
io.stdout:flush()
skynet.start(function()
	if os.getenv "END" then
		require("skynet.manager").abort()
	else
		skynet.dispatch("lua", function() end)
	end
end)
