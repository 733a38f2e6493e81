-- The seeded fault proxy between a test and a server (tests/tools/faultproxy.c).
--
--     local proxy = require("test.proxy").start(redis.port)       -- or a Unix socket's path
--     connect to 127.0.0.1, proxy.port
--     proxy:set { cut = 4096, delay = { 1000, 20 }, split = 7 }   -- faults by chance, from test.seed
--     proxy:set { split = 1 }                                     -- a byte at a time
--     proxy:next("down", 17, "rst")                               -- exactly there, once
--     proxy:set { latency = 20, rate = 100000 }                   -- ms that every byte is later; bytes a second
--     proxy:half "down" proxy:hold "up"                           -- one direction ends (FIN), or is held back
--     proxy:hold() proxy:heal() proxy:cut() proxy:close() proxy:refuse() proxy:accept() proxy:pass()
--     proxy:stats().living
--
-- The faults are the same for the same seed and the same bytes. It ends with the case that started it.
local core = require "test.process.core"
local process = require "test.process"
local test = require "test"

---@class test.proxy
local proxy = {}
proxy.__index = proxy

---@param target integer|string port of 127.0.0.1, or the path of a Unix socket
---@param seed integer|nil default: test.seed
---@return test.proxy
function proxy.start(target, seed)
	local self = setmetatable({ host = "127.0.0.1", control = process.path "proxy" }, proxy)
	local program = test.tools .. "/faultproxy"
	self.process = process.start { program, target, self.control, seed or test.seed }
	self.port = math.tointeger(tonumber((self.process:expect "port (%d+)")))
	return self
end

---Sends a command of the control connection; its numbers.
---@return table<string, integer>
function proxy:command(line)
	local reply = core.ask(self.control, line .. "\n")
	if not reply or not reply:find "^ok" then
		error(("fault proxy: %s: %s"):format(line, reply or "no answer"), 2)
	end
	local stats = {}
	for k, v in reply:gmatch "(%w+)=(%d+)" do
		stats[k] = math.tointeger(tonumber(v))
	end
	return stats
end

---Chooses faults: `latency` in ms, `rate` in bytes a second, `cut` = mean bytes between ends, `stall` and `delay` =
---{mean bytes, ms}, `split` = most bytes in a piece or {most bytes, us between pieces}; 0 switches off, what is not
---named stays.
function proxy:set(faults)
	local words = { "set" }
	for name, value in pairs(faults) do
		words[#words + 1] = name .. "=" .. (type(value) == "table" and value[1] .. ":" .. value[2] or value)
	end
	return self:command(table.concat(words, " "))
end

---The next connection ends ("fin", "rst"), is held for ever ("hold"), or ends in that direction alone ("half") after n
---bytes "up" (to the server) or "down".
function proxy:next(direction, n, how)
	return self:command(("next %s=%d %s"):format(direction, n, how))
end

---Holds everything back, or what goes "up" or "down".
---@param direction "up"|"down"|nil
function proxy:hold(direction)
	return self:command("hold " .. (direction or ""))
end

---Ends one direction of all connections, by FIN.
---@param direction "up"|"down"
function proxy:half(direction)
	return self:command("half " .. direction)
end

-- No faults any more; go on; end all connections by RST, or by FIN; refuse new ones; take them
-- again; just the numbers: connections, living, cuts, and bytes up and down.
for _, name in ipairs { "pass", "heal", "cut", "close", "refuse", "accept", "stats" } do
	proxy[name] = function(self)
		return self:command(name)
	end
end

return proxy
