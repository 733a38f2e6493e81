-- The unified test format of the MongoDB driver specifications. What the driver or the deployment at hand does not do
-- is reported as skipped, by its name.
--
--     unified.run(target, file, case)      -- raises what is wrong, or { skipped = reason }
local bson = require "bson"
local check = require "test.unified.check"
local entities = require "test.unified.entities"
local legacy = require "test.legacy"
local match = require "test.unified.match"
local operations = require "test.unified.operations"
local pool = require "reef.pool"
local requirements = require "test.unified.requirements"
local runner_operations = require "test.unified.runner_operations"
local skip = require "test.unified.skip"
local skynet = require "skynet"

local unified = {}

local Run = {}
Run.__index = Run

-- ---- operations ----

local function is_skip(err)
	return type(err) == "table" and err.skipped ~= nil
end

-- What was expected of an operation that returned `value`, or raised it.
function Run:compare(op, ok, value)
	if op.ignoreResultAndError then
		return
	end
	local lacks = not ok and self.target:lacks(value)
	if lacks and not (op.expectError and op.expectError.isClientError) then
		skip("the server lacks it: " .. lacks:sub(1, 80))
	end
	if op.expectError then
		if ok then
			error(op.name .. " should fail", 0)
		end
		check.error(self, value, op.expectError)
		return
	elseif not ok then
		error(("%s: %s"):format(op.name, tostring(value)), 0)
	end
	if op.expectResult ~= nil then
		match.value(self.entities, value, op.expectResult, "result", true)
	end
	if op.saveResultAsEntity then
		self.entities[op.saveResultAsEntity] = value
	end
end

---Does one operation and checks what comes of it.
---@param within boolean|nil as a part of another, which is to hear of its error
function Run:operation(op, within)
	local of_runner = op.object == "testRunner" or op.object == nil
	local work = (of_runner and runner_operations or operations)[op.name]
	if not work then
		skip("the operation " .. op.name)
	end
	local object = not of_runner and (self.entities[op.object] or skip("the entity " .. op.object)) or nil
	local ok, value = pcall(work, self, object, op.arguments or {})
	if not ok and (is_skip(value) or of_runner or within and not op.expectError) then
		error(value, 0)
	end
	self:compare(op, ok, value)
	if within and not ok then
		error(value, 0)
	end
end

-- ---- a case ----

local function prepare(target, initial)
	for _, data in ipairs(initial or {}) do
		local db = target.internal:database(data.databaseName)
		local c = db:collection(data.collectionName)
		c:drop()
		if data.createOptions or #data.documents == 0 then
			db:createCollection(data.collectionName, data.createOptions)
		end
		if #data.documents > 0 then
			c:insertMany(data.documents)
		end
	end
end

local function close(run)
	run.over = true
	for _, client in ipairs(run.clients) do
		client:close()
		if entities.through_pools then
			-- Nobody else has a pool of the client's name, which would live for a while.
			skynet.fork(pool.close, client)
		end
	end
	run.target:no_fail_points()
end

---Why a case cannot run on a target; nil if it can.
---@return string|nil
function unified.why_not(target, file, case)
	return case.skipReason or requirements.why_not(target, file.runOnRequirements)
		or requirements.why_not(target, case.runOnRequirements)
end

---Runs one case of a file.
---@param target test.target
---@param file table decoded exactly
---@param case table
function unified.run(target, file, case)
	local why = unified.why_not(target, file, case)
	if why then
		skip(why)
	end
	local run = setmetatable({ target = target, entities = {}, events = {}, clients = {}, streams = {} }, Run)
	target:fresh(file)
	prepare(target, file.initialData)
	local _ <close> = setmetatable({}, { __close = function()
		close(run)
	end })
	entities.create(run, file.createEntities)
	for _, op in ipairs(case.operations) do
		run:operation(op)
	end
	check.events(run, case.expectEvents)
	check.logs(run, case.expectLogMessages)
	check.spans(run, case.expectTracingMessages)
	check.outcome(run, case.outcome)
end

---The files of the format that a text stands for: itself, or those that one of an older format becomes. Nothing if the
---text is neither.
---@param text string
---@return table[] decoded exactly
function unified.decode(text)
	local ok, file = pcall(function()
		return bson.decode_exact(bson.from_json(text))
	end)
	if not ok or type(file.tests) ~= "table" then
		return {}
	elseif file.schemaVersion then
		return { file }
	end
	return legacy.is(file) and legacy.convert(file) or {}
end

return unified
