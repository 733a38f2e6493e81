-- What the proxies share: messages that go through a service without being looked at.
--
-- A proxy is a service (service/reef_proxy.lua) that takes every message as bytes, before the dispatcher. Each request
-- is an *entry*; it is sent on in the proxy's own name, and the reply goes back to whoever asked. No coroutine waits
-- for it, so that an entry costs a small table and nothing else. Debug messages and timers are the proxy's own.
local core = require "skynet.core"
local debug = require "reef.debug.commands"
local skynet = require "skynet"
require "reef.manager"

local TEXT, RESPONSE, ERROR, DEBUG = skynet.PTYPE_TEXT, skynet.PTYPE_RESPONSE, skynet.PTYPE_ERROR, skynet.PTYPE_DEBUG
local TRACE = skynet.PTYPE_TRACE

local relay = {}

---@class reef.proxy.entry
---@field type integer     of the message
---@field message string   its bytes
---@field session integer  of whoever asked; 0: no reply is wanted
---@field source integer   who asked
---@field sent? integer    session under which it was sent on
---@field over? boolean    answered, or nobody waits any more

local waiting = {} ---@type table<integer, reef.proxy.entry> requests that were sent on, until their reply comes

---Sends it on. False: there is no such service; the entry stays as it was.
---@param entry reef.proxy.entry
---@param target integer|string
---@return boolean
function relay.forward(entry, target)
	local session = core.send(target, entry.type, entry.session == 0 and 0 or nil, entry.message)
	if session and session ~= 0 then
		entry.sent = session
		waiting[session] = entry
	end
	return session ~= nil
end

---Answers with an error, which skynet.call raises as `call failed: <reason>`.
---@param entry reef.proxy.entry
---@param reason string
function relay.refuse(entry, reason)
	entry.over = true
	if entry.session ~= 0 then
		core.redirect(entry.source, skynet.self(), ERROR, entry.session, reason)
	end
end

---@class reef.proxy.handlers
---@field request fun(entry: reef.proxy.entry)
---@field reply? fun(entry: reef.proxy.entry, failure?: string): boolean?  also of what is over; true: do not pass it on
---@field gone? fun(source: integer)             whoever asked has ended: his entries that were sent on are `over`
---@field ended? fun()                           this service ends
---@field info fun(): table                      numbers, for the debug command INFO
---@field set? fun(options: table)               new options

---@param handlers reef.proxy.handlers
function relay.run(handlers)
	local self = skynet.self()

	local function reply(entry, kind, bytes, size)
		local message = core.tostring(bytes, size) or ""
		waiting[entry.sent] = nil
		entry.sent = nil
		if handlers.reply and handlers.reply(entry, kind == ERROR and message or nil) then
			return
		elseif not entry.over then
			entry.over = true
			core.redirect(entry.source, self, kind, entry.session, message)
		end
	end

	local function gone(source)
		for _, entry in pairs(waiting) do
			if entry.source == source then
				entry.over = true
			end
		end
		if handlers.gone then
			handlers.gone(source)
		end
	end

	-- What waits for us must not wait for ever when this service is killed.
	relay.guard = setmetatable({}, { __gc = function()
		for _, entry in pairs(waiting) do
			if not entry.over then
				relay.refuse(entry, "the proxy was ended (maybe applied)")
			end
		end
		if handlers.ended then
			handlers.ended()
		end
	end })

	skynet.info_func(handlers.info)
	debug.reg_debugcmd("PROXY", function(options)
		handlers.set(options)
		skynet.ret()
	end)

	core.callback(function(kind, bytes, size, session, source)
		local entry = (kind == RESPONSE or kind == ERROR) and waiting[session]
		if entry then
			reply(entry, kind, bytes, size)
		elseif kind == ERROR and session == 0 then
			gone(source)
		elseif kind == RESPONSE or kind == ERROR or kind == DEBUG or (kind == TEXT and source == 0) then
			skynet.dispatch_message(kind, bytes, size, session, source)
		elseif kind ~= TRACE then
			handlers.request { type = kind, message = core.tostring(bytes, size) or "", session = session, source = source }
		end
	end)
end

---Starts a proxy; its address is used like the service behind it.
---@param kind string   a module reef.proxy.<kind> with `run(options)`
---@param options table
---@return integer address
function relay.start(kind, options)
	local address = skynet.newservice "reef_proxy"
	local ok, err = pcall(skynet.call, address, "lua", kind, options)
	if not ok then
		skynet.kill(address)
		error(err, 0)
	end
	return address
end

---Changes a running proxy.
function relay.set(address, options)
	skynet.call(address, "debug", "PROXY", options)
end

---A number of at least `least`, or an error that names the option.
function relay.number(kind, options, name, default, least)
	local v = options[name]
	if v == nil then
		v = default
	end
	if type(v) ~= "number" or v < least or v ~= v then
		error(("reef.proxy.%s: %s has to be a number of at least %s, not %s"):format(kind, name, least, tostring(v)), 0)
	end
	return v
end

return relay
