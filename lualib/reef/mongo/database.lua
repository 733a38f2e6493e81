-- A database: its collections, and commands that are about all of it.
local bson = require "bson"
local now = require "reef.base.now"
local cursor = require "reef.mongo.cursor"
local documents = require "reef.mongo.documents"
local limits = require "reef.mongo.limits"
local skynet = require "skynet"

---@class mongo.database
---@field name string
---@field client mongo.client
---@field _settings mongo.settings
local database = {}

local NONE = {}

-- Keys and values in turn, in the order of the document; and its first key, the command's name.
local function body_of(document)
	local body = {}
	for _, pair in ipairs(documents.in_order("command", document)) do
		body[#body + 1] = pair[1]
		body[#body + 1] = pair[2]
	end
	return body, body[1]
end

-- The reply of a command that is a document; raises what it reports.
local function run_document(self, document, options)
	local body, name = body_of(document)
	local reply, err = self.client._core:execute(limits.set({
		db = self.name, name = name, body = body, preference = options.readPreference, exact = self._settings.exact,
		given = true,
	}, self._settings, options))
	if err then
		error(err, 0)
	end
	return reply
end

---A command. As a name and its keys and values in order, it answers the reply, also one that says that the command
---failed. As one document (made by bson.document, so that its keys have an order) with options, it raises what went
---wrong as an error object.
---@param cmd string|table
---@param value any the command's own value; or with a document { session=, readPreference=, timeoutMS= }
---@param ... any its keys and values
---@return table reply
function database:runCommand(cmd, value, ...)
	if type(cmd) == "table" then
		return run_document(self, cmd, value or {})
	end
	local body = value and { cmd, value, ... } or { cmd, 1 }
	return (self.client._core:execute(limits.set({
		db = self.name, name = cmd, body = body, exact = self._settings.exact, given = true,
	}, self._settings, NONE)))
end

---A cursor over what a command answers that has a cursor of its own.
---@param document table made by bson.document
---@param options { session: mongo.session|nil, readPreference: mongo.read_preference|nil, batchSize: integer|nil,
---  comment: any, maxTimeMS: integer|nil, timeoutMS: integer|nil, timeoutMode: "cursorLifetime"|"iteration"|nil,
---  cursorType: "tailable"|"tailableAwait"|nil }|nil batchSize, comment and maxTimeMS go with getMore
function database:runCursorCommand(document, options)
	options = options or {}
	local body, name = body_of(document)
	local made = cursor.command(self.client._core, self.name, name, body, cursor.time({
		readPreference = options.readPreference, exact = self._settings.exact, once = true,
	}, self._settings, options))
	made.settings = { batchSize = options.batchSize, comment = options.comment }
	made.options.await = made.options.await or options.maxTimeMS
	return made
end

---Sends a command and forgets it.
---@param cmd string
---@param value any the command's own value
---@param ... any its keys and values
---@return { ok: 1 }
function database:send_command(cmd, value, ...)
	local body = value and { cmd, value, ... } or { cmd, 1 }
	body[#body + 1], body[#body + 2] = "writeConcern", { w = 0 }
	self.client._core:execute { db = self.name, name = cmd, body = body, write = true, unacknowledged = true }
	return { ok = 1 }
end

---Logs in as somebody else, known to this database.
---@param username string
---@param password string
---@return boolean
function database:auth(username, password)
	local core = self.client._core
	local current = core.credentials
	local credentials = {
		username = username, password = password, source = self.name, mechanism = current and current.mechanism,
	}
	local deadline = now() + core.connect_timeout
	local server = core:select({ name = "auth", preference = { mode = "nearest" } }, deadline)
	local connection, err = require "reef.mongo.handshake".connect(server.address,
		{ credentials = credentials, tls = core.tls }, core.connect_timeout)
	if not connection then
		skynet.error("mongo: " .. tostring(err))
		return false
	end
	connection.raw:close()
	self.client:use_credentials(credentials)
	return true
end

-- ---- collections ----

local create_options = {
	"capped", "size", "max", "viewOn", "pipeline", "validator", "validationLevel", "validationAction", "collation",
	"expireAfterSeconds", "timeseries", "clusteredIndex", "storageEngine", "indexOptionDefaults", "comment",
	"encryptedFields", "changeStreamPreAndPostImages",
}

---Makes a collection, or with viewOn and pipeline a view.
---@param name string
---@param options table|nil by their names in the command `create`; session
---@return mongo.collection
function database:createCollection(name, options)
	options = options or {}
	local body = { "create", name }
	for _, key in ipairs(create_options) do
		if options[key] ~= nil then
			body[#body + 1] = key
			body[#body + 1] = key == "pipeline" and bson.array(options[key]) or options[key]
		end
	end
	local extra = self._settings.write_extra or {}
	table.move(extra, 1, #extra, #body + 1, body)
	local _, err = self.client._core:execute(limits.set({
		db = self.name, name = "create", body = body, write = true,
	}, self._settings, options))
	if err then
		error(err, 0)
	end
	return self:collection(name)
end

---Changes options of a collection (the command collMod).
---@param name string
---@param options table by their names in the command; session, timeoutMS
---@return table reply
function database:modifyCollection(name, options)
	local body = { "collMod", name }
	for key, value in pairs(options) do
		if key ~= "session" and key ~= "timeoutMS" then
			body[#body + 1], body[#body + 2] = key, value
		end
	end
	if self._settings.write_concern then
		body[#body + 1], body[#body + 2] = "writeConcern", self._settings.write_concern
	end
	local reply, err = self.client._core:execute(limits.set({
		db = self.name, name = "collMod", body = body, write = true,
	}, self._settings, options))
	if err then
		error(err, 0)
	end
	return reply
end

-- A cursor over collections: of `filter`, and options by their names in the command.
local function list_collections(self, filter, options)
	options = options or {}
	local body = { "listCollections", 1, "filter", filter or {}, "cursor", options.batchSize
		and { batchSize = options.batchSize } or {} }
	for _, key in ipairs { "nameOnly", "authorizedCollections", "comment", "rawData" } do
		if options[key] ~= nil then
			body[#body + 1], body[#body + 2] = key, options[key]
		end
	end
	local made = cursor.command(self.client._core, self.name, "listCollections", body,
		cursor.time({}, self._settings, options))
	made.settings = { batchSize = options.batchSize }
	return made
end

---@param filter table|nil
---@param options table|nil by their names in the command `listCollections`; session, timeoutMS
---@return table[] what is known of each collection
function database:listCollections(filter, options)
	return list_collections(self, filter, options):toArray()
end

---@param filter table|nil
---@param options table|nil by their names in the command `listCollections`; session, timeoutMS
---@return string[]
function database:listCollectionNames(filter, options)
	local with_names = { nameOnly = true }
	for k, v in pairs(options or {}) do
		with_names[k] = v
	end
	local names = {}
	local made = list_collections(self, filter, with_names)
	for collection in made:each() do
		names[#names + 1] = made:name_of(collection)
	end
	return names
end

---Drops the whole database.
---@param options { session: mongo.session|nil, writeConcern: table|nil, timeoutMS: integer|nil }|nil without: the reply
---  is answered whatever it says; with: what went wrong is raised
---@return table reply
function database:dropDatabase(options)
	local body = { "dropDatabase", 1 }
	local concern = options and options.writeConcern or self._settings.write_concern
	if concern then
		body[3], body[4] = "writeConcern", concern
	end
	local reply, err = self.client._core:execute(limits.set({
		db = self.name, name = "dropDatabase", body = body, write = true,
	}, self._settings, options or NONE))
	if err and options then
		error(err, 0)
	end
	return reply
end

---Files in this database (GridFS).
---@param options mongo.bucket_options|nil
---@return mongo.bucket
function database:bucket(options)
	return require "reef.mongo.gridfs".bucket(self, options)
end

---Watches all collections.
---@param pipeline table|nil stages that choose and change what is told
---@param options mongo.change_stream_options|nil
---@return mongo.change_stream
function database:watch(pipeline, options)
	return require "reef.mongo.change_stream".watch(self.client._core, self.name, 1, pipeline, self._settings, options)
end

---A pipeline that begins with a stage of its own, such as $currentOp or $documents.
---@param pipeline table
---@param options table|nil as of collection:aggregate
---@return mongo.cursor
function database:aggregate(pipeline, options)
	return cursor.aggregate(self.client._core, self.name, 1, pipeline,
		cursor.aggregate_options(self._settings, pipeline, options))
end

return database
