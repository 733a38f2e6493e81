-- Sending, answering and protocols: core.md §3 and §4, "Sending" and "Dispatch".
local skynet = require "skynet"
local core = require "skynet.core"
local test = require "test"

local function lines_of(address)
	return skynet.call(address, "lua", "return LINES")
end

test.case("send returns 0, and nil where nobody can be reached", function()
	local actor = test.service "actor"
	test.equal(skynet.send(actor, "lua", "return 1"), 0)
	test.equal(skynet.rawsend(actor, "lua", skynet.pack "return 1"), 0)
	test.equal(skynet.send(".nobody", "lua"), nil)
	test.equal(skynet.send(0x00fffff0, "lua"), nil)
	test.raises("0", skynet.send, 0, "lua")
	test.raises("", skynet.send, nil, "lua")
	test.raises("no_such_type", skynet.send, actor, "no_such_type", 1)
end)

test.case("all forms of an address reach the service", function()
	local actor = test.service "actor"
	for _, address in ipairs { actor, skynet.address(actor), (":%x"):format(actor) } do
		test.equal(skynet.call(address, "lua", "return 5"), 5)
	end
	test.equal(skynet.call(actor, skynet.PTYPE_LUA, "return 6"), 6)
end)

test.case("arguments and replies of every type come through", function()
	local actor = test.service "actor"
	local sent = { 1, 2.5, "three", true, { 4, nil, 6, seven = { 8 } } }
	local got = table.pack(skynet.call(actor, "lua", "return ...", table.unpack(sent)))
	test.equal(got, table.pack(table.unpack(sent)))
	test.equal(select("#", skynet.call(actor, "lua", "return nil, nil")), 2)
	test.equal(select("#", skynet.call(actor, "lua", "return")), 0)
end)

test.case("rawcall gives the bytes of the reply", function()
	local actor = test.service "actor"
	local bytes, size = skynet.rawcall(actor, "lua", skynet.pack "return 'raw', 1")
	test.equal(type(bytes), "userdata")
	test.equal({ skynet.unpack(bytes, size) }, { "raw", 1 })
	test.equal({ skynet.unpack(skynet.rawcall(actor, "lua", skynet.packstring "return 2")) }, { 2 })
end)

test.case("a request is answered once", function()
	local actor = test.service "actor"
	test.equal(skynet.call(actor, "lua", [[
		local skynet = require "skynet"
		skynet.retpack(true)
		LINES = { select(2, pcall(skynet.ret)), select(2, pcall(skynet.response)), skynet.context() == nil }
		skynet.wait()
	]]), true)
	local lines = lines_of(actor)
	test.matches(lines[1], "No session$")
	test.matches(lines[2], "no session$")
	test.equal(lines[3], true)
end)

test.case("ret tells whether the reply was delivered", function()
	local actor = test.service "actor"
	skynet.send(actor, "lua", [[LINES = { require "skynet".ret() } ]])
	test.equal(lines_of(actor), { false })
	local asker = test.service "actor"
	skynet.send(asker, "lua", [[require "skynet".call(...)]], actor, "lua", [[
		local skynet = require "skynet"
		ASKED = true
		skynet.wait(1)
		LINES = { skynet.retpack(1) }
		skynet.wait()
	]])
	test.eventually("the question is there", 10, function()
		return skynet.call(actor, "lua", "return ASKED")
	end)
	skynet.kill(asker)
	skynet.call(actor, "lua", "require 'skynet'.wakeup(1)")
	test.eventually("an answer to a dead caller is tried", 10, function()
		return skynet.call(actor, "lua", "return LINES and LINES[1] == false")
	end)
end)

test.case("context says whose request this is", function()
	local actor = test.service "actor"
	local session, source = skynet.call(actor, "lua", "return require 'skynet'.context()")
	test.equal(source, skynet.self())
	test.truthy(session > 0)
	test.equal(skynet.call(actor, "lua", [[
		local skynet = require "skynet"
		local n
		skynet.fork(function() n = select("#", skynet.context()) end)
		skynet.yield()
		return n
	]]), 0)
end)

