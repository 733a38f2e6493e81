-- Stands for a service of another node: what it is sent and called, as lua or as snax, goes there. Started by
-- `clusterd`.
local process = require "reef.process"
local skynet = require "skynet"

local sender, kind, name = ...
sender = math.tointeger(tonumber(sender))
name = name:gsub("%%(%x%x)", function(code)
	return string.char(tonumber(code, 16))
end)
local address = kind == "number" and math.tointeger(tonumber(name)) or name

local function raw(message)
	return message
end

local function forward(session, _, ...)
	local message = skynet.packstring(...)
	if session == 0 then
		skynet.send(sender, "lua", "push", address, message)
		return
	end
	local response = skynet.response(raw)
	local ok, reply, size = pcall(skynet.rawcall, sender, "lua", skynet.packstring("req", address, message))
	if ok then
		response(true, size == 0 and "" or skynet.tostring(reply, size))
	else
		response(false, reply)
	end
end

skynet.register_protocol {
	name = "snax",
	id = skynet.PTYPE_SNAX,
	pack = skynet.pack,
	unpack = skynet.unpack,
}

skynet.start(function()
	process.daemon()
	skynet.dispatch("lua", forward)
	skynet.dispatch("snax", forward)
end)
