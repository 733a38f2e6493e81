-- The way to the map: in this process, or at the node that has been elected to have it.
local singleton = require "reef.singleton"
local skynet = require "skynet"

local AGAIN, TRIES = 20, 200 -- 1/100 s between two tries

local here -- the map of this process
local elsewhere = skynet.getenv "cluster_nodes" ~= nil

local the_map = {}

---Sees to it that there is one.
function the_map.launch()
	if elsewhere then
		singleton.launch("map", "map")
	else
		here = skynet.uniqueservice "map"
	end
end

---Asks once.
function the_map.call(...)
	if elsewhere then
		return singleton.call("map", ...)
	end
	here = here or skynet.uniqueservice "map"
	return skynet.call(here, "lua", ...)
end

---Asks until there is an answer, while nodes may end and another map be elected: what does no harm when it is done
---twice, or is known by its number.
function the_map.ask(...)
	local result
	for _ = 1, elsewhere and TRIES or 1 do
		result = table.pack(pcall(the_map.call, ...))
		if result[1] then
			return table.unpack(result, 2, result.n)
		end
		skynet.sleep(AGAIN)
	end
	error(result[2], 0)
end

return the_map
