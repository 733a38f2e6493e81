-- A message server that answers with what it was asked, and tells how often. Its arguments are limits: requests,
-- requests_kb, expired_kb, greeting_time.
local skynet = require "skynet"
local msgserver = require "snax.msgserver"

local requests, requests_kb, expired_kb, greeting_time = ...
local calls = {}
local events = {}
local never = {} -- coroutines that wait

local server = {}

function server.login_handler(uid, secret)
	local username = msgserver.username(uid, 1, "here")
	msgserver.login(username, secret)
	return username
end

function server.logout_handler(uid)
	msgserver.logout(msgserver.username(uid, 1, "here"))
end

function server.kick_handler(uid)
	return msgserver.ip(msgserver.username(uid, 1, "here"))
end

function server.register_handler(name)
	return name, 7
end

function server.disconnect_handler(username)
	events[#events + 1] = (msgserver.userid(username))
end

function server.request_handler(_, text)
	calls[text] = (calls[text] or 0) + 1
	if text == "fails" then
		error "on purpose"
	elseif text:find "^slow" then
		skynet.sleep(30)
	elseif text:find "^never" then
		never[#never + 1] = coroutine.running()
		skynet.wait {}
	elseif text == "end those" then
		for _, thread in ipairs(never) do
			skynet.killthread(thread)
		end
	elseif text:find "^large" then
		return ("%d "):format(calls[text]) .. ("x"):rep(60000)
	elseif text:find "^agent" then
		return skynet.tostring(skynet.rawcall(skynet.uniqueservice "talks_agent", "client", text))
	elseif text == "events" then
		return table.concat(events, " ")
	end
	return ("%s was asked %d times"):format(text, calls[text])
end

server.expired_number = 4
server.greeting_time = tonumber(greeting_time) or 500
server.requests, server.requests_kb, server.expired_kb = tonumber(requests), tonumber(requests_kb), tonumber(expired_kb)

msgserver.start(server)
