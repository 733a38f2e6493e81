-- What is called with the wrong arguments says so with the line that called it, not with one of ours.
local cluster = require "skynet.cluster"
local datacenter = require "skynet.datacenter"
local datasheet = require "skynet.datasheet"
local multicast = require "skynet.multicast"
local mysql = require "skynet.db.mysql"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
local snax = require "skynet.snax"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local test = require "test"
local websocket = require "http.websocket"
require "skynet.manager"

local builder = require "skynet.datasheet.builder"

-- In the order of a table's fields: what is called, and what is said.
local WRONG <const> = {
	{ socket.listen, { nil, 1 }, "bad argument #1 to 'listen' (string expected, got nil)" },
	{ socket.listen, { "127.0.0.1", "abc" }, "Invalid port abc" },
	{ socket.listen, { "127.0.0.1", 65536 }, "Invalid port 65536" },
	{ socket.listen, { "127.0.0.1", -1 }, "Invalid port -1" },
	{ socket.open, { nil, 1 }, "bad argument #1 to 'open' (string expected, got nil)" },
	{ socket.open, { "127.0.0.1", "abc" }, "Invalid port" },
	{ socket.start, {}, "bad argument #1 to 'start' (number expected, got nil)" },
	{ socket.close, {}, "bad argument #1 to 'close' (number expected, got nil)" },
	{ socket.abandon, { true }, "bad argument #1 to 'abandon' (number expected, got boolean)" },
	{ socket.linger, {}, "bad argument #1 to 'linger' (number expected, got nil)" },
	{ socket.onclose, { "x" }, "bad argument #1 to 'onclose' (number expected, got string)" },
	{ socket.warning, { {} }, "bad argument #1 to 'warning' (number expected, got table)" },
	{ socket.udp_connect, {}, "bad argument #1 to 'udp_connect' (number expected, got nil)" },
	{ socket.udp_listen, {}, "bad argument #1 to 'udp_listen' (string expected, got nil)" },
	{ socket.udp_dial, {}, "bad argument #1 to 'udp_dial' (string expected, got nil)" },
	{ socket.udp, { print, true }, "bad argument #2 to 'udp' (string expected, got boolean)" },
	{ skynet.uniqueservice, {}, "LAUNCH needs the name of a service, not a nil" },
	{ skynet.uniqueservice, { true }, "GLAUNCH needs the name of a service, not a nil" },
	{ skynet.queryservice, {}, "QUERY needs the name of a service, not a nil" },
	{ skynet.newservice, { print }, "Unsupport type function to serialize" },
	{ skynet.name, {}, "a name is a string, not a nil" },
	{ skynet.register, { 1 }, "a name is a string, not a number" },
	{ snax.uniqueservice, {}, "snax: the name of a service is a text, not a nil" },
	{ snax.queryservice, { 1 }, "snax: the name of a service is a text, not a number" },
	{ cluster.call, { "x", "y", print }, "Unsupport type function to serialize" },
	{ cluster.reload, { "x" }, "call failed: cluster.reload: nodes are a table, not a string" },
	{ datacenter.set, { "x", n = 1 }, "call failed: datacenter.set needs a key and a value" },
	{ datacenter.set, { "x", print }, "Unsupport type function to serialize" },
	{ datacenter.wait, { n = 0 }, "call failed: datacenter.wait needs a key" },
	{ multicast.new, { 1 }, "multicast.new: options are a table, not a number" },
	{ sharetable.query, {}, "sharetable.query: the name is a nil, not a string" },
	{ sharetable.loadtable, { nil, {} }, "sharetable.loadtable: the name is a nil, not a string" },
	{ sharetable.loadfile, {}, "sharetable.loadfile: the name is a nil, not a string" },
	{ datasheet.query, {}, "datasheet.query: the name is a nil, not a string" },
	{ builder.new, {}, "datasheet.new: the name is a nil, not a string" },
	{ builder.update, { 1 }, "datasheet.update: the name is a number, not a string" },
	{ builder.new, { "x", { print } }, "datasheet.new: cannot share a function at 'x[1]'" },
	{ mysql.quote_sql_str, {}, "mysql.quote_sql_str: what it is to quote is a nil, not a string" },
	{ socketchannel.channel, {}, "socketchannel.channel: its argument is a nil, not a table" },
	{ socketchannel.channel, { {} }, "socketchannel.channel: host is a nil, not a string" },
	{ websocket.connect, {}, "websocket.connect: the address is a nil, not a string" },
}

test.case("an error has the line of the caller", function()
	for i, wrong in ipairs(WRONG) do
		local f, arguments = wrong[1], wrong[2]
		local ok, err = pcall(function()
			local result = f(table.unpack(arguments, 1, arguments.n or 3)) -- no tail call
			return result
		end)
		test.equal(ok, false, wrong[3])
		test.matches(err, "wrong_arguments%.lua:%d+: ", ("%d: %s"):format(i, wrong[3]))
		test.equal(err:gsub("^%S-:%d+: ", ""), wrong[3])
	end
	-- The second sheet of that name is an error of `update`.
	builder.new("wrong", { 1 })
	test.raises("datasheet.update: cannot share a function at 'wrong%[1%]'", builder.update, "wrong", { print })
end)

-- What the user wrote, and what Lua or one of its functions says deep inside ours.
local FELT_INSIDE <const> = {
	{ 'require("http.url").parse(nil)', "attempt to index a nil value %(local '%w+'%), in 'parse'$" },
	{ 'local parse = require("http.url").parse  parse()', "attempt to index a nil value %(local '%w+'%), in 'parse'$" },
	{ 'require("reef.datasheet").exists(nil)', "bad argument #1 to 'exists' %(string expected, got nil%)$" },
	{ "channel.request(nil)", "the object is missing, a method is called as object:request%(%.%.%.%): attempt to" },
	{ 'channel.request "x"', "the object is missing, a method is called as object:request%(%.%.%.%): attempt to" },
	{ "local request = channel.request  request()", "the object is missing, a method is called as object:request" },
	{ "error(select(2, pcall(channel.request)), 0)", "the object is missing, a method is called as object:method" },
	{ "channel:request {}", "^%[Error: socket%]" },
	{ "string.rep()", "^user:1: bad argument #1 to 'rep' %(string expected, got no value%)$" },
	{ "local t = nil  t.x = 1", "^user:1: attempt to index a nil value %(local 't'%)$" },
}

test.case("so has one that Lua raises inside ours, with what was called", function()
	for _, case in ipairs(FELT_INSIDE) do
		local channel = socketchannel.channel { host = "nowhere.invalid", connect_timeout = 0.1 }
		local f = load(case[1], "=user", "t", setmetatable({ channel = channel }, { __index = _G }))
		local ok, err = pcall(f)
		test.equal(ok, false, case[1])
		test.matches(err, case[2], case[1])
		if type(err) == "string" then
			test.matches(err, "^user:1: ", case[1])
		end
	end
end)

test.case("numbers are quoted for SQL as in Lua they are text", function()
	test.equal(mysql.quote_sql_str(5), "'5'")
	test.equal(mysql.quote_sql_str(1.5), "'1.5'")
	test.equal(mysql.quote_sql_str "a'b\n", "'a\\'b\\n'")
end)

test.run()
