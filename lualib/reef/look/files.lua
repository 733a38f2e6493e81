-- The files of the page. They are read when somebody asks for them, so nobody pays for a page that nobody looks at.
local skynet = require "skynet"
local system = require "reef.look.system"

local KINDS <const> = { html = "text/html; charset=utf-8", css = "text/css; charset=utf-8",
	js = "text/javascript; charset=utf-8", svg = "image/svg+xml" }

local files = {}

---@param path string  of a request
---@return string|nil content
---@return string kind  media type
function files.read(path)
	local name = path == "/" and "index.html" or path:match "^/page/(%l[%l_]*%.%l+)$"
	local kind = name and KINDS[name:match "%.(%l+)$"]
	return kind and system.read(("%s/reef/page/%s"):format(skynet.getenv "reef_lualib", name)), kind
end

return files
