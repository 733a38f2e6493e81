-- timeout: 300
-- Nobody waits for long behind others: timers, sockets, calls and new services go on beside any mixture of services
-- with long messages and of endless loops, with any number of workers. All of it is random, and follows the seed.
local project = require "project"
local test = require "test"

local SLACK = 1500 -- ms; the machine may be busy. The backlogs are some seconds long, and loops have no end

local main = [[
	local skynet = require "skynet"
	local socket = require "skynet.socket"
	local role, a = ...
	if role == "busy" then
		skynet.start(function()
			skynet.dispatch("lua", function(_, _, ms)
				local till = skynet.hpc() + ms * 1000000
				while skynet.hpc() < till do end
			end)
		end)
		return
	elseif role == "echo" then
		skynet.start(function()
			skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
		end)
		return
	end
	local seed, longest = math.tointeger(role), math.tointeger(a)
	math.randomseed(seed)
	local worst, samples = {}, {}
	local function sample(what, late)
		worst[what] = math.max(worst[what] or 0, late / 1000000)
		samples[what] = (samples[what] or 0) + 1
	end
	local function probe(what, f)
		skynet.fork(function()
			while true do
				skynet.sleep(math.random(0, 5))
				local start = skynet.hpc()
				local meant = f() or 0
				sample(what, skynet.hpc() - start - meant)
			end
		end)
	end
	skynet.start(function()
		local echo = skynet.newservice("main", "echo")
		local listener, _, port = socket.listen("127.0.0.1", 0)
		socket.start(listener, function(id)
			socket.start(id)
			while true do
				local line = socket.readline(id)
				if not line then return end
				socket.write(id, line .. "\n")
			end
		end)
		local connection = socket.open("127.0.0.1", port)
		local busy = {}
		for i = 1, math.random(1, 6) do
			busy[i] = skynet.newservice("main", "busy")
			for _ = 1, 6000 // longest do
				skynet.send(busy[i], "lua", math.random(longest // 2, longest))
			end
		end
		for _ = 1, math.random(0, 3) do
			local loop = skynet.newservice("main", "busy")
			skynet.timeout(math.random(0, 150), function() skynet.send(loop, "lua", math.huge) end)
		end
		probe("timer", function()
			local cs = math.random(0, 10)
			skynet.sleep(cs)
			return cs * 10000000
		end)
		probe("call", function() skynet.call(echo, "lua", 1) end)
		probe("socket", function()
			socket.write(connection, "x\n")
			assert(socket.readline(connection) == "x")
		end)
		probe("new", function() skynet.kill(skynet.newservice("main", "echo")) end)
		skynet.sleep(250)
		for what, ms in pairs(worst) do
			print(("worst %s %.0f of %d"):format(what, ms, samples[what]))
		end
		print "done"
	end)
]]

local seed = test.seed
for round = 1, 3 do
	for _, threads in ipairs { 1, 2, 4 } do
		test.case(("round %d with %d workers"):format(round, threads), { timeout = 60 }, function()
			local longest = ({ 3, 20, 100 })[round % 3 + 1]
			local p = project.new { ["main.lua"] = "require 'skynet.manager'\n" .. main }
			local reef = p:start(p:config(("thread = %d start = 'main %d %d'"):format(threads,
				(seed + round * 7 + threads) % 1000000, longest)))
			reef:expect("done", 50)
			local n = 0
			for _, ms, samples in reef:output():gmatch "worst (%a+) (%d+) of (%d+)" do
				n = n + 1
				test.truthy(tonumber(samples) >= 1)
				test.between(tonumber(ms), 0, longest + SLACK * (test.sanitizer and 10 or 1))

			end
			test.equal(n, 4)
		end)
	end
end

test.run()
