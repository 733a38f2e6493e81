-- A snax service that other nodes may call.
local snax = require "skynet.snax"

local node, count = nil, 0

function init(name) -- luacheck: ignore 111
	node = name
	snax.enablecluster()
end

function accept.add(n)
	count = count + n
end

function response.get()
	return node, count
end

function response.fails()
	error "on purpose"
end
