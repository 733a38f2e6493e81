-- timeout: 240
-- Peers that break one rule of WebSocket each, at a random place among frames that keep them, cut at random: against
-- our server, and against our client. What RFC 6455 demands is written down here once more, as a model that reads the
-- same frames; both ends have to do what it says.
if require "test".without("reef.http.core", "reef.http.frames") then
	return
end

local handshake = require "reef.http.handshake"
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"
local websocket = require "http.websocket"

local MOST <const> = 2000 -- bytes of a message that our ends take
local MASK <const> = "\x11\x22\x33\x44"

local CONT <const> = 0
local TEXT <const> = 1
local BINARY <const> = 2
local CLOSE <const> = 8
local PING <const> = 9
local PONG <const> = 10

-- ---- frames ----

local function masked(text)
	return (text:gsub("()(.)", function(at, c)
		return string.char(c:byte() ~ MASK:byte((at - 1) % 4 + 1))
	end))
end

---@class frame
---@field opcode integer
---@field data string
---@field open boolean|nil   not the last of its message
---@field rsv integer|nil    reserved bits, 1 to 7
---@field wide integer|nil   bytes of the length, more than it needs
---@field claim integer|nil  what is said of the length
---@field bare boolean|nil   as the other side would send it: a client's without a mask, a server's with one

local function bytes_of(f, from_client)
	local first = (f.open and 0 or 0x80) | (f.rsv or 0) << 4 | f.opcode
	local n = f.claim or #f.data
	local wide = f.wide or (n < 126 and 0 or n < 65536 and 2 or 8)
	local with_mask = from_client ~= (f.bare or false)
	local length = wide == 0 and n or wide == 2 and 126 or 127
	return string.char(first, length | (with_mask and 0x80 or 0)) .. (wide > 0 and (">I" .. wide):pack(n) or "")
		.. (with_mask and MASK .. masked(f.data) or f.data)
end

local function read_frame(id)
	local head = socket.read(id, 2)
	if not head then
		return nil
	end
	local first, n = head:byte(1, 2)
	local mask = n & 0x80 ~= 0
	n = n & 0x7f
	if n > 125 then
		local wide = n == 126 and 2 or 8
		n = (">I" .. wide):unpack(socket.read(id, wide))
	end
	local key = mask and socket.read(id, 4)
	local data = n > 0 and socket.read(id, n) or ""
	if key then
		data = data:gsub("()(.)", function(at, c)
			return string.char(c:byte() ~ key:byte((at - 1) % 4 + 1))
		end)
	end
	return { opcode = first & 15, first = first, mask = mask, data = data }
end

-- ---- the rules ----

