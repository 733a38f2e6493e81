-- Answers texts: "later CS TEXT" after that time; "error" with an error; "never" not at all; "loop" by never coming
-- back; others with themselves.
local skynet = require "skynet"

skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = tostring, unpack = skynet.tostring }

skynet.start(function()
	skynet.dispatch("text", function(_, _, text)
		local cs, later = text:match "^later (%d+) (.*)"
		if cs then
			skynet.sleep(math.tointeger(tonumber(cs)))
			text = later
		elseif text == "error" then
			error("as it was told", 0)
		elseif text == "never" then
			skynet.ignoreret()
			return
		elseif text == "loop" then
			while true do end -- luacheck: ignore
		end
		skynet.ret(text)
	end)
end)
