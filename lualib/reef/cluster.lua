-- What skynet.cluster leaves out: calls with a deadline of their own, and what an error means. Times are in seconds.
--
--	local soon = cluster.with { timeout = 0.5 }
--	local ok, err = pcall(soon.call, "db", "@store", "put", "name", "Ada")
--	if not ok and cluster.error(err).outcome == "not sent" then ... end

local errors = require "reef.channel.error"
local checks = require "reef.options"
local link = require "reef.cluster.link"
local skynet = require "skynet"

local cluster = {}

---@param options {timeout: number} seconds that a call waits for its reply, connecting and waiting for the node
---included
---@return {call: function, query: function}
function cluster.with(options)
	checks.check("cluster.with", options, { timeout = true })
	local seconds = options and options.timeout
	if type(seconds) ~= "number" or seconds <= 0 then
		error("cluster.with: timeout is a number of seconds above zero")
	end
	local with = {}

	---As skynet.cluster's.
	function with.call(node, address, ...)
		return link.call(node, address, skynet.packstring(...), nil, seconds)
	end

	function with.query(node, name)
		return with.call(node, 0, name)
	end

	return with
end

local OUTCOMES <const> = { ["not sent"] = true, ["maybe applied"] = true }

---Where nodes are, as far as that is known: their addresses, or false for one that is down or gone.
---@return table<string, string|false>
function cluster.nodes()
	return skynet.call(link.manager(), "lua", "nodes")
end

---What the error of a call says: `outcome` is "not sent", "maybe applied" or "rejected" (the other side has said no).
---@param err any
---@return reef.channel.error
function cluster.error(err)
	local text = tostring(err)
	-- Behind the first "call failed: " are our own words; a nested failure of the other side is behind its own.
	local own = text:match "^.-call failed: (.*)$" or ""
	local outcome = own:match "^cluster node .*%(([^()]*)%)$"
	if OUTCOMES[outcome] then
		local code = own:find "in time %(" and "timeout" or outcome == "not sent" and "connect" or "closed"
		return errors.new { code = code, outcome = outcome, host = own:match "^cluster node ([^:(]*[^:( ])", message = text }
	end
	return errors.new { code = "rejected", outcome = "rejected", message = text }
end

return cluster