-- Whether the bytes may be the beginning of UTF-8 (RFC 3629), and whether they are whole.
local function utf8_state(text)
	if utf8.len(text) then
		return true, true
	end
	for cut = 1, math.min(3, #text) do
		local tail = text:sub(-cut)
		if utf8.len(text:sub(1, -cut - 1)) then
			for _, fill in ipairs { "\x80", "\x90", "\x9f", "\xbf" } do
				for more = 1, 3 do
					if utf8.len(tail .. fill .. ("\x80"):rep(more - 1)) then
						return true, false
					end
				end
			end
		end
	end
	return false, false
end

local function may_be_sent(code)
	return code >= 1000 and code <= 1011 and (code < 1004 or code > 1006) or code >= 3000 and code <= 4999
end

---What an endpoint makes of these frames.
---@return { messages: string[], pongs: string[], fails: integer|nil, code: integer|nil }
local function judge(frames)
	local seen = { messages = {}, pongs = {} }
	local kind, parts
	for _, f in ipairs(frames) do
		local control, n = f.opcode >= 8, f.claim or #f.data
		local function fails(code)
			seen.fails = code
			return seen
		end
		if f.rsv or f.bare                                            -- 5.2: nothing was agreed on; 5.1: the mask
			or f.opcode > PONG or f.opcode > BINARY and not control       -- 5.2: reserved opcodes
			or f.wide and (f.wide == 2 and n < 126 or f.wide == 8 and n < 65536) -- 5.2: the least number of bytes
			or n < 0                                                      -- 5.2: the highest bit is 0
			or control and (f.open or n > 125)                            -- 5.5
			or not control and (f.opcode == CONT) ~= (kind ~= nil) then   -- 5.4: fragments are not interleaved
			return fails(1002)
		elseif f.opcode == PING then
			seen.pongs[#seen.pongs + 1] = f.data -- 5.5.3
		elseif f.opcode == CLOSE then
			if n == 1 or n > 1 and not may_be_sent((">I2"):unpack(f.data)) then
				return fails(1002) -- 5.5.1, 7.4
			elseif not utf8.len(f.data, 3) then
				return fails(1007) -- 8.1
			end
			seen.code = n > 1 and (">I2"):unpack(f.data) or 0
			return seen
		elseif not control then
			if f.opcode ~= CONT then
				kind, parts = f.opcode, ""
			end
			if #parts + n > MOST then
				return fails(1009) -- 10.4
			end
			parts = parts .. f.data
			local good, whole = true, true
			if kind == TEXT then
				good, whole = utf8_state(parts)
			end
			if not good or not whole and not f.open then
				return fails(1007) -- 8.1
			elseif not f.open then
				seen.messages[#seen.messages + 1] = parts
				kind = nil
			end
		end
	end
	return seen
end

-- ---- what peers send ----

local function random_text(n)
	local pieces = {}
	for i = 1, n do
		pieces[i] = utf8.char(({ 97, 0xe4, 0x20ac, 0x1f41f })[math.random(4)])
	end
	return table.concat(pieces)
end

-- Frames of whole messages, fragments with control frames between, in which no rule is broken.
local function good_frames()
	local frames = {}
	local function control()
		while math.random(3) == 1 do
			frames[#frames + 1] = { opcode = math.random(PING, PONG), data = random_text(math.random(0, 31)) }
		end
	end
	for _ = 1, math.random(1, 5) do
		local opcode = math.random(TEXT, BINARY)
		local data = random_text(math.random(0, 1) * math.random(0, 150) + math.random(0, 20))
		control()
		local at = 1
		while math.random(3) == 1 do -- wherever it is cut, also within a character
			local n = math.random(0, #data - at + 1)
			frames[#frames + 1] = { opcode = opcode, data = data:sub(at, at + n - 1), open = true }
			opcode, at = CONT, at + n
			control()
		end
		frames[#frames + 1] = { opcode = opcode, data = data:sub(at) }
	end
	control()
	return frames
end

local function any(list)
	return list[math.random(#list)]
end

local bad_text = { "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a\xe2\x82", "\x80", "\xff",
	"\xe4b" }

local CLOSE_WELL = function()
	return { opcode = CLOSE, data = (">I2"):pack(any { 1000, 1001, 1011, 3000, 4999 }) .. random_text(math.random(0, 20)) }
end

-- One breach each: frames that are put in.
local breaches = {
	["nothing is wrong"] = function() return {} end,
	["5.2: a reserved bit"] = function()
		return { { opcode = any { TEXT, BINARY, PING, PONG, CLOSE }, data = "ab", rsv = math.random(7) } }
	end,
	["5.2: a reserved opcode"] = function()
		return { { opcode = any { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 }, data = "" } }
	end,
	["5.1: a mask where none is, or none where one is"] = function()
		return { { opcode = any { TEXT, PING, CLOSE }, data = "", bare = true } }
	end,
	["5.2: a length in more bytes than it needs"] = function()
		local wide = any { 2, 8 }
		local n = wide == 8 and math.random(0, 300) or math.random(0, 125)
		return { { opcode = BINARY, data = ("x"):rep(n), wide = wide } }
	end,
	["5.2: a length whose highest bit is set"] = function()
		return { { opcode = BINARY, data = "", wide = 8, claim = math.mininteger | math.random(0, 300) } }
	end,
	["10.4: a length that lies, or is too much"] = function()
		return { { opcode = any { TEXT, BINARY }, data = "abc", claim = any { MOST + 1, 65535, 65536, 1 << 31, 1 << 40,
			math.maxinteger } } }
	end,
	["10.4: fragments that are too much together"] = function()
		local frames = { { opcode = BINARY, data = "", open = true } }
		for i = 1, 5 do
			frames[i + 1] = { opcode = CONT, data = ("x"):rep(MOST // 4), open = true }
		end
		return frames
	end,
	["5.5: a control frame in fragments"] = function()
		return { { opcode = any { PING, PONG, CLOSE }, data = "", open = true } }
	end,
	["5.5: a control frame of more than 125 bytes"] = function()
		return { { opcode = any { PING, PONG, CLOSE }, data = "\x03\xe8" .. ("x"):rep(math.random(124, 500)) } }
	end,
	["5.4: the rest of what never began"] = function()
		return { { opcode = CONT, data = random_text(3), open = math.random(2) == 1 } }
	end,
	["5.4: a message within another"] = function()
		return { { opcode = TEXT, data = "a", open = true }, { opcode = PING, data = "p" },
			{ opcode = any { TEXT, BINARY }, data = "b", open = math.random(2) == 1 } }
	end,
	["8.1: a text that is none"] = function()
		return { { opcode = TEXT, data = random_text(5) .. any(bad_text) } }
	end,
	["8.1: a text that is none, in fragments"] = function()
		local text = random_text(3) .. any(bad_text)
		local cut = math.random(0, #text)
		return { { opcode = TEXT, data = text:sub(1, cut), open = true }, { opcode = PING, data = "between" },
			{ opcode = CONT, data = text:sub(cut + 1) } }
	end,
	["5.5.1: a close of one byte"] = function()
		return { { opcode = CLOSE, data = "\3" } }
	end,
	["7.4: a code that nobody sends"] = function()
		return { { opcode = CLOSE, data = (">I2"):pack(any { 0, 1, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535 }) } }
	end,
	["8.1: a reason that is no text"] = function()
		return { { opcode = CLOSE, data = "\x03\xe8" .. any(bad_text) } }
	end,
	["5.5.1: more behind a close"] = function()
		return { CLOSE_WELL(), { opcode = TEXT, data = "late" }, { opcode = PING, data = "late" } }
	end,
}

-- Where a message may stand: not between the fragments of another.
local function places(frames)
	local list, within = { 1 }, false
	for i, f in ipairs(frames) do
		if f.opcode < 8 then
			within = f.open
		end
		if not within then
			list[#list + 1] = i + 1
		end
	end
	return list
end

local function story(breach)
	local frames = good_frames()
	local at = any(places(frames))
	for i, f in ipairs(breach()) do
		table.insert(frames, at + i - 1, f)
	end
	frames[#frames + 1] = CLOSE_WELL()
	return frames
end

local function send_cut(id, bytes)
	stream.write_cut(id, bytes, 3, 40)
end

-- ---- both ends ----

---What comes back from an end, until it closes.
local function replies(id, from_client)
	local seen = { messages = {}, pongs = {} }
	while true do
		local f = read_frame(id)
		if not f then
			return seen
		end
		test.equal(f.mask, from_client, "5.1: a client masks, a server does not")
		test.equal(f.first & 0xf0, 0x80, "whole frames without reserved bits")
		test.equal(seen.closed, nil, "5.5.1: nothing behind a close")
		if f.opcode == CLOSE then
			seen.closed = true
			seen.code = #f.data > 1 and (">I2"):unpack(f.data) or 0
		elseif f.opcode == PONG then
			seen.pongs[#seen.pongs + 1] = f.data
		else
			seen.messages[#seen.messages + 1] = f.data
		end
	end
end

---Runs the frames against our server; what it said, what its handler got, how it ended.
local function against_server(frames)
	local got, result = {}, nil
	local id, server = stream.pair()
	skynet.fork(function()
		result = table.pack(websocket.accept(server, {
			message = function(ws, data, kind)
				got[#got + 1] = data
				websocket.write(ws, data, kind)
			end,
		}, "ws", "", { max_message = MOST, upgrade = { method = "GET", url = "/", header = { host = "a",
			upgrade = "websocket", connection = "Upgrade", ["sec-websocket-version"] = "13",
			["sec-websocket-key"] = handshake.key() } } }))
	end)
	socket.readline(id, "\r\n\r\n")
	local bytes = {}
	for i, f in ipairs(frames) do
		bytes[i] = bytes_of(f, true)
	end
	skynet.fork(send_cut, id, table.concat(bytes))
	local said = test.within(60, replies, id, false)
	test.eventually("it is over", 60, function()
		return result
	end)

	return said, got, result[1]
end

local function against_client(frames)
	local said, got = nil, {}
	local port = stream.listen(function(id)
		local key = socket.readline(id, "\r\n\r\n"):match "Sec%-WebSocket%-Key: (%S+)"
		local bytes = {}
		for i, f in ipairs(frames) do
			bytes[i] = bytes_of(f, false)
		end
		socket.write(id, ("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			.. "Sec-WebSocket-Accept: %s\r\n\r\n"):format(handshake.accept_of(key)))
		skynet.fork(send_cut, id, table.concat(bytes))
		said = replies(id, true)
		socket.close(id)
	end)
	local id = websocket.connect("ws://127.0.0.1:" .. port, nil, nil, { max_message = MOST })
	local data, rest
	repeat
		data, rest = test.within(60, websocket.read, id)
		got[#got + 1] = data or nil
	until not data
	test.eventually("it is over", 60, function()
		return said
	end)
	return said, got, rest ~= nil
end

-- Who has read a close, or a breach, writes nothing more (5.5.2): what had gone out by then is the beginning.
local function written(list, want)
	test.equal(list, table.move(want, 1, #list, 1, {}))
end

local function check(frames, said, got, orderly, echoes)
	local want = judge(frames)
	test.equal(got, want.messages)
	written(said.pongs, want.pongs)
	test.equal(orderly, want.fails == nil)
	if echoes then
		written(said.messages, want.messages)
	end
	if want.fails == nil then
		test.equal({ said.closed, said.code }, { true, want.code })
	elseif said.closed and said.code ~= 0 then -- 7.1.7: a close may be left out
		test.equal(said.code, want.fails)
	end
	return want.fails
end

local names = {}
for name in pairs(breaches) do
	names[#names + 1] = name
end
table.sort(names)

for side, run in pairs { server = against_server, client = against_client } do
	test.case(("our %s does with each breach what RFC 6455 says"):format(side), { timeout = 200 }, function()
		local failed, count = 0, 0
		for _, name in ipairs(names) do
			for _ = 1, test.count(20) do
				local frames = story(breaches[name])
				local ok, why = pcall(function()
					local said, got, orderly = run(frames)
					failed = failed + (check(frames, said, got, orderly, side == "server") and 1 or 0)
				end)
				if not ok then
					local list = {}
					for i, f in ipairs(frames) do
						list[i] = ("%d%s%s %q"):format(f.opcode, f.open and "+" or "", f.bare and "!" or "", f.data:sub(1, 40))
					end
					error(("%s: %s\n%s"):format(name, why, table.concat(list, "\n")), 0)
				end
				count = count + 1
			end
		end
		test.note(("%d connections, of which %d broke a rule"):format(count, failed))
		test.equal(failed, test.count(20) * (#names - 2)) -- nothing wrong; more behind a close
	end)
end

test.run()
