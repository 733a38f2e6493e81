-- Asks several servers the same, until one has answered: the next is asked when one has failed, or has been silent for
-- a while. For those who look for a cluster's nodes or a Sentinel's master: what is asked may be dead or frozen.
local now = require "reef.base.now"
local core = require "reef.redis.core"
local link = require "reef.redis.link"
local skynet = require "skynet"

local NEXT_AFTER = 0.3 -- seconds of silence

---Connects, asks one thing, and closes the connection.
---@param conf table           of the node
---@param seconds number       for all of it
---@param ask fun(db: table): any, string|nil  db is for reef.redis.core's commands; raises, or returns nil and why
---@return any, string|nil
local function ask_one(conf, seconds, ask)
	local until_then = now() + seconds
	conf = setmetatable({ connect_timeout = math.min(conf.connect_timeout, seconds) }, { __index = conf })
	local one = link.new(conf, { quiet = true })
	local _ <close> = setmetatable({}, { __close = function()
		one:close "it was only asked"
	end })
	local err = one:attempt()
	if err then
		return nil, tostring(err)
	end
	local left = math.max(until_then - now(), 0.001)
	local db = { core.handle(one.connection, left, false, true, nil, function()
		error(one:lost(), 0)
	end) }
	local ok, answer, why = pcall(ask, db)
	if not ok then
		return nil, tostring(answer)
	end
	return answer, why
end

---@param confs table[]       of the nodes, in the order of asking
---@param seconds number      that all may take together
---@param ask fun(db: table, conf: table): any, string|nil
---@return any answer         of the first that had one; nil: none
---@return string|nil why     of the last that had none
---@return table|nil conf     of who answered
local function ask_first(confs, seconds, ask)
	local until_then, running, token = now() + seconds, 0, nil
	local answer, why, who
	for _, conf in ipairs(confs) do
		local left = until_then - now()
		if answer ~= nil or left <= 0 then
			break
		end
		running = running + 1
		skynet.fork(function()
			local _ <close> = setmetatable({}, { __close = function()
				running = running - 1
				if token then
					skynet.wakeup(token)
				end
			end })
			local one, failure = ask_one(conf, left, function(db)
				return ask(db, conf)
			end)
			if one ~= nil and answer == nil then
				answer, who = one, conf
			else
				why = failure or why
			end
		end)
		local begun, before = now(), running
		while answer == nil and running >= before and now() - begun < NEXT_AFTER do
			token = {}
			skynet.sleep(math.max(1, math.ceil((NEXT_AFTER - (now() - begun)) * 100)), token)
		end
	end
	while answer == nil and running > 0 and now() < until_then do
		token = {}
		skynet.sleep(math.max(1, math.ceil((until_then - now()) * 100)), token)
	end
	token = nil
	return answer, why or "no answer in time", who
end

return ask_first
