-- reef record ADDRESS NAME: has services of a running process recorded, through its debug console.

local client = require "reef.console_client"
local command = require "reef.command"
local printable = require("reef.text").printable
local skynet = require "skynet"

local HELP = [[
Usage: reef record [--timeout SECONDS] HOST:PORT|PATH [NAME|ADDRESS] [FILE|off]

Has services of a running process recorded, each from its next start on, by way of its debug console; without HOST it is
this machine. What is recorded is run again by `reef replay`.

  NAME         services that are launched by that name; ADDRESS: the name of that one
  FILE         the record of the next one, as the process sees it; without, each has one in its folder `record_path`
  off          none that starts from now on is recorded
               without NAME, it lists what is recorded now, and what will be

Exit code: 0, 1 the process cannot be reached, or refused, 2 the command line is wrong.
]]

local function parse_arguments()
	local options, words = { timeout = 60 }, { "record" }
	local next_word = command.words()
	for word in next_word do
		if word == "--help" or word == "-h" then
			options.help = true
		elseif word == "--timeout" then
			options.timeout = tonumber(next_word())
			if not options.timeout or not (options.timeout > 0 and options.timeout <= 86400) then
				return nil, "--timeout needs a number of seconds"
			end
		elseif word:sub(1, 1) == "-" then
			return nil, "unknown option " .. word
		elseif not options.address then
			options.address = command.address(word)
		elseif #words == 3 then
			return nil, "unexpected " .. word
		else
			words[#words + 1] = word
		end
	end
	options.line = table.concat(words, " ")
	return options
end

skynet.start(function()
	local options = command.options("record", HELP, parse_arguments, "address",
		"in which process? HOST:PORT of its debug console, or the path of a socket")
	if not options then
		return
	end
	client.command("record", options, function(console)
		return console:run(options.line, function(answer)
			print(printable(answer))
		end)
	end)
end)
