-- Prints what a command of the launcher says, and ends: `dbg list`, `dbg mem`, `dbg kill :8`.

local skynet = require "skynet"

local clean = require("reef.text").clean
local sorted = require "reef.base.sorted"

local name, argument = ...

local function show(value, indent)
	if type(value) ~= "table" then
		return print(clean(indent .. tostring(value)))
	end
	for _, key in ipairs(sorted.keys(value)) do
		if type(value[key]) == "table" then
			print(clean(("%s%s:"):format(indent, tostring(key))))
			show(value[key], indent .. "\t")
		else
			print(clean(("%s%s\t%s"):format(indent, tostring(key), tostring(value[key]))))
		end
	end
end

skynet.start(function()
	local handle = argument and tonumber(argument:match "^:(%x+)$" or "", 16)
	local ok, reply = pcall(skynet.call, ".launcher", "lua", name or "LIST", handle or tonumber(argument))
	show(ok and reply or tostring(reply), "")
	io.stdout:flush()
	skynet.exit()
end)
