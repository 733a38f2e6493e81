-- The mail centre's service: it has the stores, repeats what is safe to repeat, and tells those who wait for news.
--
-- A letter has an id, by which the store keeps it once: so putting it in again after an error that leaves it open is
-- safe, and is done until the caller's time is over. Who waits for news has a request here that is not answered before
-- there are some.
local backoff = require "reef.backoff"
local errors = require "reef.channel.error"
local now = require "reef.base.now"
local skynet = require "skynet"

local centre = {}

---What a store has to do, each within so many `seconds`. Functions raise; errors of drivers (reef.channel.error) are
---taken at their word.
---@class reef.mail.store
---@field put fun(self, reader: string, id: string, at: integer, bytes: string, seconds: number)  keeps it, unless
---there is that id
---@field count fun(self, reader: string, seconds: number): integer
---@field list fun(self, reader: string, limit: integer, seconds: number): table[]  the first in the order of `at`:
---{ id, at, bytes }
---@field remove fun(self, reader: string, ids: string[], seconds: number): integer how many there were
---@field close fun(self)|nil

---@class reef.mail.entry
---@field version integer
---@field waiters table<string, function>

local FIRST_PAUSE <const>, LONGEST_PAUSE <const> = 0.05, 1 -- seconds
local LOOK <const> = 3000 -- cs between looks for waiters that are gone
local LEAST <const> = 0.001 -- seconds: 0 would be none at all
local UNSURE_TIME <const> = 10 -- seconds for one question whether a store is back

local boxes = {}         ---@type table<string, table>
local version, last_at = 0, 0
local looking = false

local BUILT_IN <const> = { memory = true, redis = true, mongo = true, mysql = true, postgres = true }
local SQL <const> = { mysql = true, postgres = true }

local function open(store, target, pool_options, name, seconds)
	local module = SQL[store] and "reef.mail.sql" or BUILT_IN[store] and "reef.mail." .. store or store
	return require(module).new(target, pool_options or {}, name, seconds, store)
end

-- ---- who is told ----

local function tell(box, reader)
	local entry = box.entries[reader]
	if entry then
		version = version + 1
		entry.version = version
		local waiters = entry.waiters
		entry.waiters = {}
		for _, respond in pairs(waiters) do
			respond(true, version)
		end
	end
end

local function look()
	looking = false
	for _, box in pairs(boxes) do
		for reader, entry in pairs(box.entries) do
			for key, respond in pairs(entry.waiters) do
				if not respond "TEST" then
					entry.waiters[key] = nil
				end
			end
			if not next(entry.waiters) then
				box.entries[reader] = nil
			end
		end
		looking = looking or next(box.entries) ~= nil
	end
	if looking then
		skynet.timeout(LOOK, look)
	end
end

-- It is not known whether a letter is there: whoever waits is told once the store can be asked again.
local function tell_later(box, reader)
	if not box.entries[reader] or box.unsure[reader] then
		return
	end
	box.unsure[reader] = true
	skynet.fork(function()
		local failures = 0
		while not pcall(box.store.count, box.store, reader, UNSURE_TIME) do
			failures = failures + 1
			skynet.sleep(math.ceil(backoff(failures, FIRST_PAUSE, LONGEST_PAUSE) * 100))
		end
		box.unsure[reader] = nil
		tell(box, reader)
	end)
end

-- ---- asking the store ----

-- Repeats f(seconds that are left), which does no harm twice, until the time is over. True and the result, or false and
-- the error.
local function attempt(seconds, f)
	local deadline, failures, uncertain = now() + seconds, 0, false
	while true do
		local ok, result = pcall(f, math.max(deadline - now(), LEAST))
		if ok then
			return true, result
		elseif not errors.is(result) then
			return false, tostring(result)
		end
		local fields = {}
		for name, value in pairs(result) do
			fields[name] = value
		end
		local outcome = result.outcome
		uncertain = uncertain or outcome == "maybe applied"
		if uncertain and outcome == "not sent" then
			fields.outcome = "maybe applied"
		end
		failures = failures + 1
		local pause = backoff(failures, FIRST_PAUSE, LONGEST_PAUSE)
		if outcome == "rejected" or now() + pause >= deadline then
			return false, fields
		end
		skynet.sleep(math.ceil(pause * 100))
	end
end

local command = {}

function command.OPEN(name, store, target, pool_options, seconds)
	local box = boxes[name]
	if not box then
		-- A second one that asks meanwhile waits for the first.
		box = { kind = store, entries = {}, unsure = {}, waiting = {} }
		boxes[name] = box
		local ok, result = pcall(open, store, target, pool_options, name, seconds)
		box.store = ok and result
		if not ok then
			boxes[name] = nil
		end
		for _, token in ipairs(box.waiting) do
			skynet.wakeup(token)
		end
		if not ok then
			return false, tostring(result)
		end
	elseif not box.store then
		local token = {}
		table.insert(box.waiting, token)
		skynet.wait(token)
		return command.OPEN(name, store, target, pool_options, seconds)
	end
	if box.kind ~= store then
		return false, ("mail: %q is kept in %s, not in %s"):format(name, box.kind, store)
	end
	return true
end

function command.POST(name, reader, id, bytes, seconds)
	local box = boxes[name]
	last_at = math.max(last_at + 1, math.floor(skynet.time() * 1e6))
	local at = last_at
	local ok, result = attempt(seconds, function(left)
		return box.store:put(reader, id, at, bytes, left)
	end)
	if ok then
		tell(box, reader)
	elseif type(result) == "table" and result.outcome == "maybe applied" then
		tell_later(box, reader)
	end
	return ok, result
end

function command.COUNT(name, reader, seconds)
	local store = boxes[name].store
	return attempt(seconds, function(left)
		return store:count(reader, left)
	end)
end

function command.FETCH(name, reader, limit, seconds)
	local store = boxes[name].store
	return attempt(seconds, function(left)
		return store:list(reader, limit, left)
	end)
end

function command.DONE(name, reader, ids, seconds)
	local store = boxes[name].store
	return attempt(seconds, function(left)
		return store:remove(reader, ids, left)
	end)
end

local function entry_of(box, reader)
	local entry = box.entries[reader]
	if not entry then
		version = version + 1
		entry = { version = version, waiters = {} }
		box.entries[reader] = entry
		if not looking then
			looking = true
			skynet.timeout(LOOK, look)
		end
	end
	return entry
end

local function key_of(source, number)
	return source .. ":" .. number
end

---Answered with the number of the last news, once it is not `seen` any more.
local function wait(source, name, reader, seen, number)
	local entry = entry_of(boxes[name], reader)
	if entry.version ~= seen then
		skynet.retpack(entry.version)
	else
		entry.waiters[key_of(source, number)] = skynet.response()
	end
end

local function leave(source, name, reader, number)
	local entry, key = boxes[name] and boxes[name].entries[reader], key_of(source, number)
	if entry and entry.waiters[key] then
		entry.waiters[key](true, entry.version)
		entry.waiters[key] = nil
	end
end

function centre.run()
	skynet.start(function()
		skynet.dispatch("lua", function(_, source, word, ...)
			if word == "WAIT" then
				wait(source, ...)
			elseif word == "LEAVE" then
				leave(source, ...)
			else
				skynet.retpack(command[word](...))
			end
		end)
	end)
end

return centre
