-- A server that speaks Redis' protocol as far as the simulations need it, on the host and port that it is given: it
-- answers in order, now and then late, and now and then it ends a connection. Told `publish N`, it publishes N numbers
-- on the channel `news`, one after the other.
local sim = require "reef.sim"
local skynet = require "skynet"
local socket = require "skynet.socket"
local sorted = require "reef.base.sorted"

local host, port = ...
local late = 0.02

local values = {}
local subscribers = {} ---@type table<integer, table<string, boolean>>  by socket: channels
local commands = {}

function commands.PING()
	return "+PONG\r\n"
end

function commands.SELECT()
	return "+OK\r\n"
end
commands.UNWATCH = commands.SELECT
commands.WATCH = commands.SELECT

function commands.ECHO(text)
	return ("$%d\r\n%s\r\n"):format(#text, text)
end

function commands.SET(key, value)
	values[key] = value
	return "+OK\r\n"
end

function commands.GET(key)
	local value = values[key]
	return value and commands.ECHO(value) or "$-1\r\n"
end

function commands.INCR(key)
	values[key] = tostring(tonumber(values[key] or "0") + 1)
	return (":%s\r\n"):format(values[key])
end

local function read_command(id)
	local head = socket.readline(id, "\r\n")
	if not head then
		return
	end
	local words = {}
	for i = 1, sim.check(tonumber(head:match "^%*(%d+)$"), "no command: %q", head) do
		local size = socket.readline(id, "\r\n")
		if not size then
			return
		end
		local n = sim.check(tonumber(size:match "^%$(%d+)$"), "no size: %q", size)
		local word = socket.read(id, n + 2)
		if not word then
			return
		end
		words[i] = word:sub(1, n)
	end
	return words
end

-- Within a transaction, whose replies come with its end.
local function queue(state, words)
	local name = words[1]:upper()
	if name == "MULTI" then
		state.replies = {}
		return "+OK\r\n"
	elseif name == "DISCARD" then
		state.replies = nil
		return "+OK\r\n"
	elseif name == "EXEC" and state.replies then
		local replies = table.concat(state.replies)
		replies, state.replies = ("*%d\r\n"):format(#state.replies) .. replies, nil
		return replies
	elseif state.replies then
		table.insert(state.replies, commands[name](table.unpack(words, 2)))
		return "+QUEUED\r\n"
	end
end

-- What a connection says that hears of channels.
local function listen(id, words)
	local name = words[1]:upper()
	if name == "SUBSCRIBE" then
		subscribers[id] = subscribers[id] or {}
		local replies = {}
		for i = 2, #words do
			subscribers[id][words[i]] = true
			replies[#replies + 1] = ("*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:%d\r\n"):format(#words[i], words[i], i - 1)
		end
		return table.concat(replies)
	elseif name == "PING" and subscribers[id] then
		return "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
	end
end

local published = 0

local function publish(count)
	for _ = 1, count do
		published = published + 1
		local text = tostring(published)
		for _, id in ipairs(sorted.keys(subscribers)) do
			if subscribers[id].news then
				socket.write(id, ("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$%d\r\n%s\r\n"):format(#text, text))
			end
		end
		skynet.sleep(math.random(0, 10))
	end
	return published
end

local function serve(id)
	local state = {}
	socket.start(id)
	while true do
		local words = read_command(id)
		if not words then
			break
		end
		if sim.fault(late) then
			skynet.sleep(sim.random(1, 600))
		end
		if sim.fault(late / 10) then
			break
		end
		local command = commands[words[1]:upper()]
		local reply = queue(state, words) or listen(id, words) or command and command(table.unpack(words, 2))
			or ("-ERR unknown command %s\r\n"):format(words[1])
		if not socket.write(id, reply) then
			break
		end
	end
	subscribers[id] = nil
	socket.close(id)
end

skynet.start(function()
	sim.place(host)
	skynet.dispatch("lua", function(_, _, what, count)
		if what == "publish" then
			skynet.retpack(publish(count))
		else
			late = 0 -- calm
		end
	end)
	local listener = socket.listen("0.0.0.0", tonumber(port))
	socket.start(listener, function(id)
		skynet.fork(serve, id)
	end)
end)
