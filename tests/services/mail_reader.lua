-- A service that watches its letters: "watch" opener's options and reader; "counts" answers what it was told.
local mail = require "reef.mail"
local skynet = require "skynet"

local counts, command = {}, {}

function command.watch(options, reader)
	mail.open(options):watch(reader, function(count)
		counts[#counts + 1] = count
	end)
end

function command.counts()
	return counts
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
