-- timeout: 90
local clusters = require "test.redis_cluster"
local redis = require "skynet.db.redis"
local test = require "test"
test.case("smoke", function()
	local t = os.time()
	local c = clusters.start()
	print("up", os.time() - t)
	local db = redis.connect(c:uri())
	for i = 1, 200 do test.equal(db:set("k" .. i, i), "OK") end
	for i = 1, 200 do test.equal(db:get("k" .. i), tostring(i)) end
	local l = {}
	for i = 1, 200 do l[i] = "k" .. i end
	test.equal(db:mget(l)[77], "77")
	test.equal(db:exists(l), true)
	test.equal(db:EXISTS(l), 200)
	test.equal(db:dbsize(), 200)
	local n = 0
	for _ in db:scan_iter() do n = n + 1 end
	test.equal(n, 200)
	test.equal(db:del(l), 200)
	print(pcall(db.sunion, db, "a", "b"))
	print(pcall(db.pipeline, db, {{"set","a",1},{"set","b",2}}, {}))
	test.equal(db:pipeline({{"set","{a}",1},{"incr","{a}"}}), 2)
	test.equal(db:ping(), "PONG")
	print(pcall(db.scan, db, 0))
	print(pcall(db.select, db, 0))
	db:multi() db:set("{x}1", 1) db:incr "{x}1"
	test.equal(db:exec(), {"OK", 2})
	db:multi() db:set("{x}1", 1)
	print(pcall(db.set, db, "{y}", 1))
	print(pcall(db.exec, db))
	test.equal(db:eval("return KEYS[1]", 1, "foo"), "foo")
	test.equal(redis.script "return ARGV[1]"(db, {"zz"}, 5), "5")
	c:move(db:keyslot "{x}1", 1 + (db:keyslot "{x}1")//5461, 1 + ((db:keyslot "{x}1")//5461 + 1) % 3)
	test.equal(db:get "{x}1", "2")
	print(test.equal and require("reef.text") and db:status().redirections)
	db:disconnect()
end)
test.run()
