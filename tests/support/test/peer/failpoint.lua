-- Fail points: what configureFailPoint asks for, as the servers' `failCommand` and `onPrimaryTransactionalWrite` do it.
local bson = require "bson"
local failure = require "test.peer.failure"
local skynet = require "skynet"
local transaction = require "test.peer.transaction"
local value = require "test.peer.value"

local failpoint = {}
failpoint.__index = failpoint

local plain = value.plain

function failpoint.new()
	return setmetatable({ points = {} }, failpoint)
end

---@param command table configureFailPoint
function failpoint:configure(command)
	local name, mode = command.configureFailPoint, command.mode
	if mode == "off" then
		self.points[name] = nil
		return {}
	end
	local point = { data = command.data or {}, left = math.huge, skip = 0 }
	if type(mode) == "table" then
		point.left = plain(mode.times) or math.huge
		point.skip = plain(mode.skip) or 0
	elseif mode ~= "alwaysOn" then
		failure.raise(2, "unknown mode of a fail point: %s", tostring(mode))
	end
	self.points[name] = point
	return {}
end

-- The data of the point if it is due now.
function failpoint:due(name, wanted)
	local point = self.points[name]
	if not point or point.left <= 0 or not wanted(point.data) then
		return nil
	elseif point.skip > 0 then
		point.skip = point.skip - 1
		return nil
	end
	point.left = point.left - 1
	return point.data
end

-- ---- what is due ----

-- Codes for which servers since 4.4 label the errors of retryable writes by themselves.
local retryable = {
	[6] = true, [7] = true, [89] = true, [91] = true, [189] = true, [262] = true, [9001] = true, [10107] = true,
	[11600] = true, [11602] = true, [13435] = true, [13436] = true,
}

-- Codes that a change stream survives, as servers since 4.4 say by a label.
local resumable = {
	[6] = true, [7] = true, [63] = true, [89] = true, [91] = true, [133] = true, [150] = true, [189] = true, [234] = true,
	[262] = true, [9001] = true, [10107] = true, [11600] = true, [11602] = true, [13388] = true, [13435] = true,
	[13436] = true,
}

---Labels of an error with that code.
---@param number integer version of the server
function failpoint.labels(code, command, number)
	local ends = command.commitTransaction or command.abortTransaction
	local labels = transaction.labels(code, command)
	if labels or command.autocommit == false and not ends then
		return labels
	end
	return retryable[code] and command.txnNumber and number >= 4004000 and bson.array { "RetryableWriteError" } or nil
end

local function names(list, name)
	for _, each in ipairs(list or {}) do
		if each == name or (name == "hello" and (each == "isMaster" or each == "ismaster")) then
			return true
		end
	end
	return false
end

local function error_reply(data, command, number)
	local code = plain(data.errorCode)
	local reply = {
		ok = 0, code = code, codeName = failure.name(code), errmsg = "Failing command via 'failCommand' failpoint",
		errorLabels = data.errorLabels or failpoint.labels(code, command, number),
	}
	for k, v in pairs(data.errorExtraInfo or {}) do
		reply[k] = v
	end
	return reply
end

-- A point of older servers: closes the connection of a numbered write, before it is done or behind it. One that was
-- done and comes again is no write.
local function transactional(self, name, command, done)
	local data = command.txnNumber and not done and self:due("onPrimaryTransactionalWrite", function()
		return true
	end)
	if not data then
		return nil
	elseif data.closeConnection == false then
		return error_reply({ errorCode = data.failBeforeCommitExceptionCode }, command, 0)
	end
	return data.failBeforeCommitExceptionCode and "close" or "close behind", name
end

---What becomes of a command: "close", "close behind" (done, then closed), a reply, or nil and what to add to the usual
---reply. Blocks first when the point says so.
---@param name string of the command
---@param command table
---@param app_name string|nil of the client on this connection
---@param number integer version of the server
---@param done boolean it is a numbered write that was done before
---@return string|table|nil
---@return table|nil
function failpoint:check(name, command, app_name, number, done)
	local data = self:due("failCommand", function(data)
		return names(data.failCommands, name) and (data.appName == nil or data.appName == app_name)
	end)
	if not data and name == "getMore" then
		data = self:due("failGetMoreAfterCursorCheckout", function()
			return true
		end)
		if data and data.errorCode then
			local reply = error_reply(data, command, number)
			reply.errorLabels = number >= 4003001 and resumable[plain(data.errorCode)]
				and bson.array { "ResumableChangeStreamError" } or nil
			return reply
		end
	end
	if not data then
		return transactional(self, name, command, done)
	end
	if data.blockConnection then
		skynet.sleep(plain(data.blockTimeMS) // 10)
	end
	if data.closeConnection then
		return "close"
	elseif data.errorCode then
		return error_reply(data, command, number)
	elseif data.writeConcernError then
		local concern = data.writeConcernError
		return nil, {
			writeConcernError = concern,
			errorLabels = data.errorLabels or (command.autocommit ~= false or command.commitTransaction
				or command.abortTransaction) and failpoint.labels(plain(concern.code), command, number) or nil,
		}
	end
	return nil
end

return failpoint
