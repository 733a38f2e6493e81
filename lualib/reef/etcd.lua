-- A client of etcd, version 3, by its HTTP gateway. Times are in seconds.
--
--     local db = require("reef.etcd").new { endpoints = { "http://10.0.0.1:2379", "http://10.0.0.2:2379" } }
--     db:put("name", "Ada")
--     print(db:get "name")                                       -- Ada
--     local lease = db:lease(10):keep()                          -- as long as this process lives
--     db:put("here", "10.0.0.7", { lease = lease.id })
--     db:watch("na", { prefix = true }, function(events) print(events[1].key, events[1].value) end)
--
-- Every request has a deadline, and an error says what became of it (reef.channel.error): "not sent", "maybe applied"
-- or "rejected". A member that does not answer is left for the next one.

local json = require "reef.etcd.json"
local lease = require "reef.etcd.lease"
local members = require "reef.etcd.members"
local options = require "reef.options"
local shown = require "reef.base.shown"
local watch = require "reef.etcd.watch"

---@class reef.etcd.options
---@field endpoints string[]         `http://host:port` or `https://host:port` of the members
---@field user string|nil
---@field password string|nil
---@field tls reef.tls.options|nil   of https
---@field timeout number|nil         seconds of a request, failover included (5)

---@class reef.etcd
---@field members reef.etcd.members
local etcd = {}
etcd.__index = etcd

local KNOWN <const> = { endpoints = true, user = true, password = true, tls = true, timeout = true }

---@param given reef.etcd.options
---@return reef.etcd
function etcd.new(given)
	options.check("etcd", given, KNOWN)
	if type(given.endpoints) ~= "table" or #given.endpoints == 0 then
		error("etcd.new: endpoints is a list, such as { \"http://127.0.0.1:2379\" }")
	elseif (given.user == nil) ~= (given.password == nil) then
		error("etcd.new: user and password belong together")
	elseif given.timeout and (type(given.timeout) ~= "number" or given.timeout <= 0) then
		error("etcd.new: timeout is a number of seconds above zero")
	end
	for _, endpoint in ipairs(given.endpoints) do
		if not tostring(endpoint):find "^https?://" then
			error(("etcd.new: the endpoint %s begins with neither http:// nor https://"):format(shown(tostring(endpoint))))
		end
		require("reef.http.host").parse(endpoint)
	end
	return setmetatable({ members = members.new(given) }, etcd)
end

---The first key that does not begin with `prefix` any more.
---@param prefix string
---@return string
function etcd.prefix_end(prefix)
	for i = #prefix, 1, -1 do
		local byte = prefix:byte(i)
		if byte < 255 then
			return prefix:sub(1, i - 1) .. string.char(byte + 1)
		end
	end
	return "\0"
end

local function integer(text)
	return math.tointeger(tonumber(text or "0"))
end

---@class reef.etcd.item
---@field key string
---@field value string
---@field create_revision integer
---@field mod_revision integer
---@field version integer
---@field lease integer

local function item_of(kv)
	return {
		key = json.from_bytes(kv.key), value = json.from_bytes(kv.value), create_revision = integer(kv.create_revision),
		mod_revision = integer(kv.mod_revision), version = integer(kv.version), lease = integer(kv.lease),
	}
end

local function items_of(kvs)
	local items = {}
	for i, kv in ipairs(kvs or {}) do
		items[i] = item_of(kv)
	end
	return items
end

local function range_of(key, prefix)
	if key == "" then
		return { key = json.bytes "\0", range_end = json.bytes "\0" }
	end
	return { key = json.bytes(key), range_end = prefix and json.bytes(etcd.prefix_end(key)) or nil }
end

---@param key string
---@return string|nil value nil: there is none
---@return reef.etcd.item|nil item
function etcd:get(key)
	local answer = self.members:ask("/v3/kv/range", range_of(key), true)
	local item = items_of(answer.kvs)[1]
	return item and item.value, item
end

---All keys that begin like that, in their order.
---@param prefix string
---@return reef.etcd.item[]
---@return integer revision of which this is the state
function etcd:list(prefix)
	local answer = self.members:ask("/v3/kv/range", range_of(prefix, true), true)
	return items_of(answer.kvs), integer(answer.header.revision)
end

---@param key string
---@param value string
---@param more? {lease: integer?} with a lease's id the key is removed when that ends
---@return integer revision
function etcd:put(key, value, more)
	local answer = self.members:ask("/v3/kv/put", {
		key = json.bytes(key), value = json.bytes(value), lease = more and more.lease and tostring(more.lease) or nil,
	}, false)
	return integer(answer.header.revision)
