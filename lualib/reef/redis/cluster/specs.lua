-- What has to be known of a command before it goes to a node of a Redis Cluster: where its keys are, what calls its
-- method, and what a reply of its becomes.
local core = require "reef.redis.core"
local keys = require "reef.redis.cluster.keys"
local redis = require "reef.redis"

local specs = {}

---@class redis.cluster.spec
---@field name string        as it was written
---@field command string     in capitals
---@field rule redis.cluster.rule
---@field ordinary boolean   it neither blocks nor changes a connection
---@field waits boolean      it blocks, or may
---@field parts boolean|nil   it is several commands, of which each may be refused
---@field method fun(db: table, ...): any
---@field list_of fun(...): any[]
---@field answer fun(reply: any): any

local function list_of(...)
	local first = ...
	if type(first) == "table" and select("#", ...) == 1 and not getmetatable(first) then
		return table.move(first, 1, first.n or #first, 1, { n = first.n or #first })
	elseif first == nil and select("#", ...) <= 1 then
		return { n = 0 }
	end
	return table.pack(...)
end

local function same(reply)
	return reply
end

-- Only these two spellings answer with booleans, and take a fixed number of arguments; see reef.redis.commands.
local most = { exists = 1, sismember = 2 }

local known = {}

---@param name string
---@param command string
---@return redis.cluster.spec
function specs.of(name, command)
	local spec = known[name]
	if not spec then
		local rule, class = keys.rule(command), core.classify(command)
		rule.blocks = class == "blocking"
		spec = {
			name = name, command = command, rule = rule, method = redis.methods[name], list_of = list_of, answer = same,
			ordinary = class == "ordinary", waits = class == "blocking" or class == "maybe block",
		}
		if most[name] then
			spec.answer = function(reply)
				return math.type(reply) == "integer" and reply ~= 0 or reply
			end
			spec.list_of = function(...)
				local list = list_of(...)
				list.n = type((...)) == "table" and list.n or math.min(list.n, most[name])
				return list
			end
		end
		known[name] = spec
	end
	return spec
end

return specs
