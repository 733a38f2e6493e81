-- Requests over a `skynet.socketchannel`, in order or by session, to a peer that answers late, breaks connections,
-- and is parted from us. Promised: who gets a reply gets his own, nobody waits for ever, and what was asked in calm
-- is answered.
--
--     reef sim channel.lua order|session [FILE]   FILE takes the place of a module of skynet.socketchannel's
local sim = require "reef.sim"
local skynet = require "skynet"
local socket = require "skynet.socket"

local mode, file = ...
if file then
	package.loaded["reef.socketchannel." .. (mode == "order" and "ordered" or "connecting")] = dofile(file)
end
local socketchannel = require "skynet.socketchannel"

local CALLERS <const> = 6
local REQUESTS <const> = 30
local TIMEOUT <const> = 2
local LONGEST <const> = 90 -- seconds that a request without a deadline may take: connects give up after 30

local calm = false

-- Lines: a number and a word; they are answered as they are, in order or not.
local function serve(id)
	socket.start(id)
	local function reply(line)
		if not calm and sim.fault(0.03) then
			skynet.sleep(sim.random(1, 500))
		end
		socket.write(id, line .. "\n")
	end
	while true do
		local line = socket.readline(id)
		if not line or (not calm and sim.fault(0.003)) then
			break
		end
		if mode == "session" then
			skynet.fork(reply, line)
		else
			reply(line)
		end
	end
	socket.close(id)
end

local function start_peer()
	sim.place "app"
	local listener = socket.listen("0.0.0.0", 7000)
	socket.start(listener, function(id)
		skynet.fork(serve, id)
	end)
end

local function read_reply(sock)
	local line = sock:readline()
	if mode == "session" then
		local session, word = line:match "^(%d+) (.*)$"
		return tonumber(session), true, word
	end
	return true, line:match "^%d+ (.*)$"
end

local function make_trouble()
	sim.network { delay = { 0.0001, sim.random(1, 100) / 1000 }, stall = 0.01, stall_most = 3, reset = 0.005,
		refuse = 0.1, slow = 0.1 }
	for _ = 1, 4 do
		skynet.sleep(sim.random(1, 500))
		if sim.fault(0.3) then
			sim.reset { port = 7000 }
		elseif sim.fault(0.3) then
			sim.half_close { port = 7000 }
		end
	end
end

skynet.start(function()
	sim.no_errors()
	start_peer()
	local channel = socketchannel.channel { host = "app", port = 7000, timeout = TIMEOUT,
		response = mode == "session" and read_reply or nil }
	skynet.fork(make_trouble)
	local waiting, done, sessions = {}, 0, 0
	sim.always("nobody waits for ever", function()
		for who, since in pairs(waiting) do
			if sim.elapsed() - since > LONGEST then
				return false, ("%s has waited since %.3f"):format(who, since)
			end
		end
		return true
	end, 1)

	local function ask(token, timeout)
		sessions = sessions + 1
		local session = sessions
		waiting[token] = sim.elapsed()
		local ok, reply = pcall(channel.request, channel, ("%d %s\n"):format(session, token),
			mode == "session" and session or read_reply, nil, timeout)
		waiting[token] = nil
		sim.check(not ok or reply == token, "%s was answered by %s", token, tostring(reply))
		return ok, reply
	end

	for caller = 1, CALLERS do
		skynet.fork(function()
			for i = 1, REQUESTS do
				ask(("%d.%d"):format(caller, i), math.random(4) == 1 and 0 or nil)
				if math.random(4) == 1 then
					skynet.sleep(math.random(0, 30))
				end
			end
			done = done + 1
		end)
	end
	sim.eventually(3600, "all have asked", function()
		return done == CALLERS
	end)
	calm = true
	sim.calm()
	-- What the storm has left behind may cost some more connections.
	sim.eventually(60, "a request in calm is answered", function()
		return ask "calm"
	end)
	sim.finish()
end)
