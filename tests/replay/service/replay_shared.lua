-- The service that is recorded: it reads what services share, in whatever order it lies there, holds on to parts of it,
-- and changes some of it itself. All that it sees goes into its fingerprint.
local datasheet = require "reef.datasheet"
local fingerprint = require "fingerprint"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
local stm = require "skynet.stm"

local note = fingerprint.note
local held, tables, readers = {}, {}, {}
local writer
local command = {}

-- Everything below, in the order of `pairs`; tables that were met before are only counted.
local function walk(t, depth, met)
	met = met or {}
	if met[t] then
		return note("again", met[t])
	end
	met.n = (met.n or 0) + 1
	met[t] = met.n
	note("#", #t)
	for k, v in pairs(t) do
		note(k, type(v) == "table" and "" or v)
		if type(v) == "table" and depth > 0 then
			walk(v, depth - 1, met)
		end
	end
end

-- A row somewhere below, to be held.
local function some_row(t, met)
	met = met or {}
	met[t] = true
	local below = {}
	for _, v in pairs(t) do
		if type(v) == "table" and not met[v] then
			below[#below + 1] = v
		end
	end
	if below[1] and math.random(4) > 1 then
		return some_row(below[math.random(#below)], met)
	end
	return t
end

local function names(what)
	return what .. math.random(3)
end

function command.query()
	local name = names "sheet"
	note(name, datasheet.exists(name))
	local ok, sheet = pcall(datasheet.query, name)
	note(ok, ok or sheet)
	if ok then
		walk(sheet, 6)
		held[math.random(12)] = some_row(sheet)
	end
end

function command.first()
	held[1] = datasheet.query "sheet1"
	walk(held[1], 6)
end

function command.held()
	for i = 1, 12 do
		if held[i] then
			note(i, pcall(walk, held[i], 2))
		end
	end
end

function command.write()
	for i = 1, 12 do
		if held[i] then
			note(pcall(rawset, held[i], "new", 1))
			note(pcall(function()
				held[i].x = i
			end))
		end
	end
end

-- While it is in one message nothing is switched; what is switched while it waits shows afterwards.
function command.wait()
	command.held()
	skynet.sleep(math.random(0, 2))
	command.held()
end

function command.publish(n)
	local how = math.random(5)
	if how == 1 then
		note(pcall(datasheet.publish, { [names "sheet"] = { own = { n, math.random(9) }, x = n } }))
	elseif how == 2 then
		note(pcall(datasheet.patch, { [names "sheet"] = { own = { deeper = { n } }, x = datasheet.nothing } }))
	elseif how == 3 then
		note(pcall(datasheet.publish, { [names "sheet"] = { f = print } }))
	elseif how == 4 then
		note(pcall(datasheet.delete, names "sheet"))
	else
		note(datasheet.stat().rows)
		datasheet.collect()
	end
	command.held()
end

function command.table()
	local name = names "table"
	local found = sharetable.query(name)
	note(name, found ~= nil)
	if found then
		walk(found, 6)
		tables[math.random(6)] = some_row(found)
	end
end

function command.update()
	sharetable.update(names "table", names "table")
	for i = 1, 6 do
		if tables[i] then
			walk(tables[i], 3)
		end
	end
end

function command.load(n)
	local name = names "table"
	note(pcall(sharetable.loadstring, name, "local n, t = ... return { n = n, t = t, list = { n, n + 1 } }", n, { n }))
	note(pcall(sharetable.loadstring, name, "error 'not today'"))
	note(pcall(sharetable.loadstring, name, "return {}", coroutine.create(print)))
	sharetable.loadtable(name, { from = "here", n = n, list = { 1, 2, { n } } })
	note(sharetable.query(name).n, #sharetable.stat().names[name] > 0)
end

-- Blocks of others, and its own.
function command.stm(n, copy)
	if copy then
		readers[#readers + 1] = stm.newcopy(copy)
	end
	for _, reader in ipairs(readers) do
		note(reader(skynet.unpack))
	end
	writer = writer or stm.new(skynet.pack("mine", n))
	writer(skynet.pack("again", n, math.random()))
	if n % 5 == 0 then
		readers[#readers + 1] = stm.newcopy(stm.copy(writer))
		note(skynet.call(skynet.self(), "lua", "copied", n, stm.copy(writer)))
	end
	note(pcall(stm.newcopy, 7), pcall(stm.newcopy, stm))
end

function command.copied(_, copy)
	note(stm.newcopy(copy)(skynet.unpack))
end

local order = {}
for name in pairs(command) do
	order[#order + 1] = name
end
table.sort(order)

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what, n, copy)
		if what == "quit" then
			fingerprint.print()
			skynet.retpack(true)
			skynet.exit()
		end
		local name = command[what] and what or order[math.random(#order)]
		note(name)
		if name ~= "copied" then
			command[name](n, copy)
		elseif copy then
			command.copied(n, copy)
		end
		skynet.retpack(fingerprint.hash())
	end)
end)
