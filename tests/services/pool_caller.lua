-- A service that uses a pool: a message is a command of the table below, with arguments.
local pool = require "reef.pool"
local skynet = require "skynet"

local db
local command = {}

function command.open(target, options)
	db = pool.redis(target, options)
end

---ECHO of numbered values; how many were answered, refused and lost, and whether any reply was a wrong one.
function command.echo(n, name, pause)
	local result = { answered = 0, not_sent = 0, maybe = 0 }
	for i = 1, n do
		local value = name .. ":" .. i
		local ok, reply = pcall(db.echo, db, value)
		if ok then
			result.answered = result.answered + 1
			if reply ~= value then
				result.wrong = { sent = value, got = reply }
			end
		else
			local kind = reply.outcome == "not sent" and "not_sent" or "maybe"
			result[kind] = result[kind] + 1
			result.last = tostring(reply)
			skynet.sleep(pause or 0)
		end
	end
	return result
end

---INCR of a key n times; how many are surely applied, and how many may be.
function command.count(n, key)
	local sure, maybe = 0, 0
	for _ = 1, n do
		local ok, err = pcall(db.incr, db, key)
		if ok then
			sure = sure + 1
		elseif err.outcome ~= "not sent" then
			maybe = maybe + 1
		else
			skynet.sleep(1)
		end
	end
	return sure, maybe
end

---A command many times at once; how many were answered within the time.
function command.flood(n, cs, name, ...)
	local answered, args = 0, table.pack(...)
	for _ = 1, n do
		skynet.fork(function()
			if pcall(db[name], db, table.unpack(args, 1, args.n)) then
				answered = answered + 1
			end
		end)
	end
	skynet.sleep(cs)
	return answered
end

---Begins a transaction, or blocks, and does not come back.
function command.hold(name, ...)
	local args = table.pack(...)
	skynet.fork(function()
		db[name](db, table.unpack(args, 1, args.n))
		skynet.sleep(100000)
	end)
end

---Begins a transaction in a coroutine that ends without having ended it.
function command.forget(how)
	local ready = {}
	local co = skynet.fork(function()
		db:watch "k"
		db:multi()
		db:set("k", how)
		skynet.wakeup(ready)
		if how == "raises" then
			error "in the middle"
		elseif how == "is ended" then
			skynet.wait()
		end
	end)
	skynet.wait(ready)
	if how == "is ended" then
		skynet.killthread(co)
	end
end

---Subscribes, and reads for ever.
function command.subscribe(...)
	local w = pool.watch(db)
	w:subscribe(...)
	skynet.fork(function()
		while true do
			w:message()
		end
	end)
end

function command.call(name, ...)
	return db[name](db, ...)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
