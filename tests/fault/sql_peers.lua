-- timeout: 300
-- Servers of MySQL and PostgreSQL that lie, fall silent and break off at every point: each call ends by its deadline
-- with a result or an error that says what is known, and the service goes on.
local errors = require "reef.channel.error"
local now = require "reef.base.now"
local peers = require "test.sql_peer"
local skynet = require "skynet"
local test = require "test"

local OUTCOMES <const> = { ["not sent"] = true, ["maybe applied"] = true, rejected = true }

local function connect(kind, peer, options)
	local conf = { host = "127.0.0.1", port = peer.port, user = "u", password = "p", database = "d", timeout = 1,
		connect_timeout = 30, cancel = false }
	for name, value in pairs(options or {}) do
		conf[name] = value
	end
	return require(kind == "mysql" and "reef.mysql" or "reef.db.postgres").connect(conf)
end

-- The same with something wrong in it, by chance.
local function spoiled(bytes)
	local kind = math.random(5)
	local at = math.random(1, #bytes)
	if kind == 1 then
		return bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1)
	elseif kind == 2 then
		return bytes:sub(1, at - 1) .. bytes:sub(at + math.random(1, 8))
	elseif kind == 3 then
		local more = {}
		for i = 1, math.random(1, 40) do
			more[i] = math.random(0, 255)
		end
		return bytes:sub(1, at) .. string.char(table.unpack(more)) .. bytes:sub(at + 1)
	elseif kind == 4 then
		return bytes:sub(1, at) .. bytes:sub(math.random(1, at))
	end
	return bytes:sub(1, at - 1) .. ("\xff"):rep(math.min(4, #bytes - at + 1)) .. bytes:sub(at + 4)
end

local function ends_well(what, ok, result, since, most)
	if not ok then
		test.truthy(errors.is(result), what .. ": " .. tostring(result))
		test.truthy(OUTCOMES[result.outcome], what .. ": " .. tostring(result.outcome))
	else
		test.equal(type(result), "table")
	end
	-- Time enough for a machine that does much else.
	test.truthy(now() - since < most + 30, what)
end

for _, kind in ipairs { "mysql", "postgres" } do
	test.case(kind .. ": an honest peer is understood", function()
		local peer = peers.start(kind, function(_, bytes)
			return bytes
		end)
		local db = connect(kind, peer)
		for _ = 1, 3 do
			test.equal(db:query "SELECT", { { id = 77, name = "seven" }, { id = 78 } })
		end
		test.equal(peer.asked, 3)
		local rows = 0
		for row in db:rows "SELECT" do
			rows = rows + row.id
		end
		test.equal(rows, 155)
		db:disconnect()
	end)

	test.case(kind .. ": answers that are spoiled", { timeout = 200 }, function()
		local honest = true
		local peer = peers.start(kind, function(stage, bytes)
			return stage == "answer" and not honest and spoiled(bytes) or bytes
		end)
		local failures, results = 0, 0
		for i = 1, test.count(150) do
			local db = connect(kind, peer, { timeout = 0.3 })
			honest = false
			local since = now()
			local ok, result = pcall(db.query, db, "SELECT")
			ends_well("answer " .. i, ok, result, since, 0.3)
			failures, results = failures + (ok and 0 or 1), results + (ok and 1 or 0)
			-- What comes next is not mixed up with what was left of it.
			honest = true
			if not ok then
				local again, good = pcall(db.query, db, "SELECT")
				test.equal(again and good or tostring(good), { { id = 77, name = "seven" }, { id = 78 } })
			end
			db:disconnect()
		end
		test.equal(failures + results, test.count(150))
	end)

	test.case(kind .. ": logins that are spoiled", { timeout = 200 }, function()
		for i = 1, test.count(100) do
			local peer = peers.start(kind, function(stage, bytes)
				return stage == "login" and spoiled(bytes) or bytes
			end)
			local since = now()
			local ok, db = pcall(connect, kind, peer, { timeout = 0.3, connect_timeout = 0.3 })
			if ok then
				local good, result = pcall(db.query, db, "SELECT")
				ends_well("login " .. i, good, result, since, 1)
				db:disconnect()
			else
				ends_well("login " .. i, ok, db, since, 1)
				test.equal(db.outcome, "not sent")
			end
		end
	end)

	test.case(kind .. ": silence and an end at every stage", { timeout = 100 }, function()
		local stages = kind == "mysql" and { "hello", "login", "answer" } or { "login", "answer" }
		for _, stage in ipairs(stages) do
			for _, what in ipairs { "silence", "end", "half" } do
				local peer = peers.start(kind, function(at, bytes)
					if at ~= stage then
						return bytes
					elseif what == "end" then
						return false
					end
					return what == "half" and bytes:sub(1, #bytes // 2) or nil
				end)
				local since = now()
				local ok, db = pcall(connect, kind, peer, { timeout = 0.3, connect_timeout = 0.3 })
				if stage ~= "answer" then
					ends_well(stage .. " " .. what, ok, db, since, 0.3)
					test.equal(not ok and db.outcome, "not sent")
				else
					local good, err = pcall(db.query, db, "SELECT")
					test.equal(good, false)
					ends_well(stage .. " " .. what, good, err, since, 0.6)
					test.equal(err.outcome, "maybe applied")
					db:disconnect()
				end
			end
		end
	end)
end

-- A peer that answers these, one after the other, each as late as `peer.late` says (seconds).
local function slow_peer(kind, answers)
	local peer
	peer = peers.start(kind, function(stage, bytes)
		if stage ~= "answer" then
			return bytes
		end
		skynet.sleep(math.ceil(peer.late * 100))
		return table.remove(answers, 1)
	end)
	peer.late = 0
	return peer
end

test.case("mysql: a statement with values has its time once, for what it is prepared and for what it is run", function()
	local SECONDS <const> = 1
	for _, late in ipairs { 0, 0.6 * SECONDS } do
		local peer = slow_peer("mysql", { peers.mysql.PREPARED, peers.mysql.DONE })
		peer.late = late
		local db = connect("mysql", peer, { timeout = late == 0 and 60 or SECONDS })
		local ok, result = pcall(db.query, db, "UPDATE t SET x = ?", 1)
		if late == 0 then
			test.truthy(ok, tostring(result))
		else
			test.equal({ ok, result.code, result.outcome }, { false, "timeout", "maybe applied" })
		end
		test.equal(peer.asked, 2)
		db:disconnect()
	end
end)

test.case("postgres: a statement that is stale has its time once, for both tries", function()
	local SECONDS <const> = 1
	local all = peers.postgres
	for _, late in ipairs { 0, 0.4 * SECONDS } do
		local peer = slow_peer("postgres", { all.PREPARED, all.DONE, all.STALE, all.PREPARED, all.DONE })
		local db = connect("postgres", peer, { timeout = 60 })
		local statement = db:prepare "UPDATE t SET x = $1"
		test.equal(db:execute(statement, 1).affected_rows, 1)
		peer.late = late
		if late == 0 then
			test.equal(db:execute(statement, 2).affected_rows, 1)
			test.equal(peer.asked, 5)
		else
			local ok, result = pcall(db.execute, db:with { timeout = SECONDS }, statement, 2)
			test.equal({ ok, not ok and result.code }, { false, "timeout" })
		end
		db:disconnect()
	end
end)

-- libmariadb trusts greetings, and has crashed on some of these: on those without a version, or with another protocol's
-- number.
test.case("mysql: greetings that are spoiled, in pieces too", { timeout = 200 }, function()
	local total, started, ended, connected = test.count(400), 0, 0, 0
	local peer = peers.start("mysql", function(stage, bytes)
		if stage ~= "hello" then
			return bytes
		end
		for _ = 1, math.random(3) do
			bytes = spoiled(bytes)
		end
		if math.random(2) == 1 then
			-- With a length that is right: what is wrong is inside.
			bytes = string.pack("<I3", #bytes - 4) .. bytes:sub(4)
		end
		return bytes
	end)
	for _ = 1, 16 do
		skynet.fork(function()
			while started < total do
				started = started + 1
				local since = now()
				local ok, db = pcall(connect, "mysql", peer, { connect_timeout = 0.3 })
				if ok then
					connected = connected + 1
					db:disconnect()
				else
					ends_well("greeting", ok, db, since, 1)
					test.equal(db.outcome, "not sent")
				end
				ended = ended + 1
			end
		end)
	end
	test.eventually("all have ended", 100, function()
		return ended >= total
	end)
	test.truthy(connected < total)
end)

for _, wrong in ipairs {
	{ "SSH-2.0-OpenSSH_9.2p1\r\n", "it is too long" }, { "\1\0\0\0\10", "it tells no version" },
	{ "\3\0\0\0\11a\0", "it is of another protocol" }, { "\4\0\0\0\10", "it breaks off" },
	{ "\3\0\0\0\10a\0", "it is too short" }, { "\0\0\0\0", "it is empty" },
	{ "\9\0\0\0\255\255\255\1\2\3abc", "it is a report on progress" },
} do
	test.case("mysql: a greeting of which " .. wrong[2], function()
		local peer = require("reef.test.peer").start(function(c)
			c:write(wrong[1])
			if wrong[2] ~= "it breaks off" then
				c:stall()
			end
		end)
		local err = test.raises("this is no greeting of a MySQL server: " .. wrong[2], connect, "mysql", peer)
		test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	end)
end

test.case("silence within the handshake of TLS", { timeout = 60 }, function()
	local silent = peers.start("postgres", function(_, bytes)
		return bytes
	end)
	silent.tls = true
	local since = now()
	local ok, err = pcall(connect, "postgres", silent, { connect_timeout = 0.3, tls = { verify = false } })
	ends_well("postgres", ok, err, since, 0.3)
	test.equal(err.outcome, "not sent")
	-- MySQL's hello says that there is TLS; what the client begins is not answered.
	silent = peers.start("mysql", function(stage, bytes)
		if stage == "hello" then
			local flags = bytes:find("\x0f\xa2", 1, true)
			return bytes:sub(1, flags) .. "\xaa" .. bytes:sub(flags + 2)
		end
		return nil
	end)
	since = now()
	ok, err = pcall(connect, "mysql", silent, { connect_timeout = 0.3, tls = { verify = false } })
	ends_well("mysql", ok, err, since, 0.3)
	test.equal(err.outcome, "not sent")
end)

test.case("other coroutines go on while somebody is kept waiting, and each gets its own end", function()
	local stuck = peers.start("mysql", function(stage, bytes)
		return stage ~= "answer" and bytes or nil
	end)
	local db = connect("mysql", stuck, { timeout = 0.5 })
	local ends, ticks = {}, 0
	for i = 1, 10 do
		skynet.fork(function()
			local _, err = pcall(db.query, db, "SELECT " .. i)
			ends[#ends + 1] = err.outcome
		end)
	end
	test.eventually("all have ended", 30, function()
		ticks = ticks + 1
		return #ends == 10
	end)
	test.truthy(ticks > 3)
	test.equal(ends[1] == "maybe applied" or ends[1] == "not sent", true)
	test.truthy(stuck.asked >= 1)
	db:disconnect()
end)

test.case("a disconnect ends the wait of whoever waits", function()
	for _, kind in ipairs { "mysql", "postgres" } do
		local stuck = peers.start(kind, function(stage, bytes)
			return stage ~= "answer" and bytes or nil
		end)
		local db = connect(kind, stuck, { timeout = 100 })
		local first, second
		skynet.fork(function()
			first = select(2, pcall(db.query, db, "SELECT"))
		end)
		skynet.fork(function()
			second = select(2, pcall(db.query, db, "SELECT"))
		end)
		test.eventually("it is asked", 20, function()
			return stuck.asked == 1
		end)
		db:disconnect()
		test.eventually("both have ended", 20, function()
			return first ~= nil and second ~= nil
		end)
		test.equal(first.outcome, "maybe applied")
		test.equal(second.outcome, "not sent")
	end
end)

test.run()
