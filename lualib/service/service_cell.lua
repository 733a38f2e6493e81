-- The VM of a service made by skynet.service: waits for its code, and becomes that service.

local skynet = require "skynet"
-- luacheck: globals SERVICE_NAME

local function init(name, code, ...)
	-- The code may set its own dispatcher, or none: until then and after a failure there is nothing to answer with.
	skynet.dispatch("lua", function()
		error(("service %s handles no messages"):format(name), 0)
	end)
	local start = function() end
	---@diagnostic disable-next-line: duplicate-set-field
	function skynet.start(f)
		start = f
	end
	SERVICE_NAME = name
	assert(load(code, "=" .. name, "b"))(...)
	start()
end

skynet.dispatch("lua", function(_, _, cmd, name, code, ...)
	assert(cmd == "INIT", "a service cell waits for its code")
	init(name, code, ...)
	skynet.ret()
end)

skynet.start(function() end)
