-- The Redis driver; bench/yard/redis.c does the same work on bare hiredis. Over TLS when REDIS_CA names an authority.
local bench = require "bench"
local redis = require "skynet.db.redis"

bench.main(function()
	local ca = os.getenv "REDIS_CA"
	local db = redis.connect {
		host = ca and "localhost" or "127.0.0.1", port = bench.option "REDIS_PORT", tls = ca and { ca_file = ca },
	}
	local value, keys, gets = ("x"):rep(64), {}, {}
	for i = 1, 100 do
		keys[i] = "k:" .. i
		gets[i] = { "GET", keys[i] }
		db:set(keys[i], value)
	end
	db:set("large", ("y"):rep(1 << 20))
	db:del "list"
	for i = 1, 1000 do
		db:rpush("list", ("element-%08d"):format(i))
	end

	local function get(i)
		db:get(keys[i % 100 + 1])
	end
	local function set(i)
		db:set(keys[i % 100 + 1], value)
	end
	-- name, coroutines, operations, what one does
	local works = {
		{ "get_1", 1, 40000, get },
		{ "get_128", 128, 400000, get },
		{ "get_8192", 8192, 400000, get },
		{ "set_128", 128, 400000, set },
		{ "lrange_1000", 1, 3000, function()
			assert(#db:lrange("list", 0, -1) == 1000)
		end },
		{ "mget_100", 128, 25600, function()
			assert(#db:mget(keys) == 100)
		end },
		{ "pipeline_100", 1, 3000, function()
			assert(#db:pipeline(gets, {}) == 100)
		end },
		{ "get_1mb", 1, 500, function()
			assert(#db:get "large" == 1 << 20)
		end },
	}
	for _, work in ipairs(works) do
		local name, width, n, f = table.unpack(work)
		local function run(each)
			bench.together(width, function()
				for i = 1, each do
					f(i)
				end
			end)
		end
		local each = math.max(1, n // width)
		run(math.max(1, each // 10))
		bench.measure((ca and "tls_" or "") .. name, each * width, function()
			run(each)
		end)
	end
end)
