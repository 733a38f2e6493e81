-- Redis: any command as a method; see docs/redis.md. Times are in seconds.
--
--     local redis = require "reef.redis"
--     local db = redis.connect { host = "127.0.0.1" }      -- or "redis://user:password@host:6379/0"
--     db:set("greeting", "hello")
--     print(db:get "greeting")
--
-- All coroutines of a service share one connection, and their commands of a moment leave in one write. What would hold
-- up or mix with others (BLPOP, WATCH, MULTI ...) goes to connections of its own.
local now = require "reef.base.now"
local checks = require "reef.options"
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local keeping = require "reef.redis.keeping"
local link = require "reef.redis.link"
local owned = require "reef.redis.owned"
local partial = require "reef.redis.partial"
local skynet = require "skynet"
local useless = require "reef.redis.useless"

local redis = {}

---@class redis.db
local methods = require "reef.redis.methods"
local meta = { __index = methods, __name = "redis" }
local kept = keeping.type(methods)

-- Whatever changes a connection (SELECT, AUTH, CLIENT SETNAME ...) changes nobody else's. In a transaction or a
-- pipeline it happens on a connection of one's own, which is closed afterwards. Elsewhere it is the configuration that
-- changes: what succeeded is remembered, and every later connection begins with it. See drivers/redis/special.h.

-- db[1]: the handle that the C methods use; db[2]: what all views of a connection share; db[3]: seconds from `with`;
-- db[4]: the link that db[1] is for.

local function view_of(client, seconds, explicit)
	local handle = core.handle(client.link.connection, seconds, false, client.objects, client.bound, client.connect)
	return setmetatable({ handle, client, explicit, client.link }, meta)
end

local function timeout_of(db)
	return db[3] or db[2].conf.timeout
end

local function refuse(client, code, why)
	error(errors.new({ code = code, outcome = "not sent", host = "redis " .. client.conf.where }, why), 0)
end

-- Called by the C methods when the connection cannot be used as it is.
local function connect_and_call(method, db, ...)
	local client = db[2]
	if db[4] ~= client.link then
		-- A better one has taken its place.
		db[1], db[4] = view_of(client, timeout_of(db))[1], client.link
		return method(db, ...)
	end
	if owned.current(client) then
		-- Lost between two commands: nobody has been told yet.
		client.own:unbind(false)
		refuse(client, "closed", "the connection of this transaction was lost; nothing of it is applied")
	end
	if client.link.connection:state() == "open" then
		refuse(client, "overload", "the server does not read what is sent: too many bytes are waiting")
	end
	local since, seconds, link_then = now(), timeout_of(db), client.link
	local ok, err = pcall(client.open, client, seconds)
	-- What becomes of one that a better one has taken the place of concerns nobody.
	if not ok and client.link == link_then then
		error(err, 0)
	end
	-- One budget for connecting and for the command.
	if seconds > 0 then
		seconds = math.max(seconds - (now() - since), 0.001)
	end
	return method(view_of(client, seconds, db[3]), ...)
end

local function open_link(client, seconds)
	client.link:open(seconds)
end

-- While Sentinels agree on another master, there is nobody to connect to: whoever asks for something can wait for that.
local function open_when_there_is_a_master(client, seconds)
	local until_then = now() + (seconds > 0 and seconds or client.conf.connect_timeout)
	while true do
		local ok, err = pcall(client.link.open, client.link, math.max(until_then - now(), 0.001))
		if ok then
			return
		elseif not errors.is(err) or err.code ~= "connect" or now() >= until_then or client.link.closed then
			error(err, 0)
		end
		skynet.sleep(1)
	end
end

-- Where to connect is what Sentinels say.
local function by_sentinel(client)
	local weak = setmetatable({ client = client }, { __mode = "v" })
	local conf = client.conf
	local sentinel = require("reef.redis.sentinel").new(conf, function(host, port)
		if weak.client then
			require("reef.redis.renewal").switch(weak.client, config.where(host, port))
		end
	end)
	client.sentinel, client.open = sentinel, open_when_there_is_a_master
	conf.role = not config.reads_elsewhere(conf) and "master" or nil
	conf.resolve = function(seconds)
		return sentinel:resolve(seconds)
	end
end

local client_type = owned.type(function(client)
	local lender = require("reef.redis.lender").new(client)
	lender.closed = client.link.closed
	return require("reef.redis.own").new(client, lender)
end)

