-- A message server that answers with what it was asked, and tells how often.
local skynet = require "skynet"
local msgserver = require "snax.msgserver"

local calls = {}
local events = {}

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
	elseif text == "events" then
		return table.concat(events, " ")
	end
	return ("%s was asked %d times"):format(text, calls[text])
end

server.expired_number = 4
server.greeting_time = 500

msgserver.start(server)
