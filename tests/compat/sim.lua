-- timeout: 600
-- `reef sim`: a run is a function of its seed, and of nothing else; what it cannot simulate it refuses.
local process = require "test.process"
local test = require "test"

local SCRIPTS <const> = test.root .. "/tests/sim/"
local SEEDS <const> = test.count(30)

---@return integer? code, string output
local function sim(script, ...)
	return process.run({ cwd = test.dir, test.reef, "sim", SCRIPTS .. script .. ".lua", ... }, 300)
end

local function fingerprint(output)
	return output:match "fingerprint (%x+)" or test.fail("no fingerprint in " .. output)
end

-- Some seed, another one each time.
local function some_seed()
	return tostring(math.random(1 << 31))
end

test.case("two runs of a seed are the same, to the last address", function()
	local seen, different = {}, 0
	for _ = 1, SEEDS // 3 do
		local seed = some_seed()
		local code, first = sim("prints", "--seed", seed)
		test.equal(code, 0, first)
		-- Under a sanitizer other libraries of the system than ours may have the say about addresses.
		local _, second = sim("prints", "--seed", seed)
		test.equal(fingerprint(second), fingerprint(first), "seed " .. seed)
		if not test.sanitizer and not first:find("addresses be fixed", 1, true) then
			test.equal(second, first, "seed " .. seed)
		end
		different = different + (seen[fingerprint(first)] and 0 or 1)
		seen[fingerprint(first)] = true
	end
	test.equal(different, SEEDS // 3, "fingerprints")
end)

test.case("with faults of the network and killed services, too", function()
	for _ = 1, SEEDS // 10 do
		for _, script in ipairs { "redis", "pool" } do
			local seed = some_seed()
			local _, first = sim(script, "--seed", seed)
			local _, second = sim(script, "--seed", seed)
			test.equal(fingerprint(second), fingerprint(first), script .. " --seed " .. seed)
		end
	end
end)

test.case("a seed is the same among many as by itself", function()
	local code, output = sim("order", "--runs", "2000", "--", "aaabbb")
	test.equal(code, 1, output)
	local seed = output:match "sim: seed (%d+) FAILED" or test.fail(output)
	local again, alone = sim("order", "--seed", seed, "--", "aaabbb")
	test.equal(again, 1, alone)
	test.equal(fingerprint(alone), fingerprint(output))
	test.matches(output, "the order was aaabbb\n")
	test.matches(output, "sim: again: reef sim .*order%.lua %-%-seed " .. seed .. " %-%-until 3600s %-%- aaabbb\n")
end)

test.case("however many run at the same time, the first seed that fails is told", function()
	local seed = some_seed()
	local function first_failure(jobs)
		local code, output = sim("order", "--runs", "20000", "--seed", seed, "--jobs", jobs, "--", "bbbaaa")
		test.equal(code, 1, output)
		return { output:match "sim: seed (%d+) FAILED .* fingerprint (%x+)" }
	end
	local alone = first_failure "1"
	test.equal(#alone, 2)
	for _, jobs in ipairs { "2", "7", "30" } do
		test.equal(first_failure(jobs), alone, jobs .. " jobs, --seed " .. seed)
	end
end)

test.case("every order of two senders comes about, the order of one is kept", function()
	local words = { "" }
	for _ = 1, 6 do
		local longer = {}
		for _, word in ipairs(words) do
			for _, letter in ipairs { "a", "b" } do
				local more = word .. letter
				if select(2, more:gsub("a", "")) <= 3 and select(2, more:gsub("b", "")) <= 3 then
					longer[#longer + 1] = more
				end
			end
		end
		words = longer
	end
	test.equal(#words, 20)
	if test.sanitizer then
		words = { "ababab", "bbbaaa" }
	end
	for _, word in ipairs(words) do
		local code, output = sim("order", "--runs", "20000", "--", word)
		test.equal(code, 1, word)
		test.matches(output, "the order was " .. word .. "\n")
	end
end)

for _, name in ipairs { "bytes", "hosts", "children", "refused", "partition", "reset", "half_close", "slow_reader",
	"clock_jump", "kill", "unix" } do
	test.case("the network: " .. name, function()
		local seed = some_seed()
		local code, output = sim("network", name, "--runs", tostring(SEEDS), "--seed", seed)
		test.equal(code, 0, "seed " .. seed .. ": " .. output)
	end)
end

for _, name in ipairs { "execute", "popen", "programs", "udp", "stdin", "tls", "client" } do
	test.case("is refused: " .. name, function()
		local code, output = sim("refused", name)
		test.equal(code, 1, output)
		test.matches(output, "was refused .* cannot be simulated\n")
	end)
end

test.case("fewer faults are found, with which it still fails", function()
	local code, output = sim("faults", "--shrink", "--seed", some_seed())
	test.equal(code, 1, output)
	test.matches(output, "2 instead of 5\n")
	local list = output:match "%-%-without (%S+)\n"
	test.equal(list, "1-2,4")
	code, output = sim("faults", "--without", list)
	test.equal(code, 1, output)
	code, output = sim("faults", "--without", "3")
	test.equal(code, 0, output)
end)

test.case("a run that does not end by itself is ended: in its own time, and in ours", function()
	local script = process.path "endless.lua"
	local f <close> = assert(io.open(script, "w"))
	f:write [[
		local skynet = require "skynet"
		local mode = ...
		skynet.start(function()
			if mode == "waits" then
				require "reef.sim".eventually(86400 * 9, "nothing", function() end)
			end
			while mode == "sleeps" do
				skynet.sleep(100)
			end
			if mode == "stops" then
				skynet.wait "nobody wakes it"
			end
			local function turn()
				while true do end
			end
			coroutine.wrap(turn)()
		end)
	]]
	f:close()
	local code, output = process.run { test.reef, "sim", script, "sleeps", "--until", "2d" }
	test.equal(code, 0, output)
	test.matches(output, "passed after 172800%.000000 s")
	code, output = process.run { test.reef, "sim", script, "waits", "--until", "10m" }
	test.equal(code, 1, output)
	test.matches(output, "FAILED after 600%.000000 s, .*promised for later")
	-- ThreadSanitizer keeps signals back from a loop that calls nothing.
	if test.sanitizer ~= "tsan" then
		code, output = process.run { test.reef, "sim", script, "--limit", "1" }
		test.equal(code, 1, output)
		test.matches(output, "did not end within 1 s of real time")
		test.matches(output, "snlua %S*endless%S* runs\n\t%S*endless%.lua:14: in ")
	end
	code, output = process.run { test.reef, "sim", script, "sleeps", "--limit", "1", "--until", "36500d" }
	test.equal(code, 1, output)
	test.matches(output, "in which it has come to [%d.]+ s of its own")
	code, output = process.run { test.reef, "sim", script, "stops" }
	test.equal(code, 1, output)
	test.matches(output, "nothing is left to happen, and the start is not over")
end)

test.case("an error that nobody catches fails the run that promises that there is none", function()
	local script = process.path "raises.lua"
	local f <close> = assert(io.open(script, "w"))
	f:write [[
		local sim = require "reef.sim"
		local skynet = require "skynet"
		local mode = ...
		skynet.start(function()
			if mode ~= "may" then
				sim.no_errors()
			end
			pcall(error, "caught")
			skynet.timeout(100, function()
				if mode == "check" then
					sim.check(false, "%d of %s", "x")
				end
				error "oh dear"
			end)
			skynet.sleep(200)
		end)
	]]
	f:close()
	local code, output = process.run { test.reef, "sim", script, "may" }
	test.equal(code, 0, output)
	code, output = process.run { test.reef, "sim", script, "may_not" }
	test.equal(code, 1, output)
	test.matches(output, "FAILED after 1%.%d+ s, .*: an error that nobody caught: %S*raises%.lua:13: oh dear\n")
	code, output = process.run { test.reef, "sim", script, "check" }
	test.equal(code, 1, output)
	test.matches(output, "FAILED after 1%.%d+ s, .*: %%d of %%s %(bad argument")
end)

test.case("what a configuration starts can be simulated", function()
	local path = process.path "config"
	local f <close> = assert(io.open(path, "w"))
	f:write(('luaservice = "%s?.lua"\nstart = "prints"\nthread = 8\ndaemon = "./pid"\nharbor = 0\n'):format(SCRIPTS))
	f:close()
	local seed, fingerprints = some_seed(), {}
	for i = 1, 2 do
		local code, output = process.run { cwd = test.dir, test.reef, "sim", "--config", path, "--seed", seed }
		test.equal(code, 0, output)
		fingerprints[i] = fingerprint(output)
	end
	test.equal(fingerprints[1], fingerprints[2], "seed " .. seed)
	local code, output = sim("faults", "--config", path)
	test.equal(code, 2, output)
	test.matches(output, "either the script .*faults%.lua or the configuration")
end)

test.case("a wrong command line is told", function()
	for _, words in ipairs { { "--runs", "0" }, { "--runs" }, { "--until", "3x" }, { "--seed", "-1" },
		{ "--without", "a" }, { "--without", "3-1" },
		{ "--without", "1," }, { "--limit", "0" }, { "--jobs", "0" }, { "--jobs", "257" }, { "--config" },
		{ "--wrong" } } do
		local code, output = sim("faults", table.unpack(words))
		test.equal(code, 2, table.concat(words, " "))
		test.matches(output, "^reef sim: .*%-%-%l+")
	end
	local code, output = sim("faults", "--seed", "18446744073709551615", "--runs", "2")
	test.equal(code, 2, output)
	test.matches(output, "there are no 2 seeds from 18446744073709551615 on")
	code, output = process.run { test.reef, "sim" }
	test.equal(code, 2, output)
	test.matches(output, "which script%?")
	code, output = process.run { test.reef, "sim", "nowhere.lua" }
	test.equal(code, 2, output)
	test.matches(output, "cannot run nowhere%.lua: No such file")
	code, output = process.run { test.reef, "sim", "--help" }
	test.equal(code, 0, output)
	test.matches(output, "^Usage: reef sim SCRIPT")
end)

test.run()
