-- Cursors of the peer over documents that are there: their first batches, and what comes behind.
local bson = require "bson"
local value = require "test.peer.value"

local cursors = {}

local plain = value.plain

-- Documents of a batch whose size nobody gave.
local USUAL = 101

---@class test.peer.batch_options
---@field size integer|nil
---@field single boolean|nil the rest is not wanted
---@field tailable boolean|nil the end is not the end
---@field time integer|nil of a snapshot

---The reply of a command that answers with a cursor.
---@param set table the deployment
---@param docs table[]
---@param ns string
---@param options test.peer.batch_options
---@return table
function cursors.open(set, docs, ns, options)
	local batch_size = options.size or USUAL
	local first = table.move(docs, 1, math.min(#docs, batch_size), 1, {})
	local id = 0
	if (#docs > batch_size and not options.single) or options.tailable then
		set.last_cursor = (set.last_cursor or 100) + 1
		id = set.last_cursor
		set.cursors[id] = { docs = docs, at = #first, ns = ns, tailable = options.tailable }
	end
	return { cursor = value.document("firstBatch", bson.array(first), "id", bson.int64(id), "ns", ns,
		"atClusterTime", options.time and bson.timestamp(options.time, 1) or nil) }
end

---The reply of getMore.
---@param set table
---@param command table
---@param cursor table
---@return table
function cursors.more(set, command, cursor)
	local n = plain(command.batchSize) or USUAL
	local batch = table.move(cursor.docs, cursor.at + 1, math.min(#cursor.docs, cursor.at + n), 1, {})
	cursor.at = cursor.at + #batch
	local id = plain(command.getMore)
	if cursor.at >= #cursor.docs and not cursor.tailable then
		set.cursors[id] = nil
		id = 0
	end
	return { cursor = { nextBatch = bson.array(batch), id = bson.int64(id), ns = cursor.ns } }
end

return cursors
