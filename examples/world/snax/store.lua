-- Purses in Redis, if there is one: a hash for each kind of coin.
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local world = require "world"

local db
local waiting, writing = {}, false

function init()
	local where = os.getenv "WORLD_REDIS"
	if where and where ~= "" then
		db = redis.connect(where)
	end
end

function exit()
	if db then
		db:disconnect()
	end
end

-- What has come meanwhile goes in one pipeline.
local function write()
	writing = true
	while #waiting > 0 do
		local batch = waiting
		waiting = {}
		db:pipeline(batch, {})
	end
	writing = false
end

---A purse has so many coins more, or fewer.
function accept.add(uid, kind, n)
	if db then
		waiting[#waiting + 1] = { "HINCRBY", "purse:" .. kind, uid, n }
		if not writing then
			skynet.fork(write)
			writing = true
		end
	end
end

---All purses as Redis has them: uid -> purse; nil without Redis.
function response.purses()
	if not db then
		return nil
	end
	while writing do
		skynet.sleep(1)
	end
	local purses = {}
	for _, kind in ipairs(world.KINDS) do
		local list = db:hgetall("purse:" .. kind)
		for i = 1, #list, 2 do
			purses[list[i]] = purses[list[i]] or world.purse()
			purses[list[i]][kind] = math.tointeger(tonumber(list[i + 1]))
		end
	end
	return purses
end
