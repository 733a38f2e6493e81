-- timeout: 300
-- Every call ends, with a reply or an error, whatever its callee does or suffers.
local process = require "test.process"
local services = require "reef.services"
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = function(s)
		return s
	end,
	unpack = skynet.tostring,
}

-- Those that sit in C hold a worker until their fifo is written to.
local BLOCKING = { "block", "block_when_closed", "block_when_collected" }
local BEHAVIOUR = {
	"answer", "raise", "forget", "ignore", "wait", "sleep", "keep", "drop", "in_coroutine", "ask_itself", "swallow_exit",
	"swallow_interrupts",
}

local call = {}

function call.call(victim, what)
	return skynet.call(victim, "lua", what)
end

function call.raw(victim, what)
	return skynet.rawcall(victim, "lua", skynet.packstring(what))
end

function call.text(victim, what)
	return skynet.call(victim, "text", what)
end

function call.request(victim, what)
	local request = skynet.request { victim, "lua", what }
	request:add { victim, "lua", what }
	for _ in request:select() do -- luacheck: ignore 542
	end
end

function call.named(victim, what)
	local name = ".victim" .. victim
	skynet.name(name, victim)
	return skynet.call(name, "lua", what)
end

function call.in_coroutine(victim, what)
	return coroutine.wrap(skynet.call)(victim, "lua", what)
end

---The victim is not the one that was asked, so nobody can tell before the victim itself does.
function call.redirected(victim, what)
	local between = test.service("redirects", victim)
	return skynet.call(between, "lua", what)
end

local KINDS = { "call", "raw", "text", "request", "named", "in_coroutine", "redirected" }

local death = {}

function death.kill(victim)
	skynet.kill(victim)
end

function death.kill_by_launcher(victim)
	skynet.call(".launcher", "lua", "KILL", victim)
end

function death.debug_exit(victim)
	skynet.send(victim, "debug", "EXIT")
end

function death.exit(victim)
	skynet.send(victim, "lua", "exit")
end

function death.exit_later(victim)
	skynet.send(victim, "lua", "exit_later")
end

function death.kill_itself(victim)
	skynet.send(victim, "lua", "kill_itself")
end

local DEATHS = { "kill", "kill_by_launcher", "debug_exit", "exit", "exit_later", "kill_itself" }

