-- `GET /api/traces` of the metrics server.
local encode = require("reef.json").encode
local skynet = require "skynet"

---@return integer status
---@return string kind
---@return string body
return function()
	local list, about = {}, { rate = 0, dropped = 0 }
	-- Who only looks starts nothing.
	if require("reef.spans").rate() > 0 or skynet.localname ".reef_traces" then
		list, about = require("reef.trace").list()
	end
	local parts = {}
	for i, kept in ipairs(list) do
		parts[i] = encode(kept)
	end
	about.otlp = about.otlp and about.otlp.endpoint and about.otlp or nil
	return 200, "application/json", ('{"about":%s,"traces":[%s]}\n'):format(encode(about), table.concat(parts, ","))
end
