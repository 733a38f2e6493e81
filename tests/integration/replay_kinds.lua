-- timeout: 600
-- Each way in which a service may deal with what is outside is recorded, and replayed without it.
local certificates = require "test.tls"
local nameserver = require "test.nameserver"
local process = require "test.process"
local records = require "test.records"
local test = require "test"

---Records the service of that name in a process of its own, and replays that: both outputs.
---@param between? fun() before the replay
local function there_and_back(recorded, start, between)
	local p, output = records.play(start, recorded)
	test.matches(output, "it did\ttrue")
	test.equal(output:find("ends here", 1, true), nil, output)
	if between then
		between()
	end
	local code, again = records.replay(p)
	test.equal(code, 0, again)
	test.matches(again, "answers: as recorded; the service has ended")
	return output, again
end

local function case(kind, more, needs, between)
	test.case(kind .. " is replayed", function()
		for _, module in ipairs(needs or {}) do
			if not pcall(require, module) then
				test.skip("this build has no " .. module)
			end
		end
		local start = table.concat({ "replay_kinds_main", kind, more and more() or nil }, " ")
		local output, again = there_and_back("replay_kinds", start, between)
		local lines = 0
		for line in output:gmatch "[^\n]+" do
			if not line:find "^%[" and not line:find "^it did" then
				lines = lines + 1
				test.truthy(again:find(line .. "\n", 1, true), line .. "\nis not in\n" .. again)
			end
		end
		test.truthy(lines >= 3, output)
	end)
end

case("tls", function()
	certificates.check()
	local world = certificates.world()
	process.run { "cp", world.good.cert, test.dir .. "/good.pem" }
	process.run { "cp", world.good.key, test.dir .. "/good.key" }
	process.run { "cp", world.ca.file, test.dir .. "/ca.pem" }
	return test.dir .. "/good " .. test.dir .. "/ca.pem"
end, nil, function()
	for _, name in ipairs { "good.pem", "good.key", "ca.pem" } do
		test.truthy(os.remove(test.dir .. "/" .. name))
	end
end)

case("udp", process.free_port)

case("unix", function()
	return test.dir .. "/socket"
end)

case("http", nil, { "reef.http.core" })

case("websocket", nil, { "reef.http.core", "reef.http.frames" })

case("sharetable", nil)

local server

case("names", function()
	server = nameserver.start(function(name, qtype, query)
		if name:find "^silent" then
			return {}
		elseif name:find "none" then
			return { nameserver.reply(query, nameserver.NXDOMAIN, {}) }
		elseif qtype == nameserver.SRV then
			return { nameserver.reply(query, nameserver.OK, { nameserver.record(nameserver.SRV, 60,
				string.pack(">I2I2I2", 1, 1, 4711) .. nameserver.name "x.a.test") }) }
		end
		return { nameserver.reply(query, nameserver.OK, { nameserver.a "10.0.0.1", nameserver.a "10.0.0.2" }) }
	end)
	return tostring(server.port)
end, nil, function()
	test.truthy(server.asked["b.test"])
end)

case("raw", nil)

test.case("a gate is replayed", function()
	local _, again = there_and_back("gate", "replay_gate_main")
	test.truthy(tonumber(again:match "(%d+) events") > 20, again)
end)

test.run()
