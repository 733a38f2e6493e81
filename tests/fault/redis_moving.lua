-- timeout: 240
-- Slots of a cluster move all the time while commands, pipelines with and without transactions, batches, scripts and
-- transactions count, while connections are cut and coroutines are ended: each key has been counted as often as was
-- said, and as nobody knows at most, and no two were given the same number. The nodes are our own, so thousands of
-- moves take seconds.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local skynet = require "skynet"
local test = require "test"

local ROUNDS <const> = (tonumber(os.getenv "REEF_SOAK") or 1) * test.count(10)
local TAGS <const> = { "a", "b", "c" } -- slots
local KEYS <const> = 4                 -- of each
local WORKERS <const>, CALLS <const> = 6, 40

-- ---- the nodes ----

local World = {}
World.__index = World

local function slot_of(key)
	return core.slot(key)
end

-- Why a node does not do something with these keys; nil: it does.
function World:refusal(i, keys, asking)
	local slot = slot_of(keys[1])
	local owner, target = self.owner[slot], self.target[slot]
	local here = 0
	for _, key in ipairs(keys) do
		here = here + (self.place[key] == i and 1 or 0)
	end
	if owner == i then
		if not target or here == #keys then
			return nil
		end
		return here > 0 and "-TRYAGAIN Multiple keys request during rehashing of slot"
			or ("-ASK %d 127.0.0.1:%d"):format(slot, self[target].port)
	elseif target == i and asking then
		return #keys > 1 and here < #keys and "-TRYAGAIN Multiple keys request during rehashing of slot" or nil
	end
	return ("-MOVED %d 127.0.0.1:%d"):format(slot, self[owner].port)
end

function World:count(i, key)
	if self.place[key] == nil then
		self.place[key] = i
	end
	self.value[key] = (self.value[key] or 0) + 1
	return ":" .. self.value[key]
end

