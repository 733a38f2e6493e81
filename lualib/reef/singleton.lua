-- A service of which there is one in the whole cluster. Times are in seconds.
--
-- Processes stand for election in etcd, and when the elected one is gone another takes over.
--
--     singleton.launch("matchmaker", "matchmaker", "eu")     -- in every process that may have it
--     singleton.call("matchmaker", "join", 7)                 -- from any process
--
--     singleton.elect("cron", function(holder)                -- or without a service: a function that is elected
--         while holder:valid() do
--             holder:guard { success = { { "put", "/cron/last", tostring(os.time()) } } }
--             skynet.sleep(100)
--         end
--     end)
--
-- A process may be stopped at any moment, and wake up when another one has been elected long since. It learns that from
-- `holder:valid()`, a moment too late perhaps. So whatever it writes to has to know better: each election has a number,
-- `holder.fence`, higher than all before, and who has seen a higher one refuses a lower. etcd itself does by
-- `holder:guard`.

local cluster = require "reef.cluster.link"
local cluster_error = require("reef.cluster").error
local configured = require "reef.etcd.configured"
local limits = require "reef.cluster.options"
local now = require "reef.base.now"
local options = require "reef.options"
local skynet = require "skynet"
require "reef.manager"

local singleton = {}

local MARGIN <const> = 0.1 -- of the ttl: how much earlier a holder stops, for clocks that do not run alike
local AGAIN <const> = 100 -- cs

---@class reef.singleton.holder
---@field name string
---@field fence integer the number of this election; later ones have higher ones
---@field key string of etcd
local holder = {}
holder.__index = holder

local client ---@type reef.etcd|nil

local function etcd()
	client = client or configured.client()
	return client
end

local function key_of(name)
	if type(name) ~= "string" or name == "" then
		error("singleton: a name is a text")
	end
	return configured.prefix() .. "singleton/" .. name
end

-- ---- who is elected ----

---Is it certain that nobody else has been elected?
---@return boolean
function holder:valid()
	return not self.over and self.lease:valid() and now() < self.lease.valid_until - MARGIN * self.lease.ttl
end

