-- Does a bit of everything, with the memory that its argument allows.

local skynet = require "skynet"

local limit = ...
skynet.memlimit(tonumber(limit))

local kept = {}

local function work(size)
	local self = skynet.self()
	local left = 0
	local function part(f)
		left = left + 1
		skynet.fork(function()
			pcall(f)
			left = left - 1
		end)
	end
	for i = 1, size do
		part(function()
			skynet.call(self, "lua", "echo", { i, { ("x"):rep(i % 50) } }, i)
		end)
		part(function()
			skynet.sleep(i % 3)
			skynet.sleep(1, {})
		end)
		part(function()
			skynet.timeout(1, function()
				kept[i] = nil
			end)
			kept[i] = skynet.timeout(1, function() end)
		end)
		part(function()
			for value in coroutine.wrap(function()
				coroutine.yield(skynet.call(self, "lua", "later", i))
			end) do
				kept[-i] = value
			end
		end)
		part(function()
			skynet.wakeup(i)
			skynet.call(self, "lua", "fail", ("y"):rep(i))
		end)
		part(function()
			skynet.killthread(skynet.fork(skynet.wait, i))
		end)
		part(function()
			error { i }
		end)
	end
	while left > 0 do
		skynet.sleep(1)
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what, ...)
		if what == "work" then
			work(...)
			kept = {}
			collectgarbage()
			skynet.retpack "worked"
		elseif what == "later" then
			local answer = skynet.response()
			skynet.timeout(1, function()
				answer(true, "later")
			end)
		elseif what == "fail" then
			error(...)
		else
			skynet.retpack(...)
		end
	end)
end)
