-- One player's agent: tells the map what the player asks, and the player what the map answers.
local datasheet = require "skynet.datasheet"
local skynet = require "skynet"
local the_map = require "the_map"
local world = require "world"

local uid

local command = {}

function command.login(name)
	uid = name
	the_map.ask("enter", uid)
end

function command.logout()
	skynet.exit()
end

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = skynet.tostring,
	dispatch = function(_, _, message)
		local reply = the_map.ask("ask", uid, world.decode_request(message))
		reply.version = datasheet.query("rules").version
		skynet.ret(world.encode_reply(reply))
	end,
}

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
