-- Where the keys of a command are, and what else a cluster's client has to know of it: which nodes a command without a
-- key is for, which may be taken apart, which only read. As the servers' COMMAND tells, for those of Redis 7 and 8; a
-- command that is in no list has one key, its first argument.
local keys = {}

local function set(text, value)
	return function(into)
		for name in text:gmatch "%S+" do
			into[name] = value
		end
		return into
	end
end

-- {first, last, step}: places among the arguments; last counts from the end if it is negative.
local ranges = set("DEL EXISTS MGET PFCOUNT PFMERGE SDIFF SDIFFSTORE SINTER SINTERSTORE SUNION SUNIONSTORE TOUCH "
	.. "UNLINK WATCH SSUBSCRIBE SUNSUBSCRIBE", { 1, -1, 1 }) {}
set("BLPOP BRPOP BZPOPMAX BZPOPMIN JSON.MGET", { 1, -2, 1 })(ranges)
set("MSET MSETNX", { 1, -1, 2 })(ranges)
set("JSON.MSET", { 1, -1, 3 })(ranges)
set("BLMOVE BRPOPLPUSH COPY GEOSEARCHSTORE LCS LMOVE RENAME RENAMENX RPOPLPUSH SMOVE ZRANGESTORE", { 1, 2, 1 })(ranges)
set("BITOP", { 2, -1, 1 })(ranges)
set("OBJECT XGROUP XINFO PFDEBUG", { 2, 2, 1 })(ranges)

-- The place of the number of keys that follow it; a second one has a key of its own before it.
local counted = set("EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO BLMPOP BZMPOP", 2) {}
set("LMPOP SINTERCARD ZDIFF ZINTER ZINTERCARD ZMPOP ZUNION MSETEX", 1)(counted)
local stored = set("ZDIFFSTORE ZINTERSTORE ZUNIONSTORE", 2) {}

-- Behind a word.
local worded = { XREAD = "STREAMS", XREADGROUP = "STREAMS" }
-- Where a result goes besides.
local stores = { SORT = { STORE = true }, GEORADIUS = { STORE = true, STOREDIST = true } }
stores.GEORADIUSBYMEMBER = stores.GEORADIUS

-- Of commands without a key. "any": one master, "masters": all of them, "node": it is about one node, which has to be
-- named; "own": it changes a connection.
local nowhere = set("PING ECHO TIME INFO PUBLISH CLUSTER COMMAND RANDOMKEY LASTSAVE LOLWUT LATENCY MEMORY ACL PUBSUB "
	.. "READONLY READWRITE MODULE ROLE SLOWLOG PFSELFTEST", "any") {}
set("FLUSHALL FLUSHDB DBSIZE KEYS SCRIPT FUNCTION CONFIG WAIT WAITAOF", "masters")(nowhere)
set("SHUTDOWN REPLICAOF SLAVEOF FAILOVER DEBUG MIGRATE SAVE BGSAVE BGREWRITEAOF SWAPDB MOVE SCAN", "node")(nowhere)
set("SELECT AUTH CLIENT HELLO QUIT RESET MONITOR SUBSCRIBE PSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE ASKING SYNC PSYNC "
	.. "REPLCONF READONLY READWRITE", "own")(nowhere)
set("MULTI EXEC DISCARD UNWATCH", "transaction")(nowhere)

local reading = set("BITCOUNT BITFIELD_RO BITPOS DUMP EVAL_RO EVALSHA_RO EXISTS EXPIRETIME FCALL_RO GEODIST GEOHASH "
	.. "GEOPOS GEORADIUS_RO GEORADIUSBYMEMBER_RO GEOSEARCH GET GETBIT GETRANGE HEXISTS HGET HGETALL HKEYS HLEN HMGET "
	.. "HRANDFIELD HSCAN HSTRLEN HVALS LCS LINDEX LLEN LPOS LRANGE MGET PEXPIRETIME PFCOUNT PTTL SCARD SDIFF "
	.. "SINTER SINTERCARD SISMEMBER SMEMBERS SMISMEMBER SORT_RO SRANDMEMBER SSCAN STRLEN SUBSTR SUNION TOUCH TTL "
	.. "TYPE XLEN XPENDING XRANGE XREVRANGE ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANDMEMBER "
	.. "ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE "
	.. "ZUNION DBSIZE KEYS HTTL HPTTL HEXPIRETIME HPEXPIRETIME", true) {}

-- What becomes of the parts' replies when a command is taken apart.
local apart = set("DEL EXISTS TOUCH UNLINK", "sum") {}
apart.MGET, apart.MSET = "list", "status"

---@class redis.cluster.rule
---@field only_first boolean      the first argument is the key, and the only one
---@field nowhere string|nil      it has no key; see above
---@field reads boolean
---@field apart "sum"|"list"|"status"|nil  it may be taken apart
---@field step integer            arguments that belong to one key

---@param command string  in capitals
---@return redis.cluster.rule
function keys.rule(command)
	local several = ranges[command] or counted[command] or stored[command] or worded[command] or stores[command]
	return {
		command = command, only_first = not several and not nowhere[command], nowhere = nowhere[command],
		reads = reading[command] or false, apart = apart[command],
		step = ranges[command] and ranges[command][3] or 1,
	}
end

---Where the keys are: places in the list of arguments.
---@param command string   in capitals
---@param list any[]       arguments; `n` is honoured
---@return integer[]
function keys.places(command, list)
	local n = list.n or #list
	local places, range = {}, ranges[command]
	local function add(from, to, step)
		for i = from, math.min(to, n), step or 1 do
			places[#places + 1] = i
		end
	end
	if nowhere[command] then
		return places
	elseif range then
		add(range[1], range[2] < 0 and n + 1 + range[2] or range[2], range[3])
	elseif counted[command] or stored[command] then
		local at = counted[command] or stored[command]
		if stored[command] then
			add(1, 1)
		end
		add(at + 1, at + (math.tointeger(tonumber(list[at])) or 0))
	elseif worded[command] then
		for i = 1, n do
			if tostring(list[i]):upper() == worded[command] then
				add(i + 1, i + (n - i) // 2)
				break
			end
		end
	else
		add(1, 1)
		for i = 2, stores[command] and n - 1 or 0 do
			if stores[command][tostring(list[i]):upper()] then
				add(i + 1, i + 1)
			end
		end
	end
	return places
end

return keys
