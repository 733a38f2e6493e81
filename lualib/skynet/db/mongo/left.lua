-- Cursors that their users leave: the server is told to forget them when the cursor is collected, and when its service
-- ends before that.
--
-- A pool's service is left a will (drivers/pool/will.c). With connections of a client's own it is the service that
-- watches the deployment (skynet.db.mongo.hub) that kills what a dead client has left.
local bson = require "bson"
local skynet = require "skynet"

---@class mongo.left_guard
local guard = {}
guard.__index = guard

local function kill(self)
	pcall(self.client.execute, self.client, {
		db = self.db, name = "killCursors", address = self.address, unacknowledged = true,
		body = { "killCursors", self.ns, "cursors", bson.array { bson.int64(self.id) } },
	})
	self:release()
end

-- The cursor was collected. In a service that ends nothing can be started any more, and the will is carried out.
function guard:__gc()
	if not self.over then
		pcall(skynet.fork, kill, self)
	end
end

---Nothing is open at the server any more.
function guard:release()
	if not self.over then
		self.over = true
		self.client:revoke(self.address, self.will)
	end
end

local M = {}

---For what is open at the server until `release` says that it is not.
---@param client mongo.core_client
---@param address string
---@param db string
---@param ns string collection
---@param id integer of the cursor
---@return mongo.left_guard
function M.guard(client, address, db, ns, id)
	return setmetatable({
		client = client, address = address, db = db, ns = ns, id = id,
		will = client:will(address, "killCursors", ns, "cursors", bson.array { bson.int64(id) }, "$db", db),
	}, guard)
end

return M
