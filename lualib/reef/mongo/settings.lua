-- How a client, a database or a collection reads and writes unless an operation says otherwise. A database inherits
-- from its client, a collection from its database.
local documents = require "reef.mongo.documents"
local limits = require "reef.mongo.limits"

local settings = {}

---@class mongo.settings
---@field where string host, for messages
---@field acknowledged boolean|nil
---@field exact boolean|nil
---@field write_concern table|nil
---@field write_extra table|nil the same, as what a command gets
---@field read_concern table|nil
---@field read_preference mongo.read_preference|nil
---@field timeout integer|nil milliseconds for an operation

---@class mongo.scope_options
---@field readConcern { level: string }|nil
---@field writeConcern { w: integer|string|nil, j: boolean|nil, wtimeout: integer|nil }|nil
---@field readPreference mongo.read_preference|nil
---@field timeoutMS integer|nil

---The concern itself; nil for an empty one, which means: what the server does by itself.
---@param given table|nil
---@return table|nil
function settings.concern(given)
	return given and documents.first_key(given) ~= nil and given or nil
end

local concern = settings.concern

-- Raises what makes no sense, before a server is asked for it.
local function check_write_concern(c)
	if math.type(c.w) == "integer" and c.w < 0 then
		error(("mongo: write concern w = %d: fewer than no members"):format(c.w), 0)
	elseif c.wtimeout and c.wtimeout < 0 then
		error(("mongo: write concern wtimeout = %s: a time that is over"):format(c.wtimeout), 0)
	elseif c.w == 0 and c.j then
		error("mongo: write concern w = 0 with j = true: what nobody waits for cannot be waited for", 0)
	end
	return c
end

local function write_concern_of(options)
	if options.w == nil and options.wTimeoutMS == nil and options.journal == nil then
		return nil
	end
	return check_write_concern { w = options.w, wtimeout = options.wTimeoutMS, j = options.journal }
end

local function read_preference_of(options)
	if not options.readPreference then
		return nil
	end
	return {
		mode = options.readPreference, tags = options.readPreferenceTags, maxStalenessSeconds = options.maxStalenessSeconds,
	}
end

---@param conf table what the user gave
---@param options table options by their names in connection strings
---@return mongo.settings
function settings.of_client(conf, options, where)
	local write_concern = write_concern_of(options)
	return {
		where = where,
		acknowledged = conf.acknowledged == nil or conf.acknowledged,
		exact = conf.exact,
		write_concern = write_concern,
		write_extra = write_concern and { "writeConcern", write_concern },
		read_concern = options.readConcernLevel and { level = options.readConcernLevel },
		read_preference = read_preference_of(options),
		timeout = limits.check(options.timeoutMS),
	}
end

---Those of a database or a collection.
---@param parent mongo.settings
---@param options mongo.scope_options|nil
---@return mongo.settings
function settings.derive(parent, options)
	if not options then
		return parent
	end
	local own = {}
	for k, v in pairs(parent) do
		own[k] = v
	end
	if options.writeConcern then
		own.write_concern = concern(check_write_concern(options.writeConcern))
		own.write_extra = own.write_concern and { "writeConcern", own.write_concern }
	end
	if options.readConcern then
		own.read_concern = concern(options.readConcern)
	end
	own.read_preference = options.readPreference or own.read_preference
	if options.timeoutMS ~= nil then
		own.timeout = limits.check(options.timeoutMS)
	end
	return own
end

return settings
