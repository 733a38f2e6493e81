-- timeout: 240
-- Connections to MySQL and PostgreSQL that are cut or held at any byte, while connecting, while a statement runs,
-- while rows are read: every call ends in time with a result that is right or an error that says what is known, and
-- the next one works.
local skynet = require "skynet"
local test = require "test"
local tls = require "test.tls"

local drivers = { mysql = "skynet.db.mysql", postgres = "reef.db.postgres" }
local many = { mysql = "SELECT seq AS i FROM seq_1_to_2000", postgres = "SELECT i FROM generate_series(1, 2000) AS i" }
local outcomes = { ["not sent"] = true, ["maybe applied"] = true, rejected = true }

for kind, name in pairs(drivers) do
	test.case(kind .. ": cut at any byte", { timeout = 100 }, function()
		tls.check()
		local w = tls.world()
		local server = require("test." .. kind).start { tls = { cert = w.good.cert, key = w.good.key, ca = w.ca.file } }
		if kind == "mysql" then
			server:sql "CREATE DATABASE t"
		end
		local driver, user, database = require(name), nil, nil
		if kind == "mysql" then
			user, database = "root", "t"
		end
		local proxy = require("test.proxy").start(server.port)
		math.randomseed(test.seed)
		local failures, rights = 0, 0
		local function attempt(options, sum)
			local db = driver.connect(options)
			local _ <close> = setmetatable({}, { __close = function()
				db:disconnect()
			end })
			for i = 1, 3 do
				test.equal(db:query("SELECT " .. i .. " AS a")[1].a, i)
			end
			local total = 0
			for row in db:rows(many[kind]) do
				total = total + row.i
			end
			test.equal(total, sum)
			for i, row in ipairs(db:query(many[kind])) do
				test.equal(row.i, i)
			end
			-- After a loss, what is asked next works.
			proxy:next(math.random() < 0.5 and "up" or "down", 1000000000, "rst")
		end
		for round = 1, test.count(30) do
			local options = {
				port = proxy.port, user = user, database = database,
				timeout = 0.4, connect_timeout = 0.6, cancel = false, tls = round % 3 == 0 and { ca_file = w.ca.file } or nil,
			}
			local how = round % 7 == 0 and "hold" or math.random() < 0.5 and "rst" or "fin"
			local up = math.random() < 0.3
			local most = up and 1500 or round % 2 == 0 and 3000 or 90000
			proxy:next(up and "up" or "down", round == 1 and 10 or math.random(0, most), how)
			local ok, err = test.within(10, pcall, attempt, options, 2001000)
			if ok then
				rights = rights + 1
			else
				failures = failures + 1
				test.equal({ tostring(err), outcomes[type(err) == "table" and err.outcome] }, { tostring(err), true })
			end
		end
		test.truthy(failures > 0)
		proxy:pass()
		attempt({ port = proxy.port, user = user, database = database }, 2001000)
		skynet.error(("%s: %d right, %d failed"):format(kind, rights, failures))
	end)
end

test.run()
