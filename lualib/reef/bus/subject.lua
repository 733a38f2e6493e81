-- Subjects: words between dots. A pattern has `*` in the place of any one word, and `>` in the place of all that
-- follow.

local subject = {}

local LONGEST <const> = 255

---Raises unless it is one.
---@param text any
---@param pattern boolean
---@return string
function subject.check(text, pattern)
	if type(text) ~= "string" or #text == 0 or #text > LONGEST or text:find "[%s%c\127]" or text:find "^%." or
		text:find "%.$" or text:find("..", 1, true) then
		error(("bus: %q is no subject: words with dots between them are"):format(tostring(text)))
	end
	for word in text:gmatch "[^.]+" do
		local wild = word == "*" or word == ">"
		if wild and not pattern or not wild and word:find "[*>]" then
			error(("bus: %q: * and > stand for whole words, of what is subscribed to"):format(text))
		end
	end
	if text:find(">.", 1, true) then
		error(("bus: %q: > is the last word"):format(text))
	end
	return text
end

---@param text string
---@return boolean
function subject.is_pattern(text)
	return text:find "[*>]" ~= nil
end

---A Lua pattern for what a pattern stands for.
---@param pattern string
---@return string
function subject.matcher(pattern)
	local escaped = pattern:gsub("[^%w.*>]", "%%%0"):gsub("%.", "%%."):gsub("%*", "[^.]+"):gsub(">", ".+")
	return "^" .. escaped .. "$"
end

return subject
