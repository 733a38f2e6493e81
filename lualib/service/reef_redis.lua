-- The process' one watcher of Redis Clusters that services share through pools; see reef.redis.cluster.remote.
local process = require "reef.process"
local skynet = require "skynet"
local topology = require "reef.redis.cluster.topology"

local ANSWER_AFTER = 20  -- seconds: then a follower is told that there is nothing new, and may have gone
local UNUSED = 120       -- seconds without followers after which a cluster is not watched any more

---@type table<string, { topology: redis.cluster.topology, followers: integer, used: integer }>
local clusters = {}
local command = {}

local function watched(key, conf)
	local one = clusters[key]
	if not one then
		one = { followers = 0, topology = topology.new(conf, function() end) }
		clusters[key] = one
		one.topology:refresh()
	end
	one.used = skynet.now()
	return one
end

---Answers when there is another version than that, or after a while.
function command.FOLLOW(key, conf, version)
	local one = watched(key, conf)
	local watch, until_then = one.topology, skynet.now() + ANSWER_AFTER * 100
	one.followers = one.followers + 1
	local _ <close> = setmetatable({}, { __close = function()
		one.followers, one.used = one.followers - 1, skynet.now()
	end })
	local failures = watch.failures
	while (watch.version == version or watch.version == 0) and skynet.now() < until_then do
		watch:wait((until_then - skynet.now()) / 100)
		if watch.failures > failures then
			break
		end
	end
	local map = watch.version ~= version and watch.map
	return watch.version, map and { first = map.first, last = map.last, shard = map.shard, nodes = map.nodes } or nil,
		watch.why, watch.failures
end

function command.REFRESH(key, conf)
	watched(key, conf).topology:refresh()
end

local function forget_unused()
	while true do
		skynet.sleep(UNUSED * 50)
		for key, one in pairs(clusters) do
			if one.followers == 0 and skynet.now() - one.used > UNUSED * 100 then
				one.topology:close()
				clusters[key] = nil
			end
		end
	end
end

skynet.start(function()
	process.daemon()
	skynet.fork(forget_unused)
	skynet.dispatch("lua", function(_, session, name, ...)
		if session == 0 then
			command[name](...)
		else
			skynet.retpack(command[name](...))
		end
	end)
end)
