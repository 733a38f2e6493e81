-- Shared libraries (ELF, 64 bit, little-endian): which functions one has, and which it expects of the program. Nothing
-- is loaded.

local binary = {}

local MAX_BYTES = 64 << 20
local MAX_SYMBOLS = 200000
local MACHINE = 0x12 + 1 -- where an ELF file says for which one it is

local machine -- of this program
do
	local f <close> = io.open("/proc/self/exe", "rb")
	local head = f and f:read(64)
	machine = head and ("<I2"):unpack(head, MACHINE)
end

---@class reef.doctor.binary
---@field defines table<string, boolean>
---@field needs string[] functions of Lua and of the program that it expects

---@param text string the file
---@return reef.doctor.binary? result, string? reason
local function parse(text)
	if text:sub(1, 4) ~= "\127ELF" then
		return nil, "is no shared library"
	elseif text:byte(5) ~= 2 or text:byte(6) ~= 1 or ("<I2"):unpack(text, MACHINE) ~= machine then
		return nil, "is a shared library for another kind of machine"
	end
	local sections, size, count = ("<I8"):unpack(text, 0x28 + 1), ("<I2I2"):unpack(text, 0x3a + 1)
	local result = { defines = {}, needs = {} }
	for i = 0, count - 1 do
		local at = sections + i * size + 1
		local kind = ("<I4"):unpack(text, at + 4)
		if kind == 11 then -- dynamic symbols
			local offset, bytes, link = ("<I8I8I4"):unpack(text, at + 0x18)
			local names = ("<I8"):unpack(text, sections + link * size + 1 + 0x18)
			for n = 1, math.min(bytes // 24, MAX_SYMBOLS) - 1 do
				local name_at, info, _, section = ("<I4BBI2"):unpack(text, offset + n * 24 + 1)
				local name = ("z"):unpack(text, names + name_at + 1)
				if section ~= 0 then
					result.defines[name] = true
				elseif info >> 4 == 1 and name:find "^luaL?_" or name:find "^skynet_" then
					result.needs[#result.needs + 1] = name
				end
			end
		end
	end
	return result
end

---@param tree reef.doctor.tree
---@param path string
---@return reef.doctor.binary? result, string? reason, boolean? not_read
function binary.read(tree, path)
	local text, reason = tree:read(path, MAX_BYTES)
	if not text then
		return nil, reason, true
	end
	local ok, result, why = pcall(parse, text)
	if not ok then
		return nil, "is a damaged shared library"
	end
	return result, why
end

return binary
