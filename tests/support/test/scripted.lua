-- Redis servers that answer by a script, for what no real one would say.
--
--     local s = require("test.scripted").start(function(words, write, close)
--         return words[1] == "GET" and "$-1" or nil         -- without the last line end; nil: "+OK"; "": nothing
--     end)
--     s.port                                                -- s.asked: commands so far
--     scripted.resp { "a", 1, {} }                          -- a value as a reply
--
-- It ends with the case that started it.
local core = require "reef.redis.core"
local peer = require "reef.test.peer"

local scripted = {}

---A server that answers each command by `answer(words, write, close, connection)`: what it returns is sent, "+OK" if
---that is nil.
---@param answer fun(words: string[], write: fun(bytes: string), close: fun(), connection: integer): string|nil
---@return { port: integer, asked: integer }
function scripted.start(answer)
	local self = { asked = 0 }
	self.port = peer.start(function(c)
		local open = true
		while open do
			local words = {}
			for i = 1, tonumber(c:line "\r\n":sub(2)) do
				c:line "\r\n"
				words[i] = c:line "\r\n"
			end
			self.asked = self.asked + 1
			local text = answer(words, function(bytes)
				c:write(bytes)
			end, function()
				open = false
				c:close()
			end, c.id)
			if open and text ~= "" then
				c:write((text or "+OK") .. "\r\n")
			end
		end
	end).port
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

---A key, or a channel, whose slot in a cluster is one of these.
---@param prefix string
---@param first integer
---@param last integer
---@return string
function scripted.name_in(prefix, first, last)
	for i = 1, math.huge do
		local slot = core.slot(prefix .. i)
		if slot >= first and slot <= last then
			return prefix .. i
		end
	end
end

return scripted
