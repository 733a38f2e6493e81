-- JSON as etcd's gateway speaks it: bytes are base64, large integers are text.

local crypt = require "skynet.crypt"
local json = require "reef.json"

local M = { encode = json.encode, decode = json.decode, bytes = crypt.base64encode }

---@param text string|nil
---@return string
function M.from_bytes(text)
	return text and crypt.base64decode(text) or ""
end

return M
