-- timeout: 300
-- config: luaservice = "./?.lua;./?/main.lua;" .. luaservice
-- Services that begin as copies of a VM are like those that are made anew: whatever a script looks at is the same.
local skynet = require "skynet"
local test = require "test"
local codecache = require "skynet.codecache"
local memory = require "reef.memory"
local scripts = require "copy_scripts"

local HEAD = [[
local skynet = require "skynet"
local out = {}
local concat, tostring, pack = table.concat, tostring, table.pack
local function say(...)
	local words = pack(...)
	for i = 1, words.n do
		words[i] = tostring(words[i])
	end
	out[#out + 1] = concat(words, " ")
end
local arguments = table.pack(...)
]]

local TAIL = "\n" .. [[
skynet.start(function()
	skynet.dispatch("lua", function()
		skynet.retpack(require("reef.memory").copied(), table.concat(out, "\n"))
	end)
end)
]]

local function write(name, body)
	local file = assert(io.open(test.dir .. "/" .. name .. ".lua", "w"))
	file:write(body)
	file:close()
end

local function say_again(name, ...)
	local address = skynet.newservice(name, ...)
	local copied, text = skynet.call(address, "lua")
	require("skynet.manager").kill(address)
	return copied, text
end

---The script says the same in a VM that was made anew and in two copies. Returns what.
local function compare(name, body, ...)
	write(name, HEAD .. body .. TAIL)
	local copied, text = say_again(name, ...)
	test.equal(copied, false)
	for _ = 1, 2 do
		local now, other = say_again(name, ...)
		test.equal(memory.copied(name), nil)
		test.truthy(now, "the second one is a copy")
		test.equal(other, text, body)
	end
	return text
end

test.case("everything that a script finds at its beginning is the same, in the same order", function()
	compare("finds", scripts.everything, "some", "words", "3")
end)

test.case("random scripts say the same", { timeout = 240 }, function()
	local random = scripts.generator(test.seed)
	for i = 1, math.max(test.count(150), 40) do
		compare("random_" .. i, random(), "word", "7")
	end
end)

test.case("each copy has random numbers of its own, and those of a seed when it asks for it", function()
	write("dice", HEAD .. [[
		for _ = 1, 4 do say(math.random(0)) end
	]] .. TAIL)
	local seen = {}
	for _ = 1, 20 do
		local _, text = say_again "dice"
		test.equal(seen[text], nil)
		seen[text] = true
	end
	compare("seeded", "math.randomseed(42) for _ = 1, 4 do say(math.random(0)) end")
end)

test.case("copies share nothing that can be changed", function()
	write("changes", HEAD .. [[
		say(string.mine, _G.mine, package.path, skynet.mine, getmetatable("").mine, #package.searchers, io.stdout.mine)
		string.mine, mine, package.path, skynet.mine = 1, 2, "nowhere", 3
		getmetatable("").mine = 4
		getmetatable(io.stdout).__index.mine = 5
		table.insert(package.searchers, print)
		table.concat = table.concat
		math.floor = nil
		say(math.floor, string.mine, mine, ("").mine)
	]] .. TAIL)
	local _, first = say_again "changes"
	for _ = 1, 3 do
		local copied, text = say_again "changes"
		test.truthy(copied)
		test.equal(text, first)
	end
end)

test.case("a file that is read anew, or found elsewhere, is what the next one gets", function()
	write("moving", HEAD .. "say 'one'" .. TAIL)
	for _ = 1, 3 do
		test.equal(select(2, say_again "moving"), "one")
	end
	write("moving", HEAD .. "say 'two'" .. TAIL)
	test.equal({ say_again "moving" }, { true, "one" }, "the cache has it")
	codecache.clear()
	test.equal({ say_again "moving" }, { false, "two" })
	test.equal({ say_again "moving" }, { true, "two" })
	codecache.evict "./moving.lua"
	test.equal({ say_again "moving" }, { false, "two" })
	os.remove(test.dir .. "/moving.lua")
	test.equal({ say_again "moving" }, { true, "two" })
end)

test.case("a service in a directory of its own finds it", function()
	os.execute(("mkdir -p '%s/own'"):format(test.dir))
	write("own/main", HEAD .. "say(SERVICE_NAME, SERVICE_PATH, package.path)" .. TAIL)
	local _, text = say_again "own"
	test.matches(text, "^own %./own/ %./own/%?%.lua;")
	test.equal({ say_again "own" }, { true, text })
	write("own", HEAD .. "say 'before it'" .. TAIL)
	test.equal({ say_again "own" }, { false, "before it" })
end)

test.case("errors of copies are told as those of others", function()
	write("fails", "local a = ... if a == 'yes' then error 'told' end require('skynet').start(function() end)")
	for _ = 1, 3 do
		local ok, reason = pcall(skynet.newservice, "fails", "yes")
		test.equal(ok, false)
		test.matches(reason, "fails%.lua:1: told")
		skynet.kill(skynet.newservice("fails", "no"))
	end
end)

test.case("copies are collected, limited and counted like others", function()
	local kilobytes = {}
	write("counts", HEAD .. [[
		for i = 1, 3 do
			local t = {}
			for k = 1, 2000 do t[k] = { k, tostring(k) } end
			t = nil
			collectgarbage()
		end
		skynet.memlimit(8 << 20)
		say(pcall(string.rep, "x", 16 << 20))
		collectgarbage()
		collectgarbage()
		collected = collectgarbage "count"
	]] .. TAIL:gsub("table%.concat%(out, \"\\n\"%)", "table.concat(out), collected"))
	for i = 1, 3 do
		local address = skynet.newservice "counts"
		local copied, text, count = skynet.call(address, "lua")
		test.equal(copied, i > 1)
		test.matches(text, "not enough memory")
		kilobytes[i] = count
		require("skynet.manager").kill(address)
	end
	test.between(kilobytes[2], kilobytes[1] * 0.6, kilobytes[1] * 1.1)
	test.equal(kilobytes[3], kilobytes[2])
end)

-- A file's finalizer is C's, and writes what it has not written yet.
test.case("what C keeps is ended with a copy, however old it is", function()
	write("leaves", HEAD .. [[
		kept = {}
		function leave(path, mode, collections)
			local file = assert(io.open(path, "w"))
			file:write "left"
			kept[path] = file
			collectgarbage(mode)
			for _ = 1, collections do
				collectgarbage()
			end
			if collections % 2 == 1 then
				setmetatable({}, { __gc = function() kept = nil end })
			end
		end
		skynet.start(function()
			skynet.dispatch("lua", function(_, _, ...)
				leave(...)
				skynet.retpack(require("reef.memory").copied())
			end)
		end)
	]])
	local copies = 0
	for i = 1, 40 do
		local address, path = skynet.newservice "leaves", ("%s/left%d"):format(test.dir, i)
		local mode = i % 3 == 0 and "incremental" or "generational"
		copies = copies + (skynet.call(address, "lua", path, mode, i % 7) and 1 or 0)
		require("skynet.manager").kill(address)
		test.eventually("what was left in " .. path, 10, function()
			local file = io.open(path)
			local text = file and file:read "a"
			if file then
				file:close()
			end
			return text == "left"
		end)
	end
	test.truthy(copies >= 38, "copies")
end)

test.case("launches and kills at any moment", { timeout = 240 }, function()
	write("brief", "local skynet = require 'skynet' skynet.start(function() skynet.sleep(math.random(0, 2)) end)")
	local manager = require "skynet.manager"
	test.together(16, function(who)
		for i = 1, test.count(2000) do
			local session = skynet.genid()
			if (who + i) % 3 == 0 then
				-- Somebody else may have killed it meanwhile.
				local ok, address = pcall(skynet.newservice, "brief", i)
				if ok and address then
					manager.kill(address)
				else
					test.matches(tostring(address), "killed while it started")
				end
			else
				skynet.send(".launcher", "lua", "LAUNCH", "snlua", "brief", i)
				skynet.yield()
			end
			if session % 64 == 0 then
				for address, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
					if line:find "^snlua brief" then
						manager.kill(address)
					end
				end
			end
		end
	end)
	test.eventually("all are gone", 60, function()
		local left = 0
		for address, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
			if line:find "^snlua brief" then
				left = left + 1
				manager.kill(address)
			end
		end
		return left == 0
	end)
end)

test.run()
