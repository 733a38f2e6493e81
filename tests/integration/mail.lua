-- timeout: 400
-- reef.mail on every store, with real servers that are frozen and killed.
local mail = require "reef.mail"
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

local stores = {}

function stores.memory()
	return { store = "memory" }
end

function stores.redis()
	local server = require("test.redis").start()
	return { store = "redis", target = "redis://127.0.0.1:" .. server.port }, server
end

function stores.mysql()
	local server = require("test.mysql").start()
	server:sql "CREATE DATABASE t"
	return { store = "mysql", target = { port = server.port, user = "root", database = "t" } }, server, true
end

function stores.postgres()
	local server = require("test.postgres").start()
	return { store = "postgres", target = { port = server.port } }, server, true
end

function stores.mongo()
	local server = require("test.mongo").start()
	return { store = "mongo", target = "mongodb://127.0.0.1:" .. server.port .. "/?timeoutMS=5000" }, server, true
end

local function ids_of(letters)
	local ids = {}
	for i, letter in ipairs(letters) do
		ids[i] = letter.id
	end
	return ids
end

local function keeps_letters(box)
	test.equal(box:count "ada", 0)
	test.equal(box:fetch "ada", {})
	local before = skynet.time()
	local bodies = { { text = "you have won", gold = 10 }, "a\0b\255", 1.5, false, ("x"):rep(200000) }
	local ids = {}
	for i, body in ipairs(bodies) do
		ids[i] = box:post("ada", body)
	end
	box:post("bob", "another's")
	test.equal(box:count "ada", #bodies)
	local letters = box:fetch "ada"
	test.equal(ids_of(letters), ids, "in their order")
	for i, letter in ipairs(letters) do
		test.equal(letter.body, bodies[i])
		test.between(letter.at, before - 2, skynet.time() + 2)
	end
	test.equal(ids_of(box:fetch("ada", 2)), { ids[1], ids[2] })
	test.equal(box:done("ada", ids[1]), 1)
	test.equal(box:done("ada", ids[1]), 0)
	test.equal(box:done("bob", ids[2]), 0, "it is not bob's")
	test.equal(ids_of(box:fetch("ada", 1)), { ids[2] })
	test.equal(box:done("ada", ids), #bodies - 1)
	test.equal(box:count "ada", 0)
	test.equal(box:count "bob", 1)
	test.equal(box:done("ada", {}), 0)
end

local function keeps_a_letter_once(box)
	for _ = 1, 3 do
		test.equal(box:post("once", "first", { id = "the same" }), "the same")
	end
	box:post("other", "first", { id = "the same" })
	test.equal(box:count "once", 1)
	test.equal(box:fetch("once")[1].body, "first")
	test.equal(box:count "other", 1)
	box:done("once", "the same")
	test.equal(box:count "other", 1)
end

local function keeps_many(box)
	local ids = {}
	for i = 1, 1500 do
		ids[i] = "n" .. i
	end
	test.together(30, function(k)
		for i = k, #ids, 30 do
			box:post("many", i, { id = ids[i] })
		end
	end)
	test.equal(box:count "many", #ids)
	test.equal(#box:fetch "many", 100)
	test.equal(#box:fetch("many", 5000), #ids)
	test.equal(box:done("many", ids), #ids)
end

local function tells(box, options)
	local counts = {}
	local watcher = box:watch("eve", function(count)
		counts[#counts + 1] = count
	end)
	test.eventually("it is told at once", 20, function()
		return counts[1] == 0
	end)
	box:post("eve", 1)
	test.eventually("it is told of a letter", 20, function()
		return counts[#counts] == 1
	end)
	for i = 2, 50 do
		box:post("eve", i)
	end
	test.eventually("the last one is told of", 20, function()
		return counts[#counts] == 50
	end)
	local reader = test.service "mail_reader"
	skynet.call(reader, "lua", "watch", options, "eve")
	test.eventually("another service is told, too", 20, function()
		local told = skynet.call(reader, "lua", "counts")
		return told[#told] == 50
	end)
	watcher:close()
	local told = #counts
	box:post("eve", 51)
	test.eventually("the other one is told", 20, function()
		local others = skynet.call(reader, "lua", "counts")
		return others[#others] == 51
	end)
	test.equal(#counts, told)
	skynet.kill(reader)
	box:post("eve", 52)
	test.equal(box:count "eve", 52)
end

-- Numbered letters are posted while the store is frozen and, where it keeps its data, killed.
local function survives(box, server, keeps)
	local posted, over, counts = 0, false, {}
	local watcher = box:watch("storm", function(count)
		counts[#counts + 1] = count
	end)
	local writers = 4
	for k = 1, writers do
		skynet.fork(function()
			local i = 0
			while not over do
				i = i + 1
				local id = ("%d/%d"):format(k, i)
				while not pcall(box.post, box, "storm", id, { id = id, timeout = 2 }) do
					skynet.sleep(1)
				end
				posted = posted + 1
			end
			writers = writers - 1
		end)
	end
	local function passed(n)
		local wanted = posted + n
		test.eventually("letters are posted", 60, function()
			return posted >= wanted
		end)
	end
	passed(20)
	server:freeze()
	skynet.sleep(60)
	server:thaw()
	passed(20)
	if keeps then
		server:kill()
		skynet.sleep(20)
		server:restart()
		passed(20)
	end
	over = true
	test.eventually("all writers have ended", 60, function()
		return writers == 0
	end)
	test.equal(box:count "storm", posted, "each letter once")
	local seen = {}
	for _, letter in ipairs(box:fetch("storm", posted + 10)) do
		test.equal(letter.body, letter.id)
		test.equal(seen[letter.id], nil)
		seen[letter.id] = true
	end
	test.eventually("the watcher knows the last one", 30, function()
		return counts[#counts] == posted
	end)
	watcher:close()
end

-- A store that says nothing is waited for as long as the box says, and not for as long as its own time-outs.
local function has_its_own_time(box, server, options)
	box:post("slow", 1, { id = "first" })
	server:freeze()
	local over, thawed = false, false
	skynet.fork(function()
		for _ = 1, 250 do
			if over then
				break
			end
			skynet.sleep(10)
		end
		server:thaw()
		thawed = true
	end)
	local hurried = box:with_timeout(0.5)
	local other = { name = options.name .. "_late", timeout = 0.5, store = options.store, target = options.target }
	test.equal(pcall(hurried.count, hurried, "slow"), false)
	test.equal(pcall(hurried.fetch, hurried, "slow"), false)
	test.equal(pcall(hurried.post, hurried, "slow", 2), false)
	test.equal(pcall(hurried.done, hurried, "slow", "first"), false)
	pcall(mail.open, other)
	test.equal(thawed, false)
	over = true
	test.eventually("it answers again", 30, function()
		return thawed and pcall(box.count, box, "slow")
	end)
end

local function says_that_the_store_is_away(box, server)
	server:kill()
	local ok, err = pcall(box.post, box, "late", 1, { timeout = 1 })
	test.equal(ok, false)
	-- A connection that was open may have taken it.
	test.truthy(err.outcome == "not sent" or err.outcome == "maybe applied", err.outcome)
	test.truthy(not pcall(box.count, box:with_timeout(1), "late"))
end

for kind, start in pairs(stores) do
	test.case(kind .. " keeps letters, counts them and tells of them", { timeout = 350 }, function()
		local options, server, keeps = start()
		options.name = "mail_" .. kind
		local box = mail.open(options)
		keeps_letters(box)
		keeps_a_letter_once(box)
		keeps_many(box)
		tells(box, options)
		if server then
			survives(box, server, keeps)
			has_its_own_time(box, server, options)
			says_that_the_store_is_away(box, server)
		end
	end)
end

test.case("what cannot be is refused", function()
	test.raises("unknown option", mail.open, { store = "memory", stroe = 1 })
	test.raises("store is the name of one", mail.open, {})
	test.raises("module 'no%.such%.store' not found", mail.open, { store = "no.such.store", name = "refused" })
	local box = mail.open { store = "memory", name = "once" }
	test.raises("is kept in memory, not in redis", mail.open, { store = "redis", name = "once" })
	test.raises("a reader is a text, not a number", box.post, box, 7, "x")
	test.raises("a reader is a text, not an empty one", box.count, box, "")
end)

test.run()