test.case("ignoreret leaves the caller to others", function()
	local actor = test.service "actor"
	test.equal(skynet.call(actor, "lua", [[
		local skynet = require "skynet"
		local session, source = skynet.context()
		skynet.ignoreret()
		skynet.redirect(source, 0 | skynet.self(), "response", session, skynet.packstring "redirected")
		skynet.wait()
	]]), "redirected")
end)

test.case("redirect speaks in the name of another, or with source 0 in one's own", function()
	local actor = test.service "actor"
	local other = test.service "actor"
	skynet.call(actor, "lua", [[
		local skynet = require "skynet"
		skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT, unpack = skynet.tostring,
			dispatch = function(session, source, text) LINES = { session, source, text } end }
	]])
	for source, seen in pairs { [other] = other, [0] = skynet.self(), [skynet.self()] = skynet.self() } do
		local text = ("from %d"):format(source)
		skynet.redirect(actor, source, skynet.PTYPE_CLIENT, 7, text)
		test.eventually("it arrives", 10, function()
			local lines = lines_of(actor)
			return lines and lines[2] == seen and lines[1] == 7 and lines[3] == text
		end)
	end
	test.raises("Invalid service address 0", skynet.redirect, 0, 0, skynet.PTYPE_CLIENT, 7, "")
end)

test.case("response answers later, once, and knows whether that is still possible", function()
	local actor = test.service "actor"
	local outcome
	skynet.fork(function()
		outcome = table.pack(skynet.call(actor, "lua", [[
			local skynet = require "skynet"
			KEPT = skynet.response()
			skynet.wait()
		]]))
	end)
	test.equal(test.eventually("it is asked", 10, function()
		return skynet.call(actor, "lua", "return KEPT and KEPT 'TEST'")
	end), true)
	test.equal(skynet.call(actor, "lua", "return KEPT(true, 'later', 2)"), true)
	test.eventually("the answer is there", 10, function()
		return outcome
	end)
	test.equal(outcome, table.pack("later", 2))
	test.equal(skynet.call(actor, "lua", "return KEPT 'TEST'"), false)
	test.raises("Can't response more than once", skynet.call, actor, "lua", "KEPT(true)")
end)

test.case("response(false) fails the call, with a reason if one is given", function()
	local actor = test.service "actor"
	test.raises("call failed$", skynet.call, actor, "lua", "require 'skynet'.response()(false) require 'skynet'.wait()")
	test.raises("call failed: not today", skynet.call, actor, "lua",
		"require 'skynet'.response()(false, 'not today') require 'skynet'.wait()")
end)

test.case("response packs with what it is given", function()
	local actor = test.service "actor"
	test.equal(skynet.call(actor, "lua", [[
		local skynet = require "skynet"
		skynet.response(function(a, b) return skynet.packstring(b, a) end)(true, 1, 2)
		skynet.wait()
	]]), 2)
end)

test.case("a response to a requester that is gone is refused, and to a send it is nothing", function()
	local actor, asker = test.service "actor", test.service "actor"
	skynet.send(asker, "lua", [[require "skynet".call(...)]], actor, "lua", [[
		local skynet = require "skynet"
		KEPT = skynet.response()
		skynet.wait()
	]])
	test.eventually("it is asked", 10, function()
		return skynet.call(actor, "lua", "return KEPT ~= nil")
	end)
	skynet.kill(asker)
	test.eventually("its end is known", 10, function()
		return skynet.call(actor, "lua", "return KEPT 'TEST'") == false
	end)
	test.equal(skynet.call(actor, "lua", "return KEPT(true, 1)"), false)
	skynet.send(actor, "lua", "NOBODY = require 'skynet'.response()")
	test.equal(skynet.call(actor, "lua", "return select('#', NOBODY(true, 1))"), 0)
end)

