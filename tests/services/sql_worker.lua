-- Uses a pool for a test of SQL. (kind, target, options)
local pool = require "reef.pool"
local skynet = require "skynet"

local kind, target, options

local command = {}

function command.start(...)
	kind, target, options = ...
end

function command.query(...)
	return pool[kind](target, options):query(...)
end

-- Begins a transaction that never ends.
function command.hang(sql)
	pool[kind](target, options):transaction(function(t)
		t:query(sql)
		skynet.call(skynet.self(), "lua", "nothing")
	end)
end

-- Reads rows and stops in the middle, for ever.
function command.hang_rows(sql)
	for _ in pool[kind](target, options):rows(sql) do
		skynet.call(skynet.self(), "lua", "nothing")
	end
end

local stopped = false

function command.stop()
	stopped = true
end

-- Numbered transfers until they are stopped: what came of each.
function command.transfers(first, most, statements)
	local db = pool[kind](target, options)
	local outcomes = {}
	for i = first, first + most - 1 do
		if stopped then
			break
		end
		local from, to = i % 10 + 1, (i * 7 + 3) % 10 + 1
		local ok, err = pcall(db.transaction, db, function(t)
			-- In one order, so that transfers do not wait for each other in a circle.
			local low, high = math.min(from, to), math.max(from, to)
			t:query(statements.add, low == from and -1 or 1, low)
			t:query(statements.add, high == from and -1 or 1, high)
			t:query(statements.note, i)
		end)
		outcomes[i] = ok and "applied" or type(err) == "table" and err.outcome or tostring(err)
	end
	return outcomes
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		if command[name] then
			skynet.retpack(command[name](...))
		else
			skynet.ignoreret()
		end
	end)
end)
