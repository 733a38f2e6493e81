-- The last lines of the log, as far as they are kept.
local core = require "reef.look"
local json = require "reef.json"
local lists = require "reef.look.lists"
local fault = require "reef.look.fault"
local skynet = require "skynet"

local USUAL, MOST <const> = 200, 2000 -- lines in an answer

local LEVELS <const> = { debug = true, verbose = true, info = true, warn = true, error = true }

local lines = {}

---@class reef.look.lines.wanted
---@field level string|nil  this one and above
---@field address integer|nil
---@field filter string|nil  part of the text, in lower case
---@field since integer|nil  no line before the one with that id
---@field limit integer

---@param wanted reef.look.lines.wanted
---@return table[] lines  in their order
---@return integer next  id that the next line will have
function lines.last(wanted)
	local list, before, next_id = {}, nil, nil
	while #list < wanted.limit do
		local id, time, level, source, text = core.line(before, wanted.level, wanted.address)
		if not id or id < (wanted.since or 0) then
			break
		end
		before, next_id = id, next_id or id + 1
		if not wanted.filter or text:lower():find(wanted.filter, 1, true) then
			list[#list + 1] = { id = id, time = time, level = level, service = skynet.address(source), text = text }
		end
	end
	local ordered = json.list {}
	for i = #list, 1, -1 do
		ordered[#ordered + 1] = list[i]
	end
	local newest = core.line()
	return ordered, math.max(next_id or 0, (newest or 0) + 1)
end

lines.parameters = { level = true, service = true, filter = true, since = true, limit = true }

---@param parameters table<string, string>
---@return table
function lines.list(parameters)
	local level = parameters.level
	if level and not LEVELS[level] then
		fault.raise(400, "level=%s: debug, verbose, info, warn and error are levels", level)
	end
	local service = parameters.service
	local address = service and math.tointeger(tonumber(service:match "^:?(%x+)$" or "", 16))
	if service and (not address or address > 0xffffffff) then
		fault.raise(400, "service=%s: an address such as :0000000a is needed", service)
	end
	local filter = parameters.filter
	local list, next_id = lines.last {
		level = level, address = address, filter = filter and filter ~= "" and filter:lower() or nil,
		since = lists.integer("since", parameters.since, 0, math.maxinteger),
		limit = lists.integer("limit", parameters.limit, USUAL, MOST),
	}
	return { lines = list, next = next_id }
end

return lines
