-- What the map writes down: it notes what has changed, and waits until that is in the store. All who wait meanwhile
-- wait for one batch. A map that is not the last one elected gets nothing written, and ends.
local skynet = require "skynet"
local snax = require "skynet.snax"

local AGAIN = 10 -- 1/100 s

local journal = {}

local fence, store
local noted = { lying = {}, players = {} } -- key -> value as it is when it is written
local waiting, writing = {}, false

---Nobody with a lower number gets anything written any more.
---@param number integer of the election
---@return {lying: table, players: table}|nil what was written before; nil: nothing
function journal.open(number)
	fence, store = number, snax.uniqueservice "store"
	return store.req.open(fence)
end

---@param kind "lying"|"players"
---@param key integer|string
---@param value any nil: it is gone
function journal.note(kind, key, value)
	noted[kind][key] = value or false
end

local function write(batch)
	while true do
		local ok, why = pcall(store.req.write, fence, batch)
		if ok then
			return
		elseif tostring(why):find("FENCED", 1, true) then
			skynet.error("another map has been elected: this one ends")
			skynet.exit()
		end
		-- The same once more changes nothing.
		skynet.error("not written yet:", why)
		skynet.sleep(AGAIN)
	end
end

local function write_all()
	while waiting[1] do
		local batch, those = noted, waiting
		noted, waiting = { lying = {}, players = {} }, {}
		write(batch)
		for _, token in ipairs(those) do
			skynet.wakeup(token)
		end
	end
	writing = false
end

---Waits until everything that was noted is in the store.
function journal.written()
	local token = {}
	waiting[#waiting + 1] = token
	if not writing then
		writing = true
		skynet.fork(write_all)
	end
	skynet.wait(token)
end

return journal
