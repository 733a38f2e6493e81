-- The drivers of MySQL and PostgreSQL; bench/yard/mysql.c and postgres.c do the same on the bare libraries.
local bench = require "bench"

local ONE <const> = "SELECT id, name, n FROM account WHERE id = "
local ALL <const> = "SELECT id, name, n FROM account"

local function measure(name, db, parameter)
	local n = 5000
	bench.measure(name .. "_one", n, function()
		for i = 1, n do
			assert(db:query(ONE .. i)[1].id == i)
		end
	end)
	bench.measure(name .. "_one_64", n, function()
		bench.together(64, function(k)
			for i = k, n, 64 do
				assert(db:query(ONE .. i)[1].id == i)
			end
		end)
	end)
	local statement = db:prepare(ONE .. parameter)
	bench.measure(name .. "_prepared", n, function()
		for i = 1, n do
			assert(db:execute(statement, i)[1].id == i)
		end
	end)
	bench.measure(name .. "_all", 10, function()
		for _ = 1, 10 do
			assert(#db:query(ALL) == 10000)
		end
	end)
	bench.measure(name .. "_rows", 10, function()
		for _ = 1, 10 do
			local count = 0
			for _ in db:rows(ALL) do
				count = count + 1
			end
			assert(count == 10000)
		end
	end)
	db:disconnect()
end

bench.main(function()
	local mysql = require "skynet.db.mysql"
	measure("mysql", mysql.connect { host = os.getenv "MYSQL_SOCKET", user = "root", database = "bench" }, "?")
	local directory, port = os.getenv("POSTGRES_SOCKET"):match "^(.*):(%d+)$"
	measure("postgres", require("reef.db.postgres").connect { host = directory, port = tonumber(port) }, "$1")
end)