local function one_of(list)
	return list[math.random(#list)]
end

local function new_victim()
	local fifo = process.path "fifo"
	assert(os.execute("mkfifo " .. fifo))
	local mode = math.random(4) == 1 and "raw" or "cooked"
	return test.service("victim", mode, fifo), fifo, mode
end

---Nobody may be there to be let go, or not yet: opened for both, it does not wait.
local function let_go(fifo)
	local f = assert(io.open(fifo, "r+"))
	f:write(("\n"):rep(100))
	f:flush()
	test.defer(f.close, f)
end

---Random calls to a victim, its death; all calls end, while it may still sit in C.
local function round(statistics)
	local victim, fifo, mode = new_victim()
	local blocking = math.random(5) == 1 and one_of(BLOCKING)
	local calls, open = {}, 0
	local function start(kind, what)
		local entry = { kind = kind, what = what }
		calls[#calls + 1] = entry
		open = open + 1
		skynet.fork(function()
			entry.ok, entry.reason = pcall(call[kind], victim, what)
			entry.ended = true
			open = open - 1
		end)
	end
	for _ = 1, math.random(0, 6) do
		local kind = one_of(KINDS)
		start(blocking and kind == "redirected" and "call" or kind, one_of(BEHAVIOUR))
		if math.random(3) == 1 then
			skynet.sleep(math.random(0, 2))
		end
	end
	local how = one_of(DEATHS)
	if blocking then
		start("call", blocking)
		for _ = 1, math.random(0, 2) do
			start("call", one_of(BEHAVIOUR))
		end
		skynet.sleep(math.random(0, 3))
		how = blocking == "block" and "kill" or how
	end
	death[how](victim)
	local deadline = skynet.now() + 1000 * (test.sanitizer and 5 or 1)
	while open > 0 and skynet.now() < deadline do
		skynet.sleep(1)
	end
	let_go(fifo)
	for _, entry in ipairs(calls) do
		if not entry.ended then
			test.fail(("a %s of %s (%s) has not ended after %s; the victim is %s"):format(entry.kind, entry.what, mode, how,
				services.alive(victim) and "alive" or "dead"))
		end
		statistics.calls = statistics.calls + 1
		statistics.failed = statistics.failed + (entry.ok and 0 or 1)
	end
	statistics.blocked = statistics.blocked + (blocking and 1 or 0)
end

test.case("each call ends when its callee ends, whatever that does", { timeout = 240 }, function()
	local statistics = { calls = 0, failed = 0, blocked = 0 }
	for _ = 1, test.count(tonumber(os.getenv "REEF_TEST_ROUNDS") or 60) do
		round(statistics)
	end
	print(("%d calls ended, %d of them with an error; %d victims sat in C"):format(
		statistics.calls, statistics.failed, statistics.blocked))
end)

test.case("callers of a service that is killed while it sits in C get their error then, not when C returns", function()
	for _, what in ipairs(BLOCKING) do
		local fifo = process.path "fifo"
		assert(os.execute("mkfifo " .. fifo))
		local victim = test.service("victim", "cooked", fifo)
		local outcome = {}
		for i = 1, 3 do
			skynet.fork(function()
				outcome[i] = table.pack(pcall(skynet.call, victim, "lua", i == 1 and what or "wait"))
			end)
		end
		skynet.sleep(5)
		skynet.kill(victim)
		test.eventually("all callers have their error", 10, function()
			return #outcome == 3
		end)
		for i = 1, 3 do
			test.equal(outcome[i][1], false)
			test.matches(outcome[i][2], "call failed")
		end
		test.raises("call to invalid address", skynet.call, victim, "lua", "answer")
		let_go(fifo)
	end
end)

test.case("a request that was passed on is answered although the one between has ended", function()
	local victim = test.service("victim", "cooked", "none")
	local actor = test.service "actor"
	local between = test.service("redirects", actor)
	local reply
	skynet.fork(function()
		reply = skynet.call(between, "lua", "require'skynet'.sleep(20) return 'late'")
	end)
	skynet.sleep(5)
	skynet.kill(between)
	test.eventually("the reply is there", 10, function()
		return reply
	end)
	test.equal(reply, "late")
	-- The one that it was passed on to does not answer either.
	between = test.service("redirects", victim)
	local outcome
	skynet.fork(function()
		outcome = table.pack(pcall(skynet.call, between, "lua", "ignore"))
	end)
	skynet.sleep(5)
	skynet.kill(victim)
	test.eventually("the call has failed", 10, function()
		return outcome
	end)
	test.matches(outcome[2], "ended before it answered")
end)

test.case("sessions that a protocol uses as data fail nothing else", function()
	-- The victim ignores messages of a session that is, by chance, the one of a call of ours to somebody else.
	local victim = test.service("victim", "cooked", "none")
	local actor = test.service "actor"
	local reply
	skynet.fork(function()
		reply = skynet.call(actor, "lua", "require'skynet'.sleep(30) return 'unharmed'")
	end)
	skynet.sleep(1)
	local now = skynet.genid()
	for session = math.max(now - 50, 1), now do
		skynet.redirect(victim, skynet.self(), "text", session, "ignore")
	end
	skynet.sleep(5)
	skynet.kill(victim)
	test.eventually("the reply is there", 10, function()
		return reply
	end)
	test.equal(reply, "unharmed")
end)

test.case("a launch of a service that is killed while it sits in C fails at once", function()
	local fifo = process.path "fifo"
	assert(os.execute("mkfifo " .. fifo))
	local before, outcome = skynet.call(".launcher", "lua", "LIST"), nil
	skynet.fork(function()
		outcome = table.pack(pcall(skynet.newservice, "sits", fifo))
	end)
	local address = test.eventually("it is there", 10, function()
		for address in pairs(skynet.call(".launcher", "lua", "LIST")) do
			if not before[address] then
				return address
			end
		end
	end)
	skynet.sleep(5)
	-- By its number the launcher would hear of it from the killer.
	require("skynet.core").command("KILL", address)
	test.eventually("newservice has ended", 10, function()
		return outcome
	end)
	test.matches(outcome[2], "call failed")
	let_go(fifo)
end)

test.run()
