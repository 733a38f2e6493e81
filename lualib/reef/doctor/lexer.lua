-- Cuts the text of a Lua file into words, strings and signs, with their lines. What is no Lua gives some tokens, too:
-- whether a file compiles, Lua says.

local lexer = {}

---@class reef.doctor.tokens
---@field [integer] string a word, a sign, or the content of a string
---@field lines integer[]
---@field strings table<integer, boolean> which are strings

---By the first byte: what goes on behind it. Other bytes are signs by themselves.
local patterns = {}
for c = 0, 255 do
	local character = string.char(c)
	patterns[c] = (character:find "[%a_]" or c >= 128) and "^[%w_\128-\255]*" or character:find "%d" and "^[%w_.]*"
		or character:find "[=~<>]" and "^[=~<>]=" or character == "." and "^%.[%d.]*" or nil
end

---@param text string
---@return reef.doctor.tokens
function lexer.tokens(text)
	local find, sub, byte = string.find, string.sub, string.byte
	local tokens, lines, strings, n = {}, {}, {}, 0
	local at, line, size = 1, 1, #text
	if byte(text, 1) == 35 then -- #! of a script
		at = find(text, "\n", 1, true) or size + 1
	end

	-- The end of `[==[ ... ]==]` that begins at p, nil if none begins there.
	local function long_bracket(p)
		local _, open, level = find(text, "^%[(=*)%[", p)
		if not open then
			return nil
		end
		local close, stop = find(text, "]" .. level .. "]", open + 1, true)
		return open + 1, (close or size + 1) - 1, stop or size
	end

	local function count_lines(from, to)
		local p = find(text, "\n", from, true)
		while p and p <= to do
			line = line + 1
			p = find(text, "\n", p + 1, true)
		end
	end

	local function add(value, is_string)
		n = n + 1
		tokens[n], lines[n] = value, line
		if is_string then
			strings[n] = true
		end
	end

	while at <= size do
		local c = byte(text, at)
		if c == 10 then
			line, at = line + 1, at + 1
		elseif c == 32 or c == 9 or c == 13 then
			at = select(2, find(text, "^[ \t\r]+", at)) + 1
		elseif c == 45 and byte(text, at + 1) == 45 then -- a comment
			local _, _, stop = long_bracket(at + 2)
			if stop then
				count_lines(at, stop)
				at = stop + 1
			else
				at = find(text, "\n", at, true) or size + 1
			end
		elseif c == 34 or c == 39 then -- a string in quotes
			local p = at + 1
			while true do
				p = find(text, c == 34 and '["\\\n]' or "['\\\n]", p)
				if not p or byte(text, p) == c then
					break
				elseif byte(text, p) == 92 then
					p = p + 2
				else
					break -- not closed in its line
				end
			end
			p = p or size + 1
			add(sub(text, at + 1, p - 1), true)
			count_lines(at, p)
			at = p + 1
		elseif c == 91 and long_bracket(at) then
			local first, last, stop = long_bracket(at)
			add(sub(text, first, last), true)
			count_lines(at, stop)
			at = stop + 1
		else
			local pattern, stop = patterns[c], at
			if pattern then
				stop = select(2, find(text, pattern, at)) or at
			end
			add(sub(text, at, stop))
			at = stop + 1
		end
	end
	tokens.lines, tokens.strings = lines, strings
	return tokens
end

return lexer
