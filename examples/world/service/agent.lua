-- One player's agent: it has the player's purse, and does what the player asks.
local datacenter = require "skynet.datacenter"
local datasheet = require "skynet.datasheet"
local skynet = require "skynet"
local snax = require "skynet.snax"
local world = require "world"

local uid, map, store
local purse = world.purse()
local gifts = {} -- kinds of coins that the player has not heard of yet
local x, y
local requests = 0

local function add(kind, n)
	purse[kind] = purse[kind] + n
	store.post.add(uid, kind, n)
end

local player = {}

function player.look() end

function player.move(request, reply)
	x, y, reply.beacon = map.req.move(uid, request.dx, request.dy)
end

function player.take(_, reply)
	reply.kind = map.req.take(uid)
	if reply.kind then
		add(reply.kind, 1)
	end
end

function player.drop(request, reply)
	if purse[request.kind] > 0 then
		reply.kind = request.kind
		add(request.kind, -1)
		map.post.drop(uid, request.kind)
	end
end

function player.give(request, reply)
	local kind = request.kind
	local other = datacenter.get("agent", request.to)
	if purse[kind] > 0 and other and other ~= skynet.self() then
		-- It is nobody's until the other has it.
		add(kind, -1)
		if pcall(skynet.call, other, "lua", "receive", kind) then
			reply.kind = kind
		else
			add(kind, 1)
		end
	end
end

local command = {}

function command.login(name)
	uid = name
	map, store = snax.queryservice "map", snax.queryservice "store"
	x, y = map.req.enter(uid)
end

function command.receive(kind)
	add(kind, 1)
	gifts[#gifts + 1] = kind
end

---What the agent says at the end: the purse, and how many requests it has done.
function command.audit()
	return purse, requests
end

function command.logout()
	skynet.exit()
end

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = skynet.tostring,
	dispatch = function(_, _, message)
		local request = world.decode_request(message)
		local reply = { who = uid }
		requests = requests + 1
		player[request.what](request, reply)
		reply.x, reply.y, reply.version = x, y, datasheet.query("rules").version
		reply.gifts, gifts = gifts, {}
		skynet.ret(world.encode_reply(reply))
	end,
}

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