end

---@param key string
---@param more? {prefix: boolean?} all keys that begin like that
---@return integer count how many there were
function etcd:delete(key, more)
	local answer = self.members:ask("/v3/kv/deleterange", range_of(key, more and more.prefix), false)
	return integer(answer.deleted)
end

-- ---- transactions ----

local TARGETS <const> = { create_revision = "CREATE", mod_revision = "MOD", version = "VERSION", value = "VALUE",
	lease = "LEASE" }
local RESULTS <const> = { ["="] = "EQUAL", ["!="] = "NOT_EQUAL", [">"] = "GREATER", ["<"] = "LESS" }

local function compare_of(c)
	local key, field, sign, value = table.unpack(c)
	if not TARGETS[field] or not RESULTS[sign] then
		error(("etcd.txn: a comparison is { key, field, sign, value }, not { %s, %s, %s }"):format(tostring(key),
			tostring(field), tostring(sign)), 3)
	end
	return { key = json.bytes(key), range_end = c.prefix and json.bytes(etcd.prefix_end(key)) or nil,
		target = TARGETS[field], result = RESULTS[sign],
		[field] = field == "value" and json.bytes(value) or tostring(value) }
end

local function step_of(step)
	local what, key, value, more = table.unpack(step, 1, 4)
	if what == "put" then
		return { request_put = { key = json.bytes(key), value = json.bytes(value),
			lease = more and more.lease and tostring(more.lease) or nil } }
	elseif what == "get" then
		return { request_range = range_of(key, step.prefix) }
	elseif what == "delete" then
		return { request_delete_range = range_of(key, step.prefix) }
	end
	error(("etcd.txn: a step is put, get or delete, not %s"):format(tostring(what)))
end

local function each(list, f)
	local out = {}
	for i, item in ipairs(list or {}) do
		out[i] = f(item)
	end
	return out[1] and out or nil
end

local function result_of(answer)
	if answer.response_range then
		return items_of(answer.response_range.kvs)
	elseif answer.response_delete_range then
		return integer(answer.response_delete_range.deleted)
	end
	return true
end

---All of `success` if every comparison holds, else all of `failure`.
---
---    db:txn {
---        compare = { { "name", "create_revision", "=", 0 } },      -- nobody has put it; prefix = true: true for all
---        success = { { "put", "name", "Ada", { lease = id } } },
---        failure = { { "get", "name" } },                           -- { "get", "na", prefix = true }: all of them
---    }
---@param t {compare: table[]?, success: table[]?, failure: table[]?}
---@return boolean held
---@return table results one for each step: true, items, or the number of keys that were deleted
---@return integer revision
function etcd:txn(t)
	local answer = self.members:ask("/v3/kv/txn", {
		compare = each(t.compare, compare_of), success = each(t.success, step_of), failure = each(t.failure, step_of),
	}, false)
	return answer.succeeded == true, each(answer.responses, result_of) or {}, integer(answer.header.revision)
end

-- ---- leases and watches ----

---@param ttl integer seconds that it lasts unless it is prolonged
---@return reef.etcd.lease see there: keep, renew, valid, revoke
function etcd:lease(ttl)
	if math.type(ttl) ~= "integer" or ttl < 1 then
		error("etcd.lease: a lease lasts a whole number of seconds, at least 1")
	end
	return lease.grant(self, ttl)
end

---Calls f for what is there and for every change from then on, in order. What is there comes again when the history
---that was missed is gone (compaction).
---@param key string
---@param more {prefix: boolean?, revision: integer?} `revision`: begins there, without what is there
---@param f fun(events: reef.etcd.event[], whole: boolean) in a coroutine of the watch: the next events wait until it
---returns. `whole`: these are all keys that there are, maybe none, and others are gone
---@return reef.etcd.watch see there: close
function etcd:watch(key, more, f)
	local function restart()
		local answer = self.members:ask("/v3/kv/range", range_of(key, more.prefix), true)
		local events = items_of(answer.kvs)
		for _, item in ipairs(events) do
			item.type, item.revision = "put", item.mod_revision
		end
		f(events, true)
		return integer(answer.header.revision) + 1
	end
	return watch.new(self, key == "" and "\0" or key, (key == "" and "\0") or more.prefix and etcd.prefix_end(key) or nil,
		more.revision, f, restart)
end

---Closes connections that are kept for later. Watches and leases are ended by themselves.
function etcd:close()
	self.members:close()
end

return etcd
