-- What a program can see of time, chance, handles and addresses.
local profile = require "skynet.profile"
local skynet = require "skynet"
local has_http, http = pcall(require, "reef.http.core")

skynet.start(function()
	print(os.time(), os.date(), os.clock(), skynet.time(), skynet.now(), skynet.starttime(), skynet.hpc())
	print(math.random(1 << 40), tostring {}, tostring(print), tostring(coroutine.running()), skynet.self())
	local keys, order = {}, {}
	for i = 1, 40 do
		keys[i % 2 == 0 and {} or coroutine.create(print)] = i
	end
	for _, i in pairs(keys) do
		order[#order + 1] = i
	end
	local names = {}
	for name in pairs(_G) do
		names[#names + 1] = name
	end
	print(table.concat(order, " "), table.concat(names, " "))
	print(require "skynet.crypt".hexencode(require "skynet.crypt".randomkey()), collectgarbage "count")
	profile.start()
	for i = 1, 10000 do
		order[i] = tostring(i)
	end
	print(require "reef.programs".pid(), profile.stop(), has_http and http.date())
	skynet.sleep(100 * 1800)
	print(os.time(), os.date(), math.floor(os.clock()))
	skynet.exit()
end)
