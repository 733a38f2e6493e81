-- Who waits for a connection of an SQL pool: those that have gone take nobody's place.
package.loaded["reef.mysql"] = {
	new = function()
		return { session = {}, disconnect = function() end }
	end,
}
local lent = require "reef.sql.lent"
local now = require "reef.base.now"
local pool = require "reef.pool"
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"
local test = require "test"

test.case("requests that were given up do not count against those that come", function()
	lent.start("mysql", "mysql here #2", {}, { size = 1, queue = 4, queue_timeout = 0.1, idle = 60, drain = 1 })
	local db = lent.acquire(0, "query")
	for round = 1, test.count(60) do
		local refused = test.together(4, function()
			local ok, err = pcall(lent.acquire, 0, "query")
			test.equal({ ok, err.code, err.outcome }, { false, "overload", "not sent" })
			return err.message
		end)
		test.equal(lent.stat().queued, 0)
		for _, why in ipairs(refused or {}) do
			test.matches(why, "no connection was free in time")
		end
		if round % 10 == 0 then
			-- In turn, whatever has been in front of them.
			local order = {}
			for i = 1, 4 do
				skynet.fork(function()
					local mine = lent.acquire(0, "query")
					order[#order + 1] = i
					lent.release(mine, now())
				end)
			end
			skynet.sleep(1)
			test.equal(lent.stat().queued, 4)
			local why = test.raises("too many requests wait", lent.acquire, 0, "query")
			test.equal(why.queued, 4)
			lent.release(db, now())
			test.eventually("all have had it", 10, function()
				return #order == 4
			end)
			test.equal(order, { 1, 2, 3, 4 })
			db = lent.acquire(0, "query")
		end
	end
	lent.release(db, now())
end)

test.case("an error of a pool that has ended names it as statistics do", { timeout = 60 }, function()
	local listening, _, port = socket.listen("127.0.0.1", 0)
	local came = 0
	socket.start(listening, function(id)
		socket.start(id)
		came = came + 1
		repeat until not socket.read(id)
	end)
	test.defer(socket.close, listening)
	for i = 1, 3 do
		local db = pool.postgres { host = "127.0.0.1", port = port, user = "u" .. i, database = "d" }
		local ok, err
		skynet.fork(function()
			ok, err = pcall(db.query, db, "SELECT 1")
		end)
		test.eventually("a connection", 10, function()
			return came == i
		end)
		skynet.kill(db[2].address)
		test.eventually("an error", 10, function()
			return err
		end)
		test.equal({ ok, err.code }, { false, "ended" })
		test.matches(err.host, i == 1 and "/d$" or "/d #" .. i .. "$")
	end
end)

test.run()
