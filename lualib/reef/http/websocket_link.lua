-- Connections of WebSocket, whichever end they are: who there is, how long a peer may be silent, what comes next.
local deadline = require "reef.http.deadline"
local deflate = require "reef.http.deflate"
local frames = require "reef.http.frames"
local options_check = require "reef.options".check
local skynet = require "skynet"
local socket = require "reef.socket"

local next_message = frames.receive

local link = {}

---What may be set: the table of http.websocket.
local settings = {}
link.settings = settings

---1/100 s that a peer may be silent: it is pinged after half of it, and then let go. 0: for ever.
settings.idle_timeout = 12000
---1/100 s for the handshake, unless connect says otherwise.
settings.handshake_timeout = 1000
---Bytes of a message that comes.
settings.max_message = 256 * 1024
---Whether messages are compressed if the peer wants it: true, or the options of reef.http.deflate.
---@type boolean|table
settings.deflate = false

local GOODBYE = 300 -- 1/100 s that a peer may take to answer a close
local PINGS = 1000  -- that a peer may send while it takes nothing
local CLOSE <const> = 8
local PING <const> = 9

---@class http.websocket.connection
---@field id integer
---@field frames userdata
---@field handle table|nil  of a server
---@field addr string
---@field header table
---@field closing boolean   a close has been sent
---@field over boolean

---Those that are open.
local all = {} ---@type table<integer, http.websocket.connection>
link.all = all
---For those who write: of those that have shaken hands.
local frames_of = {} ---@type table<integer, userdata>
link.frames_of = frames_of

---@param id integer
---@return http.websocket.connection
function link.find(id)
	return all[id] or error(("websocket: %s is not open"):format(tostring(id)))
end

-- ---- time ----

---Ends it because the peer takes too long.
local function shut(ws)
	ws.late = true
	socket.shutdown(ws.id)
end

-- Half of the time is over. Whoever has been heard of meanwhile has it again; others are asked for a sign of life.
local function ask(ws)
	if ws.frames:heard() then
		deadline.set(ws, ws.idle / 2, ask)
		return
	end
	ws.frames:send(PING, "")
	deadline.set(ws, ws.idle / 2, function()
		if ws.frames:heard() then
			ask(ws)
		else
			shut(ws)
		end
	end)
end

---The time begins that the peer may be silent; or may take for its goodbye.
function link.watch(ws)
	if ws.closing then
		deadline.set(ws, GOODBYE, shut)
	elseif ws.idle > 0 then
		deadline.set(ws, ws.idle / 2, ask)
	end
end

-- ---- life ----

-- Nobody reads any more, however the read has ended.
local no_reader = {
	__close = function(self)
		self.ws.reading = false
	end,
}

local known_options = { upgrade = true, max_message = true, idle_timeout = true, deflate = true }

---@param id integer
---@param server boolean
---@param options table|nil
---@return http.websocket.connection
function link.open(id, server, options)
	options = options or {}
	options_check("websocket", options, known_options)
	local compressed = options.deflate
	if compressed == nil then
		compressed = settings.deflate
	end
	local ws = {
		id = id,
		server = server,
		most = options.max_message or settings.max_message,
		idle = options.idle_timeout or settings.idle_timeout,
		deflate = deflate.options(compressed),
		closing = false,
		over = false,
	}
	ws.no_reader = not server and setmetatable({ ws = ws }, no_reader) or nil
	all[id] = ws
	socket.warning(id, function(_, kb)
		ws.congested = kb > 0
		local handle = ws.handle
		if handle and handle.warning then
			handle.warning(ws, kb)
		elseif kb > 0 then
			skynet.error(("WARNING: %d K bytes need to send out (fd = %d)"):format(kb, id))
		end
	end)
	return ws
end

---The handshake is over; what has been read behind it are frames.
---@param ws http.websocket.connection
---@param agreed table|nil  on compression
---@param rest string|nil
function link.begin_frames(ws, agreed, rest)
	ws.frames = frames.new(ws.id, ws.server, ws.most, agreed)
	frames_of[ws.id] = ws.frames
	if rest and rest ~= "" then
		ws.frames:feed(rest)
	end
end

---@param ws http.websocket.connection
function link.finish(ws)
	ws.over = true
	deadline.clear(ws)
	if all[ws.id] == ws then
		all[ws.id], frames_of[ws.id] = nil, nil
	end
	socket.close(ws.id)
end

-- Whoever pings and pings, and does not take the answers, is not read meanwhile.
local function count_ping(ws)
	ws.pings = ws.congested and (ws.pings or 0) + 1 or 0
	while ws.pings > PINGS and ws.congested and not ws.late and socket.disconnected(ws.id) == false do
		skynet.sleep(10)
	end
end

---What a message means for the connection itself.
local function note(ws, opcode)
	if opcode == CLOSE then
		ws.closing = true
	elseif opcode == PING then
		count_ping(ws)
	end
end

---The next message: opcode, bytes, code. Nil: the connection has ended, or (false) the peer broke the rules.
function link.receive(ws)
	local opcode, bytes, code = next_message(ws.frames)
	note(ws, opcode)
	return opcode, bytes, code
end

link.note = note
link.shut = shut

return link
