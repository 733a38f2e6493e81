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

test.run()
