-- Reads lines from standard input; each starts a Lua service: `name arguments`, or `snax name arguments`.

local skynet = require "skynet"
local socket = require "reef.socket"

local function start(line)
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	if words[1] == "snax" and words[2] then
		require("skynet.snax").newservice(table.unpack(words, 2))
	elseif words[1] then
		skynet.newservice(table.unpack(words))
	end
end

skynet.start(function()
	skynet.fork(function()
		local stdin = socket.stdin()
		while true do
			local line = socket.readline(stdin, "\n")
			if not line then
				return
			end
			local ok, reason = pcall(start, line)
			if not ok then
				skynet.error(tostring(reason))
			end
		end
	end)
end)
