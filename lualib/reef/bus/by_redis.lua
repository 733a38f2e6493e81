-- The bus over the publish and subscribe of Redis: a subscriber's connection and one for what is published, by the
-- house's driver, which connects again by itself.

local errors = require "reef.channel.error"
local now = require "reef.base.now"
local redis = require "reef.redis"
local skynet = require "skynet"
local subject = require "reef.bus.subject"

local M = {}

local hooks, url, more
local db, watch
local wanted = {}   ---@type table<string, table> by pattern: what is subscribed to
local globs = {}    ---@type table<string, string> by what Redis is told: our pattern
local why_away = "not connected yet"

-- What Redis takes for a pattern: `*` there goes over dots, so what comes is looked at again.
local function glob_of(pattern)
	return hooks.prefix:gsub("[%[%]*?\\]", "\\%0") .. pattern:gsub("[%[%]?\\]", "\\%0"):gsub(">", "*")
end

local function change(pattern, method)
	if not watch then
		return true
	elseif subject.is_pattern(pattern) then
		return pcall(watch["p" .. method], watch, glob_of(pattern))
	end
	return pcall(watch[method], watch, hooks.prefix .. pattern)
end

-- A subscriber that is cut off takes no new wishes: they are said again until it does.
local function insist(pattern, of)
	repeat
		skynet.sleep(20)
	until wanted[pattern] ~= of or change(pattern, "subscribe")
end

function M.subscribe(pattern)
	local mark = {}
	wanted[pattern] = mark
	globs[glob_of(pattern)] = pattern
	local ok, err = change(pattern, "subscribe")
	if not ok then
		why_away = tostring(err)
		skynet.fork(insist, pattern, mark)
	end
end

function M.unsubscribe(pattern)
	wanted[pattern], globs[glob_of(pattern)] = nil, nil
	change(pattern, "unsubscribe")
end

local function client()
	if not db then
		local made = redis.connect(url, more)
		db = db or made
	end
	return db
end

function M.publish(name, header, bytes)
	local ok, err = pcall(function()
		return client():publish(hooks.prefix .. name, header .. bytes)
	end)
	if ok then
		return true
	end
	return nil, tostring(err), errors.is(err) and err.outcome or "not sent"
end

-- The server handles one connection's commands in their order: when somebody is subscribed to what was subscribed to
-- last, all before is.
function M.flush(seconds)
	if not watch then
		return false, why_away
	end
	local name, deadline, confirmed = hooks.prefix .. "sync " .. skynet.genid(), now() + seconds, false
	local ok, err = pcall(function()
		watch:subscribe(name)
		repeat
			confirmed = client():with({ timeout = seconds }):publish(name, "") > 0
			if not confirmed then
				skynet.sleep(1)
			end
		until confirmed or now() > deadline
		watch:unsubscribe(name)
	end)
	return confirmed, not ok and tostring(err) or "no answer in time"
end

function M.connected()
	return watch ~= nil
end

local function listen(started)
	while true do
		local ok, made = pcall(redis.watch, url, more)
		if ok then
			watch = made
			skynet.error(("bus: connected to %s"):format(hooks.where))
			for _, pattern in ipairs(hooks.patterns()) do
				M.subscribe(pattern)
			end
			skynet.wakeup(started)
			local err
			repeat
				local text, name, glob
				ok, text, name, glob = pcall(watch.message, watch)
				if ok then
					name = name:sub(#hooks.prefix + 1)
					hooks.received(glob and globs[glob] or name, name, text)
				else
					err = text
				end
			until not ok
			why_away = tostring(err)
			pcall(watch.disconnect, watch)
			watch = nil
		else
			why_away = tostring(made)
		end
		skynet.error(("bus: %s"):format(why_away))
		skynet.wakeup(started)
		skynet.sleep(100)
	end
end

function M.start(where, what)
	hooks, url = what, where
	hooks.where = require("reef.text").redacted(where)
	more = next(what.tls) and { tls = what.tls } or nil
	local started = {}
	skynet.fork(listen, started)
	skynet.sleep(500, started)
end

return M
