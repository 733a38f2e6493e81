-- A service that uses MongoDB: a message is a command of the table below, with arguments.
local mongo = require "skynet.db.mongo"
local pool = require "reef.pool"
local skynet = require "skynet"

local client, c
local kept = {}
local command = {}

---Through a pool with options, or with connections of its own.
function command.open(target, options)
	client = options and pool.mongo(target, options) or mongo.client(target)
	c = client.db.c
end

function command.close()
	client:disconnect()
end

---Finds of numbered documents; how many were answered, refused and lost, and whether any was a wrong one.
function command.find(n, first)
	local result = { answered = 0, not_sent = 0, maybe = 0 }
	for i = first, first + n - 1 do
		local ok, reply = pcall(c.findOne, c, { _id = "d" .. i })
		if ok then
			result.answered = result.answered + 1
			if not reply or reply._id ~= "d" .. i then
				result.wrong = { asked = i, got = reply }
			end
		else
			local kind = reply.outcome == "not sent" and "not_sent" or "maybe"
			result[kind] = result[kind] + 1
			result.last = tostring(reply)
		end
	end
	return result
end

---Inserts of numbered documents; the numbers by what became of them.
function command.insert(n, first)
	local result = { done = {}, not_sent = {}, maybe = {}, rejected = {} }
	for i = first, first + n - 1 do
		local ok, err = pcall(c.insertOne, c, { _id = "d" .. i })
		local list = result[ok and "done" or err.outcome == "not sent" and "not_sent"
			or err.outcome == "rejected" and "rejected" or "maybe"]
		list[#list + 1] = i
		result.last = not ok and tostring(err) or result.last
	end
	return result
end

---Many finds at once; how many were answered within the time.
function command.flood(n, cs)
	local answered = 0
	for i = 1, n do
		skynet.fork(function()
			if pcall(c.findOne, c, { _id = "d" .. i }) then
				answered = answered + 1
			end
		end)
	end
	skynet.sleep(cs)
	return answered
end

---Begins a find that does not come back.
function command.hold(id)
	skynet.fork(function()
		c:findOne { _id = "d" .. id }
	end)
end

---Opens a cursor and keeps it.
function command.cursor(batch)
	local cursor = c:findWith({}, { batchSize = batch })
	kept[#kept + 1] = cursor
	return cursor:hasNext()
end

---Writes so many documents in one transaction, numbered from `first` on.
function command.transaction(n, first)
	local session = client:startSession()
	session:withTransaction(function()
		for i = first, first + n - 1 do
			c:insertOne({ _id = i }, { session = session })
		end
	end)
	session:endSession()
	return true
end

---Watches, and keeps what watches.
function command.watch()
	local stream = c:watch()
	kept[#kept + 1] = stream
	skynet.fork(function()
		stream:next()
	end)
end

---Whom this service takes for the primary.
function command.primary()
	for address, known in pairs(client._core.topology.description.servers) do
		if known.type == "RSPrimary" then
			return address
		end
	end
end

function command.call(name, ...)
	return c[name](c, ...)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