-- The keys of a command, and what does it.
function World:meaning(i, words)
	local word = words[1]
	if word == "INCR" then
		return { words[2] }, function()
			return self:count(i, words[2])
		end
	elseif word == "EVAL" or word == "EVALSHA" then
		return { words[4] }, function()
			if word == "EVALSHA" and not self.loaded[i] then
				return "-NOSCRIPT No matching script. Please use EVAL."
			end
			self.loaded[i] = true
			return self:count(i, words[4])
		end
	elseif word == "MGET" then
		return table.move(words, 2, #words, 1, {}), function()
			local list = { "*" .. #words - 1 }
			for j = 2, #words do
				list[j] = ":" .. (self.value[words[j]] or 0)
			end
			return table.concat(list, "\r\n")
		end
	end
end

function World:exec(i, mine, asking)
	local queue, spoiled = mine.queue, mine.spoiled
	mine.queue, mine.spoiled = nil, nil
	if spoiled then
		return "-EXECABORT Transaction discarded because of previous errors."
	end
	for _, words in ipairs(queue) do
		local refusal = self:refusal(i, (self:meaning(i, words)), asking)
		if refusal then
			return refusal
		end
	end
	local list = { "*" .. #queue }
	for j, words in ipairs(queue) do
		local _, f = self:meaning(i, words)
		list[j + 1] = f()
	end
	return table.concat(list, "\r\n")
end

function World:answer(i, mine, words)
	local word, asking = words[1], mine.asking
	mine.asking = nil
	if word == "CLUSTER" then
		return words[2] == "SLOTS" and self:slots() or "-ERR unknown"
	elseif word == "ASKING" then
		mine.asking = true
		return "+OK"
	elseif word == "MULTI" then
		mine.queue = {}
		return "+OK"
	elseif word == "EXEC" then
		return mine.queue and self:exec(i, mine, asking) or "-ERR EXEC without MULTI"
	elseif word == "DISCARD" or word == "UNWATCH" then
		mine.queue, mine.spoiled = nil, nil
		return "+OK"
	end
	local keys, f = self:meaning(i, words)
	if not keys then
		return "+OK"
	end
	local refusal = self:refusal(i, keys, asking)
	if mine.queue then
		mine.spoiled = mine.spoiled or refusal ~= nil
		if not refusal then
			table.insert(mine.queue, words)
		end
		return refusal or "+QUEUED"
	end
	return refusal or f()
end

function World:slots()
	local list, first = {}, 0
	local bounds = {}
	for _, tag in ipairs(TAGS) do
		bounds[#bounds + 1] = slot_of("{" .. tag .. "}")
	end
	table.sort(bounds)
	local function add(from, to, i)
		if from <= to then
			list[#list + 1] = { from, to, { "127.0.0.1", self[i].port, "id" .. i } }
		end
	end
	for _, slot in ipairs(bounds) do
		add(first, slot - 1, 1)
		add(slot, slot, self.owner[slot])
		first = slot + 1
	end
	add(first, 16383, 1)
	return scripted.resp(list):sub(1, -3)
end

local function world(cuts)
	local self = setmetatable({ owner = {}, target = {}, place = {}, value = {}, loaded = {} }, World)
	for i = 1, 3 do
		local states = {}
		self[i] = scripted.start(function(words, _, close, id)
			states[id] = states[id] or {}
			local counts = words[1] == "INCR" or words[1] == "EXEC" or words[1]:find "^EVAL"
			local chance = counts and not self.calm and math.random() or 1
			if chance < cuts then
				close()
				return ""
			end
			local reply = self:answer(i, states[id], words)
			if chance < 2 * cuts then
				close()
				return ""
			end
			return reply
		end)
	end
	for _, tag in ipairs(TAGS) do
		self.owner[slot_of("{" .. tag .. "}")] = math.random(3)
	end
	return self
end

-- A slot moves, key by key.
function World:move()
	local tag = TAGS[math.random(#TAGS)]
	local slot = slot_of("{" .. tag .. "}")
	local from, to = self.owner[slot], math.random(3)
	if from == to then
		return
	end
	self.target[slot] = to
	for n = 1, KEYS do
		skynet.sleep(math.random(0, 1))
		local key = ("{%s}%d"):format(tag, n)
		if self.place[key] then
			self.place[key] = to
		end
	end
	skynet.sleep(math.random(0, 2))
	self.owner[slot], self.target[slot] = to, nil
	if math.random(4) == 1 then
		self.loaded = {}
	end
end

-- ---- those who count ----

-- What has become of all calls; one call has a view of it, with what it has asked for and not heard of.
local Tally = {}
Tally.__index = Tally

function Tally:asks(key)
	self.open[key] = (self.open[key] or 0) + 1
end

function Tally:done(key, value)
	self.open[key] = self.open[key] - 1
	if math.type(value) ~= "integer" or self.given[key][value] then
		test.fail(("%s was given %s twice, or it is none"):format(key, tostring(value)))
	end
	self.given[key][value] = true
	self.sure[key] = self.sure[key] + 1
end

function Tally:failed(key, err)
	self.open[key] = self.open[key] - 1
	local outcome = errors.is(err) and err.outcome or "rejected"
	self.outcomes[outcome] = (self.outcomes[outcome] or 0) + 1
	if outcome == "maybe applied" or outcome == "applied in part" then
		self.unsure[key] = self.unsure[key] + 1
	end
end

local function random_key(tag)
	return ("{%s}%d"):format(tag or TAGS[math.random(#TAGS)], math.random(KEYS))
end

-- Operations that count, with transactions among them.
local function operations(tag, blocks)
	local ops = {}
	for _ = 1, math.random(1, 3) do
		if blocks and math.random(2) == 1 then
			ops[#ops + 1] = { "MULTI" }
			for _ = 1, math.random(1, 2) do
				ops[#ops + 1] = { "INCR", random_key(tag) }
			end
			ops[#ops + 1] = { "EXEC" }
		else
			ops[#ops + 1] = { "INCR", random_key(tag) }
		end
	end
	return ops
end

function Tally:asks_for(ops)
	for _, op in ipairs(ops) do
		if op[1] == "INCR" then
			self:asks(op[2])
		end
	end
end

-- What became of operations: `results` has what is known, `err` is of all that is not in it.
function Tally:judge(ops, results, err)
	local block
	for i, op in ipairs(ops) do
		local result = results[i]
		local known = result and (result.ok or not errors.is(result.out))
		if op[1] == "MULTI" then
			block = {}
		elseif op[1] == "EXEC" then
			for j, key in ipairs(block) do
				if result and result.ok then
					self:done(key, result.out[j])
				else
					self:failed(key, known and "rejected" or result and result.out or err)
				end
			end
			block = nil
		elseif block then
			block[#block + 1] = op[2]
		elseif result and result.ok then
			self:done(op[2], result.out)
		else
			self:failed(op[2], result and result.out or err)
		end
	end
end

local script = redis.script [[ return redis.call("INCR", KEYS[1]) ]]

local ways = {
	function(db, tally)
		local key = random_key()
		tally:asks(key)
		local ok, value = pcall(db.incr, db, key)
		tally[ok and "done" or "failed"](tally, key, value)
	end,
	function(db, tally)
		local key = random_key()
		tally:asks(key)
		local ok, value = pcall(script, db, { key })
		tally[ok and "done" or "failed"](tally, key, value)
	end,
	function(db, tally)
		local ops, results = operations(TAGS[math.random(#TAGS)], true), {}
		tally:asks_for(ops)
		local ok, err = pcall(db.pipeline, db, ops, results)
		tally:judge(ops, results, not ok and err or nil)
	end,
	function(db, tally)
		local ops, results = {}, {}
		for i = 1, math.random(1, 6) do
			ops[i] = { "INCR", random_key() }
		end
		tally:asks_for(ops)
		local ok, err = pcall(db.batch, db, ops, results)
		tally:judge(ops, results, not ok and err or nil)
	end,
	function(db, tally)
		local key, other = random_key "a", random_key "a"
		tally:asks(key)
		tally:asks(other)
		local ok, replies = pcall(function()
			db:multi()
			db:incr(key)
			db:incr(other)
			return db:exec()
		end)
		if ok then
			tally:done(key, replies[1])
			tally:done(other, replies[2])
		else
			tally:failed(key, replies)
			tally:failed(other, replies)
			pcall(db.discard, db)
		end
	end,
	function(db)
		pcall(db.mget, db, random_key "b", random_key "b")
	end,
}

-- One call, by a coroutine that may be ended in the middle of it.
local function call(db, tally, ends)
	local mine = setmetatable({ open = {} }, { __index = tally })
	local over = false
	local thread = skynet.fork(function()
		ways[math.random(#ways)](db, mine)
		over = true
	end)
	local patience = ends and math.random(4) == 1 and math.random(0, 3) or math.huge
	while not over do
		skynet.sleep(1)
		patience = patience - 1
		if patience <= 0 and not over then
			skynet.killthread(thread)
			for key, n in pairs(mine.open) do
				tally.unsure[key] = tally.unsure[key] + n
			end
			return
		end
	end
end

local function round(how, cuts, ends)
	local w = world(cuts)
	local target = { hosts = { "127.0.0.1:" .. w[1].port, "127.0.0.1:" .. w[2].port }, timeout = 3, errors = "object" }
	local db = how == "a pool" and pool.redis(target) or redis.connect(target)
	local tally = setmetatable({ given = {}, sure = {}, unsure = {}, outcomes = {} }, Tally)
	for _, tag in ipairs(TAGS) do
		for n = 1, KEYS do
			local key = ("{%s}%d"):format(tag, n)
			tally.given[key], tally.sure[key], tally.unsure[key] = {}, 0, 0
		end
	end
	local over, moved = false, nil
	skynet.fork(function()
		while not over do
			w:move()
		end
		moved = true
	end)
	test.together(WORKERS, function()
		for _ = 1, CALLS do
			call(db, tally, ends)
		end
	end)
	over = true
	test.eventually("the last move", 10, function()
		return moved
	end)
	w.calm = true
	test.eventually("nothing is on its way", 10, function()
		return db:status().in_flight == 0
	end)
	db:disconnect()
	local sure, unsure = 0, 0
	for key, n in pairs(tally.sure) do
		test.between(w.value[key] or 0, n, n + tally.unsure[key])
		sure, unsure = sure + n, unsure + tally.unsure[key]
	end
	return sure, unsure, tally.outcomes
end

local cases = {
	{ "connections of its own", 0, false }, { "connections of its own", 0.02, true }, { "a pool", 0, false },
	{ "a pool", 0.02, true },
}

for _, case in ipairs(cases) do
	local how, cuts, ends = table.unpack(case)
	test.case(("what is counted while slots move is counted once: %s%s"):format(how,
		ends and ", connections are cut and coroutines ended" or ""), { timeout = 110 }, function()
		for _ = 1, ROUNDS do
			local sure, unsure, outcomes = round(how, cuts, ends)
			if cuts == 0 then
				test.equal(unsure, 0)
			end
			local list = {}
			for outcome, n in pairs(outcomes) do
				list[#list + 1] = outcome .. " " .. n
			end
			table.sort(list)
			skynet.error(("%d counted, %d perhaps; %s"):format(sure, unsure, table.concat(list, ", ")))
		end
	end)
end

test.run()