test.case("a response that is lost fails the call instead of leaving it", function()
	local actor = test.service "actor"
	local failed
	skynet.fork(function()
		failed = not pcall(skynet.call, actor, "lua", "LOST = require 'skynet'.response() require 'skynet'.wait()")
	end)
	test.eventually("it is asked", 10, function()
		return skynet.call(actor, "lua", "return LOST ~= nil")
	end)
	skynet.call(actor, "lua", "LOST = nil collectgarbage()")
	test.eventually("the caller goes on", 10, function()
		return failed
	end)
end)

test.case("a handler's error reaches the caller with its first words", function()
	local actor = test.service "actor"
	local reason = test.raises("call failed: .*the reason", skynet.call, actor, "lua", "error 'the reason'")
	test.truthy(not tostring(reason):find "traceback")
	test.raises("call failed: an object", skynet.call, actor, "lua",
		"error(setmetatable({}, {__tostring = function() return 'an object' end}))")
	-- and through a chain
	local chain = test.service "actor"
	test.raises("call failed: .*call failed: .*deep", skynet.call, chain, "lua",
		"require 'skynet'.call(..., 'lua', \"error 'deep'\")", actor)
end)

test.case("an error after the answer leaves the caller alone and the service alive", function()
	local actor = test.service "actor"
	test.equal(skynet.call(actor, "lua", "require 'skynet'.retpack 'answered' error 'afterwards'"), "answered")
	test.equal(skynet.call(actor, "lua", "return 1"), 1)
end)

test.case("a handler that cannot be called is refused where it is given", function()
	local before = skynet.dispatch "lua"
	for _, wrong in ipairs { 5, "five", true } do
		test.raises("bad argument #2 to 'dispatch' %(function expected, got " .. type(wrong), function()
			local _ = skynet.dispatch("lua", wrong)
		end)
	end
	test.equal(skynet.dispatch "lua", before)
end)

