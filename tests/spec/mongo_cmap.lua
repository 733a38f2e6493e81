-- Connection monitoring and pooling, the suite `cmap-format`. Where it asks a server to answer hello late or with an
-- error, the pool's connect does so.
-- timeout: 300
local pool = require "reef.mongo.pool"
local skynet = require "skynet"
local spec = require "test.spec"
local test = require "test"
local json = require "test.json"

local function known(value)
	return value ~= json.null and value or nil
end

local function connect_as(fail_point)
	local data = fail_point and fail_point.data or {}
	local times = fail_point and fail_point.mode.times or math.huge
	return function()
		if times <= 0 or not fail_point then
			return {}
		end
		times = times - 1
		if data.blockConnection then
			skynet.sleep(data.blockTimeMS // 10)
		end
		if data.errorCode or data.closeConnection then
			return nil, { code = data.errorCode or "network" }
		end
		return {}
	end
end

local function always()
	return true
end

local Runner = {}
Runner.__index = Runner

function Runner:seen(name)
	local n = 0
	for _, event in ipairs(self.events) do
		n = n + (event.name == name and 1 or 0)
	end
	return n
end

local operations = {}

function operations.wait(_, op)
	skynet.sleep(op.ms // 10)
end

function operations.waitForEvent(self, op)
	test.eventually(("%d %s"):format(op.count, op.event), math.max(10, (op.timeout or 0) / 1000), function()
		return self:seen(op.event) >= op.count
	end)
end

function operations.checkOut(self, op)
	local entry, err = self.pool:check_out(30)
	if not entry then
		error(err, 0)
	end
	if op.label then
		self.labels[op.label] = entry
	end
end

function operations.checkIn(self, op)
	self.pool:check_in(self.labels[op.connection])
end

function operations.clear(self, op)
	self.pool:clear(op.interruptInUseConnections)
end

function operations.ready(self)
	self.pool:ready()
end

function operations.close(self)
	self.pool:close()
end

-- A thread of the suite does its operations one after the other.
function operations.start(self, op)
	local thread = { work = {}, token = {} }
	self.threads[op.target] = thread
	skynet.fork(function()
		while not self.over do
			local work = table.remove(thread.work, 1)
			if work then
				local ok, err = pcall(operations[work.name], self, work)
				thread.err = thread.err or (not ok and err or nil)
			else
				thread.idle = true
				skynet.wait(thread.token)
				thread.idle = false
			end
		end
	end)
end

function operations.waitForThread(self, op)
	local thread = self.threads[op.target]
	test.eventually(op.target .. " is done", 30, function()
		return thread.idle and #thread.work == 0
	end)
	if thread.err then
		error(thread.err, 0)
	end
end

function Runner:run()
	for _, op in ipairs(self.case.operations) do
		if op.thread then
			local thread = self.threads[op.thread]
			thread.work[#thread.work + 1] = op
			skynet.wakeup(thread.token)
			skynet.yield()
		else
			operations[op.name](self, op)
		end
	end
end

function Runner:check(err)
	local wanted = known(self.case.error)
	if wanted then
		test.equal(err and err.why, wanted.message)
	elseif err then
		error(err, 0)
	end
	local ignored, got = {}, {}
	for _, name in ipairs(known(self.case.ignore) or {}) do
		ignored[name] = true
	end
	for _, event in ipairs(self.events) do
		if not ignored[event.name] then
			got[#got + 1] = event
		end
	end
	for i, want in ipairs(self.case.events) do
		test.equal(got[i] and got[i].name, want.type, "event " .. i)
		for key, value in pairs(want) do
			if key ~= "type" and key ~= "address" and value ~= 42 then
				test.equal(got[i][key], value, ("%s of event %d"):format(key, i))
			elseif key ~= "type" then
				test.different(got[i][key], nil, ("%s of event %d"):format(key, i))
			end
		end
	end
	test.equal(#got, #self.case.events, "number of events")
end

-- What the case needs that this test does not have, by its name.
local function missing(case)
	if not case.operations then
		return "a format of its own"
	end
	for _, op in ipairs(case.operations) do
		if not operations[op.name] then
			return "the operation " .. tostring(op.name)
		end
	end
	return nil
end

local function run(case)
	local why = missing(case)
	if why then
		test.skip(why)
	end
	local self = setmetatable({ case = case, events = {}, labels = {}, threads = {} }, Runner)
	self.pool = pool.new("a:27017", known(case.poolOptions) or {}, {
		connect = connect_as(known(case.failPoint)),
		usable = always,
		close = function() end,
		on_event = function(event)
			self.events[#self.events + 1] = event
		end,
	})
	local ok, err = pcall(self.run, self)
	-- What the suite does not wait for, but expects.
	local deadline = skynet.now() + 500
	while skynet.now() < deadline and not pcall(self.check, self, not ok and err or nil) do
		skynet.sleep(1)
	end
	self:check(not ok and err or nil)
	self.over = true
	self.pool:close()
	for _, thread in pairs(self.threads) do
		skynet.wakeup(thread.token)
	end
end

spec.files("connection-monitoring-and-pooling", function(name, case)
	if not spec.is_unified(case) then
		test.case(name .. ": " .. (case.description or ""), { timeout = 60 }, function()
			run(case)
		end)
	end
end)

test.run()