---A transaction of etcd (see reef.etcd, txn) that is done only while this election holds, whatever the clocks say.
---@param t {compare: table[]?, success: table[]?, failure: table[]?}
---@return boolean held
---@return table results
function holder:guard(t)
	local compare = { { self.key, "create_revision", "=", self.fence } }
	table.move(t.compare or {}, 1, #(t.compare or {}), 2, compare)
	return etcd():txn { compare = compare, success = t.success, failure = t.failure }
end

---Gives it up: somebody else is elected.
function holder:resign()
	self.over = true
	skynet.wakeup(self)
end

-- Returns when the election does not hold any more.
local function hold(self)
	local watch = etcd():watch(self.key, { revision = self.fence + 1 }, function(events)
		for _, e in ipairs(events) do
			if e.type == "delete" then
				self:resign()
			end
		end
	end)
	while self:valid() do
		local left = self.lease.valid_until - MARGIN * self.lease.ttl - now()
		skynet.sleep(math.max(1, math.ceil(left * 100)), self)
	end
	self.over = true
	watch:close()
end

-- ---- the election ----

-- Stands for election once. nil: somebody else has it, since that revision.
local function stand(name, key, value, ttl)
	local db = etcd()
	local there, item = db:get(key)
	if there then
		return nil, item.mod_revision
	end
	local lease = db:lease(ttl)
	local held, results, revision = db:txn {
		compare = { { key, "create_revision", "=", 0 } },
		success = { { "put", key, value, { lease = lease.id } } }, failure = { { "get", key } },
	}
	if not held then
		pcall(lease.revoke, lease)
		local found = results[1] and results[1][1]
		return nil, found and found.mod_revision or revision
	end
	return setmetatable({ name = name, key = key, fence = revision, lease = lease:keep() }, holder)
end

local function wait_for_end(key, revision)
	local token, over = {}, false
	local watch = etcd():watch(key, { revision = revision + 1 }, function(events)
		for _, e in ipairs(events) do
			over = over or e.type == "delete"
		end
		if over then
			skynet.wakeup(token)
		end
	end)
	-- Now and then it looks itself.
	if not over then
		skynet.sleep(1000, token)
	end
	watch:close()
end

local function serve(self, f)
	skynet.error(("singleton %s: elected, with the fence %d"):format(self.name, self.fence))
	local token, done = {}, false
	local thread = skynet.fork(function()
		local ok, err = xpcall(f, debug.traceback, self)
		if not ok then
			skynet.error(("singleton %s: %s"):format(self.name, err))
		end
		done = true
		self:resign()
		skynet.wakeup(token)
	end)
	hold(self)
	local lasted = self.lease:valid()
	pcall(self.lease.revoke, self.lease)
	skynet.error(("singleton %s: %s"):format(self.name, done and "given up" or lasted and "taken away"
		or "the lease is lost, or may be"))
	if not done and self.ended then
		self.ended()
	elseif not done then
		skynet.killthread(thread)
	end
end

local function run(self, f)
	local told
	while not self.closed do
		local ok, elected, revision = pcall(stand, self.name, self.key, self.value, self.ttl)
		if ok and elected then
			told = nil
			serve(elected, f)
		elseif ok then
			told = nil
			ok, elected = pcall(wait_for_end, self.key, revision)
		end
		if not ok then
			local why = tostring(elected)
			if why ~= told then
				skynet.error(("singleton %s: no election: %s"):format(self.name, why))
				told = why
			end
			skynet.sleep(AGAIN)
		end
	end
end

local KNOWN <const> = { ttl = true, value = true }

---Stands for election now and for ever. When this process is elected, f is called with the holder, in a coroutine that
---is killed when the election does not hold any more; when f returns, somebody else is elected.
---@param name string
---@param f fun(holder: reef.singleton.holder)
---@param more? {ttl: integer?, value: string?} seconds after which a process that is gone is replaced
---(`singleton_lease`); what `where` answers (the process' `cluster_name`)
---@return {close: function} candidate `close()`: does not stand any more
function singleton.elect(name, f, more)
	options.check("singleton", more, KNOWN)
	local candidate = {
		name = name, key = key_of(name), ttl = more and more.ttl or limits.election,
		value = more and more.value or skynet.getenv "cluster_name" or "",
	}
	function candidate.close()
		candidate.closed = true
	end
	skynet.fork(run, candidate, f)
	return candidate
end

---Stands for election, and when this process is elected starts the service, with the number of the election (as text)
---as its first argument. It is killed when the election does not hold any more, and somebody else is elected when it
---ends. Other nodes know it as `@name`.
---@param name string
---@param service string
---@param ... string|number
---@return {close: function}
function singleton.launch(name, service, ...)
	local arguments = table.pack(...)
	return singleton.elect(name, function(self)
		local address
		function self.ended()
			if address then
				skynet.send(cluster.manager(), "lua", "unregister", name, address)
				skynet.kill(address)
			end
		end
		address = skynet.newservice(service, self.fence, table.unpack(arguments, 1, arguments.n))
		if self.over then
			return self.ended()
		end
		skynet.call(cluster.manager(), "lua", "register", name, address)
		pcall(skynet.call, address, "debug", "LINK")
		skynet.call(cluster.manager(), "lua", "unregister", name, address)
	end)
end

---@param name string
---@return string|nil node nil: nobody is elected
---@return integer|nil fence
function singleton.where(name)
	local value, item = etcd():get(key_of(name))
	return value, item and item.create_revision
end

local known = {} ---@type table<string, string> the node whose service has answered last

-- Is it certain that nobody there has seen the request?
local function unseen(err, name)
	local e = cluster_error(err)
	return e.outcome == "not sent" or e.message:find(("nobody is registered as @%s"):format(name), 1, true) ~= nil
end

local function call_at(node, name, message)
	local result = table.pack(pcall(cluster.call, node, "@" .. name, message))
	known[name] = result[1] and node or nil
	return result
end

---Calls the service that `launch` has started somewhere. Where it is, is looked up again when a call has failed.
---@param name string
---@param ... any
---@return any ...
function singleton.call(name, ...)
	local message, node = skynet.packstring(...), known[name]
	local result = node and call_at(node, name, message)
	if not result or not result[1] and unseen(result[2], name) then
		node = singleton.where(name)
		if not node then
			error(("call failed: cluster node of singleton %s: nobody is elected (not sent)"):format(name), 0)
		end
		result = call_at(node, name, message)
	end
	if not result[1] then
		error(result[2], 0)
	end
	return table.unpack(result, 2, result.n)
end

return singleton