test.case("a protocol of one's own packs, unpacks and dispatches", function()
	local actor = test.service "actor"
	local register = [[
		local skynet = require "skynet"
		skynet.register_protocol {
			name = "words", id = 77,
			pack = function(...) return table.concat({ ... }, " ") end,
			unpack = function(message, size)
				local list = {}
				for word in skynet.tostring(message, size):gmatch "%S+" do list[#list + 1] = word end
				return table.unpack(list)
			end,
			dispatch = function(session, source, ...)
				local n = select("#", ...)
				skynet.sleep(1)
				if session ~= 0 then skynet.ret("got " .. n .. " " .. (...)) end
			end,
		}
	]]
	load(register)()
	skynet.call(actor, "lua", register)
	test.equal({ skynet.call(actor, "words", "one", "two", "three") }, { "got", "3", "one" })
	test.equal({ skynet.call(actor, 77, "one") }, { "got", "1", "one" })
	test.equal(skynet.send(actor, "words", "x"), 0)
	test.equal(skynet.tostring(skynet.rawcall(actor, "words", "a b")), "got 2 a")
end)

test.case("a protocol that has no dispatch fails calls and reports sends", function()
	local actor = test.service "actor"
	skynet.register_protocol { name = "silent", id = 78, pack = skynet.pack, unpack = skynet.unpack }
	test.raises("call failed", skynet.call, actor, "silent", 1)
	skynet.call(actor, "lua", [[
		local skynet = require "skynet"
		OLD = skynet.dispatch_unknown_request(function(session, source, message, size, ptype)
			LINES = { session, source, skynet.tostring(message, size), ptype }
		end)
	]])
	skynet.rawsend(actor, "silent", "text")
	test.eventually("the hook is called", 10, function()
		return lines_of(actor)
	end)
	test.equal(lines_of(actor), { 0, skynet.self(), "text", 78 })
end)

test.case("an unpack function that raises fails the call, on either side", function()
	local actor = test.service "actor"
	local fragile = [[
		local skynet = require "skynet"
		skynet.register_protocol {
			name = "fragile", id = 79, pack = function(text) return text end,
			unpack = function(message, size)
				local text = skynet.tostring(message, size)
				if text == "bad" then error "cannot unpack this" end
				return text
			end,
			dispatch = function(_, _, text) skynet.ret(text == "answer badly" and "bad" or text) end,
		}
	]]
	load(fragile)()
	skynet.call(actor, "lua", fragile)
	test.equal(skynet.call(actor, "fragile", "good"), "good")
	test.raises("call failed: .*cannot unpack this", skynet.call, actor, "fragile", "bad")
	test.raises("cannot unpack this", skynet.call, actor, "fragile", "answer badly")
end)

test.case("names and numbers of protocols are given once", function()
	test.raises("lua", skynet.register_protocol, { name = "lua", id = 200 })
	test.raises("10", skynet.register_protocol, { name = "other", id = 10 })
	test.raises("id", skynet.register_protocol, { name = "large", id = 256 })
	test.raises("name", skynet.register_protocol, { id = 201 })
end)

test.case("dispatch sets and tells the handler", function()
	local function handler() end
	test.equal(skynet.dispatch "debug", nil)
	test.equal(skynet.dispatch "nothing_like_it", nil)
	test.raises("nothing_like_it", skynet.dispatch, "nothing_like_it", handler)
	test.equal(skynet.dispatch("lua", handler), nil)
	test.equal(skynet.dispatch "lua", handler)
	test.equal(skynet.dispatch("lua", function() end), handler)
	test.equal(skynet._proto.lua.id, skynet.PTYPE_LUA)
	test.equal(skynet._proto[skynet.PTYPE_LUA].name, "lua")
end)

test.case("a response that nobody asked for goes to the hook", function()
	local lines
	local old = skynet.dispatch_unknown_response(function(session, source, message, size)
		lines = { session, source, skynet.tostring(message, size) }
	end)
	core.send(skynet.self(), skynet.PTYPE_RESPONSE, 0x7ffffff0, "stray")
	test.eventually("it comes", 10, function()
		return lines
	end)
	test.equal(lines, { 0x7ffffff0, skynet.self(), "stray" })
	skynet.dispatch_unknown_response(old)
end)

test.case("a hook may hand on to the one before, also to the first", function()
	local seen = 0
	for _, set in ipairs { skynet.dispatch_unknown_request, skynet.dispatch_unknown_response } do
		local first = set(nil)
		test.equal(type(first), "function")
		local function mine(...)
			seen = seen + 1
			return first(...)
		end
		test.equal(set(mine), first)
		test.equal(set(first), mine)
		test.equal(set(mine), first)
	end
	local prior = seen
	core.send(skynet.self(), 99, 0, "stray")
	core.send(skynet.self(), skynet.PTYPE_RESPONSE, 0x7ffffff1, "stray")
	test.eventually("both come", 10, function()
		return seen == prior + 2
	end)
	skynet.dispatch_unknown_request(nil)
	skynet.dispatch_unknown_response(nil)
	test.raises("Unknown session : 0 from 7b", skynet.dispatch_unknown_request(nil), 0, 0x7b, nil, 0, 99)
	test.raises("Unknown session : 5 from 7b", skynet.dispatch_unknown_response(nil), 5, 0x7b)
end)

test.case("term makes calls to a service fail as if it were gone", function()
	local actor = test.service "actor"
	local ok, reason
	skynet.fork(function()
		ok, reason = pcall(skynet.call, actor, "lua", "require 'skynet'.wait()")
	end)
	skynet.yield()
	skynet.term(actor)
	skynet.yield()
	test.equal(ok, false)
	test.matches(reason, "call failed")
end)

test.case("genid gives numbers that grow", function()
	local first = skynet.genid()
	test.truthy(first > 0)
	test.equal(skynet.genid(), first + 1)
end)

test.case("a service may take the bytes itself and give them back", function()
	local forwarder = test.service "forwards"
	test.equal({ skynet.call(forwarder, "lua", 1, "two") }, { "forwarded", 1, "two" })
	skynet.send(forwarder, "lua", "sent")
	test.eventually("a send arrives", 10, function()
		return skynet.call(forwarder, "lua", "last") == "forwarded" and
			select(3, skynet.call(forwarder, "lua", "last")) == "sent"
	end)
end)

test.run()
