-- Servers that speak MySQL or PostgreSQL by a script, for what no real one would say.
--
--     local peer = sql_peer.start("mysql", function(stage, bytes) return bytes end)
--     peer.port, peer.asked                          -- statements so far
--
-- `change(stage, bytes)` gets what an honest server would send and returns what is sent instead; nil: nothing, the peer
-- is silent from then on; false: it closes. Stages are "hello", "login" and "answer". It ends with the case that
-- started it.
local socket = require "skynet.socket"
local test = require "test"

local sql_peer = {}

-- ---- MySQL ----

local function packet(number, body)
	return string.pack("<I3B", #body, number) .. body
end

local function column(number, name, kind)
	return packet(number, string.pack("<s1s1s1s1s1s1BI2I4BI2BI2", "def", "t", "t", "t", name, name, 12, 33, 20, kind, 0,
		0, 0))
end

local EOF <const> = "\xfe\0\0\2\0"

---What MySQL's server answers when it has prepared a statement with one value, and when it has run it, without rows.
sql_peer.mysql = {
	PREPARED = packet(1, string.pack("<BI4I2I2BI2", 0, 1, 0, 1, 0, 0)) .. column(2, "?", 253) .. packet(3, EOF),
	DONE = packet(1, "\0\0\0\2\0\0\0"),
}

local mysql = {
	hello = packet(0, "\10" .. "5.7.0\0" .. string.pack("<I4", 7) .. "12345678\0" .. string.pack("<I2", 0xa20f) .. "\33"
		.. string.pack("<I2I2", 2, 0x0008) .. "\21" .. ("\0"):rep(10) .. "123456789012\0mysql_native_password\0"),
	login = packet(2, "\0\0\0\2\0\0\0"),
	answer = packet(1, "\2") .. column(2, "id", 8) .. column(3, "name", 253) .. packet(4, EOF)
		.. packet(5, "\00277\5seven") .. packet(6, "\00278\xfb") .. packet(7, EOF),
}

-- The next packet; nil: the end.
local function mysql_read(id)
	local head = socket.read(id, 4)
	return head and socket.read(id, (string.unpack("<I3", head)))
end

function mysql.serve(id, say, peer)
	if not say("hello", mysql.hello) or not mysql_read(id) or not say("login", mysql.login) then
		return
	end
	while true do
		local asked = mysql_read(id)
		if not asked or asked:byte() == 1 then
			return
		end
		peer.asked = peer.asked + 1
		if not say("answer", mysql.answer) then
			return
		end
	end
end

-- ---- PostgreSQL ----

local function message(kind, body)
	return kind .. string.pack(">I4", #body + 4) .. body
end

local function described(name, kind)
	return name .. "\0" .. string.pack(">I4I2I4I2I4I2", 0, 0, kind, 8, 0xffffffff, 0)
end

local postgres = {
	hello = "",
	login = message("R", string.pack(">I4", 0)) .. message("K", string.pack(">I4I4", 7, 7)) .. message("Z", "I"),
	answer = message("T", string.pack(">I2", 2) .. described("id", 20) .. described("name", 25))
		.. message("D", string.pack(">I2s4s4", 2, "77", "seven")) .. message("D", string.pack(">I2s4I4", 2, "78", 0xffffffff))
		.. message("C", "SELECT 2\0") .. message("Z", "I"),
}

local READY <const> = message("Z", "I")

---The same of PostgreSQL, and that it knows no such statement (any more).
sql_peer.postgres = {
	PREPARED = message("1", "") .. READY,
	DONE = message("2", "") .. message("n", "") .. message("C", "UPDATE 1\0") .. READY,
	STALE = message("E", "SERROR\0VERROR\0C26000\0Mno such statement\0\0") .. READY,
}

function postgres.serve(id, say, peer)
	local function read_body()
		local size = socket.read(id, 4)
		return size and (string.unpack(">I4", size) == 4 or socket.read(id, string.unpack(">I4", size) - 4))
	end
	local first = read_body()
	-- Is there TLS, is there GSSAPI?
	while first and #first == 4 do
		local text = peer.tls and "S" or "N"
		if not say("hello", text) or peer.tls then
			return socket.read(id)
		end
		first = read_body()
	end
	if not first or not say("login", postgres.login) then
		return
	end
	while true do
		local kind = socket.read(id, 1)
		if not kind or kind == "X" or not read_body() then
			return
		elseif kind == "Q" or kind == "S" then
			peer.asked = peer.asked + 1
			if not say("answer", postgres.answer) then
				return
			end
		end
	end
end

local kinds = { mysql = mysql, postgres = postgres }

---@param kind "mysql"|"postgres"
---@param change fun(stage: string, bytes: string): string|false|nil
---@return table peer
function sql_peer.start(kind, change)
	local peer = { asked = 0 }
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(client)
		socket.start(client)
		local silent = false
		local function say(stage, bytes)
			local said = change(stage, bytes)
			silent = said == nil
			return said and socket.write(client, said)
		end
		kinds[kind].serve(client, say, peer)
		if silent then
			-- Until the other side goes away.
			while socket.read(client) do end -- luacheck: ignore
		end
		socket.close(client)
	end)
	test.defer(socket.close, id)
	peer.port = port
	return peer
end

return sql_peer
