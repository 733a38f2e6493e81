-- Where `reef top` gets its numbers: the JSON API of a process (docs/page.md), asked over HTTP. What comes from there
-- is believed in nothing: fields that are no numbers or texts are absent.
local client = require "reef.http.client"
local command = require "reef.command"
local json = require "reef.json"

local PATIENCE = 500 -- hundredths of a second that an answer may take
local LONGEST = 8 * 1024 * 1024 -- bytes of an answer

---@class reef.top.source
local source = {}
source.__index = source

---@param address string host:port, or http://host:port
---@return reef.top.source|nil
---@return string|nil problem
function source.new(address)
	local host, wrong = command.host(address)
	if not host then
		return nil, wrong
	end
	local http = client.new { timeout = PATIENCE, idle_timeout = PATIENCE }
	return setmetatable({ host = host, http = http }, source)
end

local function encoded(text)
	return (text:gsub("[^%w%-._~]", function(c)
		return ("%%%02X"):format(c:byte())
	end))
end

local function get(self, path)
	local response = self.http:request { url = "http://" .. self.host .. path }
	if response.status ~= 200 then
		response:discard()
		error(("it answers %d to %s"):format(response.status, path:match "^[^?]*"), 0)
	end
	local length, parts = 0, {}
	for piece in response.read, response do
		length = length + #piece
		if length > LONGEST then
			response:close()
			error("its answer does not end", 0)
		end
		parts[#parts + 1] = piece
	end
	local value, why = json.decode(table.concat(parts))
	if not value then
		error(("its answer to %s is no JSON: %s"):format(path:match "^[^?]*", why), 0)
	end
	return value
end

---@class reef.top.query
---@field sort string    a field of the services
---@field filter string  what their names contain
---@field grouped boolean
---@field limit integer

---One look: the process, and its services as they are asked for.
---@param query reef.top.query
---@return { process: table, services: table[], matching: integer, grouped: boolean }|nil
---@return string|nil problem
function source:look(query)
	local ok, result = pcall(function()
		local process = get(self, "/api/process")
		local path = ("/api/services?sort=%s&limit=%d&filter=%s%s"):format(query.sort, query.limit, encoded(query.filter),
			query.grouped and "&group=name" or "")
		local list = get(self, path)
		if type(process.pid) ~= "number" or type(list.services) ~= "table" then
			error("what answers is no Reef", 0)
		end
		return {
			process = process, services = list.services, matching = tonumber(list.matching) or 0, grouped = query.grouped,
		}
	end)
	if not ok then
		return nil, (tostring(result):gsub("^%[Socket Error%]$", "it has closed the connection"))
	end
	return result
end

return source
