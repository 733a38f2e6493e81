-- skynet.db.mysql ignores options that nobody knows, with a line in the log; what is like a known one is refused.
local options = require "reef.mysql.options"
local test = require "test"

test.case("an option of MySQL that nobody knows is told and ignored", function()
	for _, value in ipairs { 1, "x", {}, true, function() end } do
		local conf = options.check { host = "127.0.0.1", zzzzqqqq = value }
		test.equal(conf.zzzzqqqq, nil)
		test.equal(conf.where, "127.0.0.1:3306")
	end
	test.raises("did you mean password", options.check, { pasword = "x" })
end)

test.case("a port may be a text, as keys of the configuration are", function()
	for _, name in ipairs { "mysql", "postgres" } do
		local check = require("reef." .. name .. ".options").check
		test.equal(check({ port = "3307" }).port, 3307, name)
		test.equal(check({ port = "3307" }).where, "127.0.0.1:3307", name)
		test.raises(name .. ": port is a number, not a string", check, { port = "abc" })
		test.raises(name .. ": port is a whole number from 1 to 65535, not 65536", check, { port = "65536" })
	end
end)

test.run()
