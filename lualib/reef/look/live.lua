-- What the endpoints answer, as it changes, over WebSocket. The next round is not sent before the client has said that
-- it has seen the one before: so a client that reads slowly has one round waiting for it, and no more.
local api = require "reef.look.api"
local history = require "reef.look.history"
local json = require "reef.json"
local skynet = require "skynet"
local websocket = require "reef.http.websocket"

local MOST_LOOKERS <const> = 20
local MOST_PATHS <const> = 8
local MOST_ROUND <const> = 4 << 20 -- bytes
local MESSAGE <const> = 8 * 1024 -- bytes that a client may say at a time
local SHORTEST, LONGEST <const> = 0.5, 60 -- seconds between two rounds
local PATIENCE <const> = 6000 -- 1/100 s that a client may take to see a round

local live = { lookers = 0 }

---@class reef.look.looker
---@field id integer
---@field watch string[]
---@field told table<string, string>  what was sent last, by path
---@field since table<string, integer>  of log lines: the next one, by path
---@field period integer  1/100 s
---@field round integer
---@field seen integer
---@field over boolean
---@field thread thread|nil  of the loop, while it waits

local function wake(looker)
	if looker.thread then
		skynet.wakeup(looker.thread)
	end
end

local function rest(looker, cs)
	looker.thread = coroutine.running()
	skynet.sleep(cs)
	looker.thread = nil
end

local function body_of(looker, path, server)
	local target, since = path, looker.since[path]
	if since then
		target = ("%s%ssince=%d"):format(path, path:find("?", 1, true) and "&" or "?", since)
	end
	local ok, status, body = pcall(api.answer, target, server)
	if not ok then
		skynet.error("api: " .. tostring(status))
		return { error = "internal error" }
	elseif not status then
		return { error = "there is no " .. path }
	end
	if body.lines and body.next then
		looker.since[path] = body.next
		if since and #body.lines == 0 then
			return nil
		end
	end
	return body
end

local function send_round(looker, server)
	local sent = 0
	for _, path in ipairs(looker.watch) do
		local body = body_of(looker, path, server)
		local text = body and json.encode(body)
		if text and sent + #text > MOST_ROUND then
			text = json.encode { error = "this is too much to be sent again and again: ask for less with limit=" }
		end
		if text and text ~= looker.told[path] then
			looker.told[path] = text
			sent = sent + #text
			if not websocket.write(looker.id, ('{"path":%s,"body":%s}'):format(json.encode(path), text)) then
				looker.over = true
				return
			end
		end
	end
	looker.round = looker.round + 1
	websocket.write(looker.id, ('{"round":%d}'):format(looker.round))
end

local function run(looker, server)
	while not looker.over do
		if #looker.watch == 0 then
			rest(looker, PATIENCE)
		else
			history.wanted(server.look)
			looker.changed = false
			local began = skynet.now()
			send_round(looker, server)
			while not looker.over and looker.seen < looker.round do
				local left = began + PATIENCE - skynet.now()
				if left <= 0 then
					websocket.close(looker.id, 1008, "a round was not seen in time")
					return
				end
				rest(looker, left)
			end
			local left = began + looker.period - skynet.now()
			while not looker.over and not looker.changed and left > 0 do
				rest(looker, left)
				left = began + looker.period - skynet.now()
			end
		end
	end
end

-- What a client says. Returns what is wrong with it.
local function listen(looker, text)
	local said, problem = json.decode(text)
	if not said then
		return "no JSON: " .. tostring(problem)
	end
	if said.seen ~= nil then
		if math.type(said.seen) ~= "integer" then
			return "seen: the number of a round is needed"
		end
		looker.seen = math.max(looker.seen, math.min(said.seen, looker.round))
	end
	if said.period ~= nil then
		if type(said.period) ~= "number" or not (said.period >= SHORTEST and said.period <= LONGEST) then
			return ("period: seconds from %g to %g are needed"):format(SHORTEST, LONGEST)
		end
		looker.period = said.period * 100 // 1
	end
	if said.watch ~= nil then
		if type(said.watch) ~= "table" or #said.watch > MOST_PATHS then
			return ("watch: a list of at most %d paths is needed"):format(MOST_PATHS)
		end
		local watch, told, since = {}, {}, {}
		for i, path in ipairs(said.watch) do
			if type(path) ~= "string" then
				return "watch: a path is a string"
			end
			watch[i], told[path], since[path] = path, looker.told[path], looker.since[path]
		end
		looker.watch, looker.told, looker.since, looker.changed = watch, told, since, true
	end
	wake(looker)
end

---Serves a client that asks for a WebSocket, until it ends.
---@param request reef.http.request
---@param server table  { changes, not_ready, look = fun(): table }
---@return boolean  false: there are too many
function live.serve(request, server)
	if live.lookers >= MOST_LOOKERS then
		return false
	end
	live.lookers = live.lookers + 1
	local looker = { id = request.id, watch = {}, told = {}, since = {}, period = 100, round = 0, seen = 0, over = false }
	local function finish()
		looker.over = true
		wake(looker)
	end
	local ok, err = pcall(request.websocket, request, {
		handshake = function()
			skynet.fork(run, looker, server)
		end,
		message = function(id, text)
			local problem = listen(looker, text)
			if problem then
				websocket.write(id, json.encode { error = problem })
			end
		end,
		close = finish,
		error = finish,
		warning = function() end,
	}, { max_message = MESSAGE })
	finish()
	live.lookers = live.lookers - 1
	if not ok then
		error(err, 0)
	end
	return true
end

return live
