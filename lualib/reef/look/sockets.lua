-- Open sockets.
local clean = require "reef.text".clean
local lists = require "reef.look.lists"
local name_of = require "reef.look.name"
local netstat = require "reef.socketcore".netstat
local sample = require "reef.look.sample"
local skynet = require "skynet"

local sockets = {}

local fields = { id = "number", kind = "text", service = "text", name = "text", peer = "text", read = "number",
	written = "number", unsent = "number", read_age = "number", write_age = "number", accepted = "number" }

sockets.parameters = lists.parameters

local function age(stamp, now)
	return stamp and stamp ~= 0 and math.max(now - stamp, 0) / 100 or nil
end

---@param parameters table<string, string>
---@return table
function sockets.list(parameters)
	local now, at = sample.both(), skynet.now()
	local rows = {}
	for i, info in ipairs(netstat()) do
		local row = now.row[info.address]
		rows[i] = {
			id = info.id, kind = info.type, service = info.address and skynet.address(info.address),
			name = row and clean(name_of(now.description[row])), peer = info.peer and clean(info.peer),
			listens = info.sock and clean(info.sock), accepted = info.accept, read = info.read, written = info.write,
			unsent = info.wbuffer, read_age = age(info.rtime, at), write_age = age(info.wtime, at),
		}
	end
	local part, matching = lists.pick(rows, {
		fields = fields, sort = "unsent",
		value = function(row, field)
			return row[field] or field == "peer" and row.listens
		end,
		text = function(row)
			return table.concat({ row.kind, row.service or "", row.name or "", row.peer or row.listens or "" }, " ")
		end,
		make = function(row)
			return row
		end,
	}, parameters)
	return { time = now.time, total = #rows, matching = matching, sockets = part }
end

return sockets
