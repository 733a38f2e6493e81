-- Cursors and transactions that their users leave: somebody else tells the server to forget them.
--
-- A pool's service is left a will (drivers/pool/will.c) and carries it out when the service ends. With connections of a
-- client's own it is the service that watches the deployment (reef.mongo.hub), which is also told when one of them was
-- collected: a finalizer may be the last thing that happens in a service, so it does no more than send a message.
local bson = require "bson"

---@class mongo.left_guard
local guard = {}
guard.__index = guard

function guard:__gc()
	if not self.over then
		self.over = true
		pcall(self.client.left_behind, self.client, self.will)
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
---@param ... any keys and values of the command that ends it
---@return mongo.left_guard
function M.guard(client, address, ...)
	return setmetatable({ client = client, address = address, will = client:will(address, ...) }, guard)
end

---For a cursor.
---@param client mongo.core_client
---@param address string
---@param db string
---@param ns string collection
---@param id integer
---@return mongo.left_guard
function M.cursor(client, address, db, ns, id)
	return M.guard(client, address, "killCursors", ns, "cursors", bson.array { bson.int64(id) }, "$db", db)
end

return M
