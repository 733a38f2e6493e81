-- The options that methods take, by method: what nobody knows is refused before anything is asked of a server.
-- Those of `aggregate`, `modifyCollection` and of an index go to the server as they are, which refuses them itself.

local checks = require "reef.options"

local known = {}

-- Names that many take, by a word in capitals. `within`: of a part of another operation (limits.set).
local GROUPS <const> = {
	TIME = "session timeoutMS within",
	SCOPE = "readConcern writeConcern readPreference timeoutMS",
	READ = "TIME readConcern readPreference comment maxTimeMS rawData",
	WRITE = "TIME writeConcern bypassDocumentValidation comment let rawData",
	UPDATE = "WRITE upsert collation arrayFilters hint sort",
	DELETE = "WRITE collation hint",
	FIND_AND = "WRITE sort upsert collation hint maxTimeMS projection arrayFilters returnDocument",
	STREAM = [[TIME fullDocument fullDocumentBeforeChange resumeAfter startAfter startAtOperationTime showExpandedEvents
		batchSize maxAwaitTimeMS collation comment]],
	INDEX = "TIME writeConcern comment maxTimeMS rawData",
	LIST = "TIME batchSize comment rawData timeoutMode",
	FIND = [[READ sort projection hint skip limit batchSize max min returnKey showRecordId noCursorTimeout
		allowPartialResults collation allowDiskUse let cursorType timeoutMode maxAwaitTimeMS]],
	TRANSACTION = "SCOPE maxCommitTimeMS",
	FILE = "TIME chunkSizeBytes metadata",
}

-- By kind of object and method: the place of the options among the arguments, and their names. Constants, so that all
-- services share them; sets are made of them when they are first needed.
local METHODS <const> = {
	collection = {
		insertOne = "2 WRITE", insertMany = "2 WRITE ordered",
		updateOne = "3 UPDATE", updateMany = "3 UPDATE", replaceOne = "3 UPDATE",
		deleteOne = "2 DELETE", deleteMany = "2 DELETE",
		findOneAndUpdate = "3 FIND_AND", findOneAndReplace = "3 FIND_AND", findOneAndDelete = "2 FIND_AND",
		countDocuments = "2 READ skip limit collation hint", estimatedDocumentCount = "1 READ",
		count = "2 READ skip limit hint collation", distinct = "3 READ collation hint",
		findWith = "2 FIND", watch = "2 STREAM",
		mapReduce = [[4 READ query sort limit finalize scope jsMode verbose bypassDocumentValidation collation
			writeConcern]],
		bulkWrite = "2 WRITE ordered",
		createIndexesWith = "2 INDEX commitQuorum", dropIndex = "2 INDEX", dropIndexes = "1 INDEX",
		drop = "1 INDEX encryptedFields", rename = "2 INDEX dropTarget",
		createSearchIndex = "2 INDEX", createSearchIndexes = "2 INDEX", updateSearchIndex = "3 INDEX",
		dropSearchIndex = "2 INDEX", listIndexes = "1 LIST", listIndexNames = "1 LIST",
	},
	database = {
		collection = "2 SCOPE", runCursorCommand = "2 LIST readPreference maxTimeMS cursorType maxAwaitTimeMS",
		createCollection = [[2 TIME writeConcern capped size max viewOn pipeline validator validationLevel
			validationAction collation expireAfterSeconds timeseries clusteredIndex storageEngine indexOptionDefaults comment
			encryptedFields changeStreamPreAndPostImages]],
		listCollections = "2 LIST nameOnly authorizedCollections",
		listCollectionNames = "2 LIST nameOnly authorizedCollections",
		dropDatabase = "1 TIME writeConcern comment", watch = "2 STREAM",
		bucket = "1 SCOPE bucketName chunkSizeBytes",
	},
	client = {
		database = "2 SCOPE",
		startSession = "1 causalConsistency snapshot snapshotTime defaultTransactionOptions defaultTimeoutMS",
		listDatabases = "1 TIME filter nameOnly authorizedDatabases comment",
		listDatabaseNames = "1 TIME filter nameOnly authorizedDatabases comment", watch = "2 STREAM",
	},
	session = {
		startTransaction = "1 TRANSACTION", withTransaction = "2 TRANSACTION", commitTransaction = "1 timeoutMS",
		abortTransaction = "1 timeoutMS",
	},
	bucket = {
		openUploadStreamWithId = "3 FILE", openUploadStream = "2 FILE", uploadFromStreamWithId = "4 FILE",
		uploadFromStream = "3 FILE", openDownloadStream = "2 TIME", openDownloadStreamByName = "2 TIME revision",
		downloadToStream = "3 TIME", downloadToStreamByName = "3 TIME revision", delete = "2 TIME",
		deleteByName = "2 TIME", rename = "3 TIME", renameByName = "3 TIME", drop = "1 TIME",
	},
}

-- What a model of a bulk write is made of.
local MODELS <const> = {
	insertOne = "document", updateOne = "filter update upsert collation arrayFilters hint sort",
	updateMany = "filter update upsert collation arrayFilters hint",
		replaceOne = "filter replacement upsert collation hint sort",
	deleteOne = "filter collation hint", deleteMany = "filter collation hint",
}

local sets = {} ---@type table<string, table<string, boolean>> by their words

local function add_words(set, words)
	for word in words:gmatch "%a%S*" do
		if GROUPS[word] then
			add_words(set, GROUPS[word])
		else
			set[word] = true
		end
	end
	return set
end

---@param words string
---@return table<string, boolean>
local function set_of(words)
	local set = sets[words]
	if not set then
		set = add_words({}, words)
		sets[words] = set
	end
	return set
end

-- For the functions below: the error's place is where they were called.
local function check(options, name, words)
	checks.check("mongo: " .. name, options, set_of(words))
end

local checked = {
	function(f, name, words)
		return function(self, options, ...)
			if options ~= nil then
				check(options, name, words)
			end
			return f(self, options, ...)
		end
	end,
	function(f, name, words)
		return function(self, a, options, ...)
			if options ~= nil then
				check(options, name, words)
			end
			return f(self, a, options, ...)
		end
	end,
	function(f, name, words)
		return function(self, a, b, options, ...)
			if options ~= nil then
				check(options, name, words)
			end
			return f(self, a, b, options, ...)
		end
	end,
	function(f, name, words)
		return function(self, a, b, c, options, ...)
			if options ~= nil then
				check(options, name, words)
			end
			return f(self, a, b, c, options, ...)
		end
	end,
}

---Lets those of the methods that take options refuse what they do not know.
---@generic T: table
---@param methods T
---@param kind "collection"|"database"|"client"|"session"|"bucket"
---@return T methods
function known.guard(methods, kind)
	for name, spec in pairs(METHODS[kind]) do
		if methods[name] then
			methods[name] = checked[spec:byte() - ("0"):byte()](methods[name], name, spec)
		end
	end
	return methods
end

local BULK <const> = "WRITE ordered verboseResults"

---Raises for what a bulk write of a client does not take.
---@param options table
function known.check_bulk(options)
	checks.check("mongo: bulkWrite", options, set_of(BULK))
end

---Raises for what a model of a bulk write cannot have.
---@param name string of the model
---@param model table
---@param namespace boolean|nil may it name a collection?
function known.check_model(name, model, namespace)
	local words = MODELS[name]
	if not words or type(model) ~= "table" then
		return
	end
	local set = set_of(words)
	for key in pairs(model) do
		if not set[key] and not (namespace and key == "namespace") then
			checks.refuse("mongo: bulkWrite: " .. name, key, set, 0)
		end
	end
end

return known