local function new_client(conf)
	local client = setmetatable({ conf = conf, objects = conf.errors == "object", bound = {}, timeout = timeout_of },
		client_type)
	client.connect = connect_and_call
	client.lost = function()
		refuse(client, "closed", "the connection was lost")
	end
	client.view = function(handle)
		return setmetatable({ handle, client }, meta)
	end
	-- The connection holds this, and must not hold who uses it.
	local weak = setmetatable({ client = client }, { __mode = "v" })
	local function told(code)
		if weak.client and useless[code] then
			require("reef.redis.renewal").begin(weak.client, code)
		end
	end
	client.open = open_link
	if conf.kind == "sentinel" then
		by_sentinel(client)
	end
	client.new_link = function()
		return link.new(conf, { overload = conf.overload, useless = not config.reads_elsewhere(conf) and told or nil })
	end
	client.link = client.new_link()
	return client
end

---The same db without an attempt: the first command connects.
---@param conf table  as reef.redis.config makes it
---@return redis.db
function redis.lazy(conf)
	local client = new_client(conf)
	return setmetatable(view_of(client, conf.timeout), kept)
end

---Connects and logs in, by one attempt; raises an error object when that fails.
---@param conf redis.conf|string
---@param more redis.conf|nil    options that take precedence
---@return redis.db
function redis.connect(conf, more)
	conf = config.new(conf, more)
	if conf.kind == "cluster" then
		return require("reef.redis.cluster").connect(conf)
	end
	local db = redis.lazy(conf)
	db[2].open(db[2], 0)
	return db
end

---A subscriber, with a connection of its own.
---@param conf redis.conf|string
---@param more redis.conf|nil options beside a URI
---@return redis.watch
function redis.watch(conf, more)
	conf = config.new(conf, more)
	if conf.kind == "cluster" then
		return require("reef.redis.cluster.watch").new(conf)
	end
	if conf.kind == "sentinel" then
		local sentinel = require("reef.redis.sentinel").new(conf, function() end)
		sentinel:close()
		conf.role = "master"
		conf.resolve = function(seconds)
			return sentinel:resolve(seconds)
		end
	end
	return require("reef.redis.pubsub").new(conf)
end

---A script that runs in the server; see reef.redis.script.
---@param source string Lua, as the server takes it
---@return fun(db: redis.db, keys: string[], ...: any): any sends its digest, or all of it
function redis.script(source)
	return require "reef.redis.script"(source)
end

-- The first word of what a server says, if it is one of those that stand for a kind of error.
local function code_of(text)
	return text:match "^%u[%u%d_]*%f[ \0]"
end

---What a failed call raised, as an object with `code` and `outcome`, whatever it was.
---@param err any
---@return reef.channel.error
function redis.error(err)
	if errors.is(err) then
		return err
	elseif partial.is(err) then
		return errors.new { code = err.code, outcome = err.outcome, message = err.message, command = err.command,
			failed = err.failed, replies = err }
	end
	local message = tostring(err)
	-- A string has its place in front, unless it was raised where there is none, as directly below pcall.
	if not code_of(message) then
		message = message:match "^.-:%d+: (.*)$" or message
	end
	return errors.new { code = code_of(message) or "error", outcome = "rejected", message = message }
end

---@class redis.options
---@field timeout number|nil  seconds that a call may take; 0: for ever

---The same connection with other options: db:with{timeout = 0.5}:get(key)
---@param options redis.options
---@return redis.db
function methods:with(options)
	checks.check("redis: with", options, { timeout = true })
	local seconds = options.timeout
	if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds) then
		error("redis: timeout has to be a number of seconds, at least 0")
	end
	return view_of(self[2], seconds or timeout_of(self), seconds or self[3])
end

---Closes all connections. The object cannot be used any more.
function methods:disconnect()
	local client = self[2]
	owned.close(client)
	client.link:close()
	if client.sentinel then
		client.sentinel:close()
	end
	keeping.give_up(self)
end

---What is going on: state, in_flight, unsent, requests, replies, late, tombstones, own (connections), bound, resp.
function methods:status()
	local client = self[2]
	local status = client.link.connection:info()
	status.state = client.link.connection:state()
	status.resp = client.link.resp
	status.own, status.bound = owned.used(client), owned.bindings(client)
	return status
end

redis.methods = methods

return redis
