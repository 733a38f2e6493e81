-- Redis servers that answer by a script, for what no real one would say.
--
--     local s = require("test.scripted").start(function(words, write, close)
--         return words[1] == "GET" and "$-1" or nil         -- without the last line end; nil: "+OK"; "": nothing
--     end)
--     s.port                                                -- s.asked: commands so far
--     scripted.resp { "a", 1, {} }                          -- a value as a reply
--
-- It ends with the case that started it.
local socket = require "skynet.socket"
local test = require "test"

local scripted = {}

---A server that answers each command by `answer(words, write, close, connection)`: what it returns is sent, "+OK" if
---that is nil.
---@param answer fun(words: string[], write: fun(bytes: string), close: fun(), connection: integer): string|nil
---@return { port: integer, asked: integer }
function scripted.start(answer)
	local self = { asked = 0 }
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(client)
		socket.start(client)
		while true do
			local head = socket.readline(client, "\r\n")
			if not head then
				break
			end
			local words = {}
			for i = 1, tonumber(head:sub(2)) do
				socket.readline(client, "\r\n")
				words[i] = socket.readline(client, "\r\n")
			end
			self.asked = self.asked + 1
			local text = answer(words, function(bytes)
				socket.write(client, bytes)
			end, function()
				socket.close(client)
			end, client)
			if text ~= "" then
				socket.write(client, (text or "+OK") .. "\r\n")
			end
		end
		socket.close(client)
	end)
	test.defer(socket.close, id)
	self.port = port
	return self
end

---As a reply: strings, integers, lists.
---@param value string|integer|table
---@return string
function scripted.resp(value)
	if math.type(value) == "integer" then
		return ":" .. value .. "\r\n"
	elseif type(value) == "table" then
		local parts = { "*" .. #value .. "\r\n" }
		for i, item in ipairs(value) do
			parts[i + 1] = scripted.resp(item)
		end
		return table.concat(parts)
	end
	return ("$%d\r\n%s\r\n"):format(#value, value)
end

return scripted
