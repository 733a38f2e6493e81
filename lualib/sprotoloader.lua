-- Schemas that all services of the process share: sixteen slots, from 0.

local core = require "sproto.core"
local parser = require "sprotoparser"
local sproto = require "sproto"

local sprotoloader = {}

---Parses a file into a slot.
---@param filename string
---@param slot? integer 0
function sprotoloader.register(filename, slot)
	local f <close>, why = io.open(filename, "rb")
	if not f then
		error(why)
	end
	sprotoloader.save(parser.parse(f:read "a", filename), slot)
end

---@param bundle string
---@param slot? integer
function sprotoloader.save(bundle, slot)
	core.save(core.new(bundle), slot or 0)
end

---@param slot? integer
---@return sproto
function sprotoloader.load(slot)
	return sproto.sharenew(core.load(slot or 0))
end

return sprotoloader
