-- How commands of the peer fail: failure.raise(121, "Document failed validation") ends one with that reply.
local failure = {}

local names = {
	[2] = "BadValue", [6] = "HostUnreachable", [24] = "LockTimeout", [50] = "MaxTimeMSExpired", [51] = "DuplicateKeyId",
	[64] = "WriteConcernFailed", [79] = "UnknownReplWriteConcern", [100] = "UnsatisfiableWriteConcern",
	[136] = "CappedPositionLost", [246] = "SnapshotUnavailable", [251] = "NoSuchTransaction", [262] = "ExceededTimeLimit",
	[263] = "OperationNotSupportedInTransaction", [280] = "ChangeStreamFatalError",
	[286] = "ChangeStreamHistoryLost", [323] = "APIStrictError", [322] = "APIVersionError", [324] = "APIDeprecationError",
	[7] = "HostNotFound", [11] = "UserNotFound", [13] = "Unauthorized", [18] = "AuthenticationFailed",
	[52] = "DollarPrefixedFieldName", [63] = "StaleShardVersion", [85] = "IndexOptionsConflict",
	[86] = "IndexKeySpecsConflict", [89] = "NetworkTimeout", [133] = "FailedToSatisfyReadPreference",
	[134] = "ReadConcernMajorityNotAvailableYet", [150] = "StaleEpoch", [225] = "TransactionTooOld",
	[234] = "RetryChangeStream", [256] = "TransactionCommitted", [267] = "PreparedTransactionInProgress",
	[334] = "MechanismUnavailable", [347] = "NoMatchingDocument", [359] = "CannotConvertIndexToUnique",
	[391] = "ReauthenticationRequired", [462] = "IngressRequestRateLimitExceeded", [9001] = "SocketException",
	[10058] = "LegacyNotPrimary", [11601] = "Interrupted", [13388] = "StaleConfig",
	[9] = "FailedToParse", [14] = "TypeMismatch", [20] = "IllegalOperation", [26] = "NamespaceNotFound",
	[27] = "IndexNotFound", [43] = "CursorNotFound", [48] = "NamespaceExists", [59] = "CommandNotFound",
	[72] = "InvalidOptions", [91] = "ShutdownInProgress", [112] = "WriteConflict",
	[121] = "DocumentValidationFailure", [189] = "PrimarySteppedDown",
	[10107] = "NotWritablePrimary", [11000] = "DuplicateKey", [11600] = "InterruptedAtShutdown",
	[11602] = "InterruptedDueToReplStateChange", [13435] = "NotPrimaryNoSecondaryOk", [13436] = "NotPrimaryOrSecondary",
	[40415] = "IDLUnknownField",
}

---@return string|nil
function failure.name(code)
	return names[code]
end

---@param what string|table a message with its arguments behind it, or errmsg and further fields of the reply
function failure.raise(code, what, ...)
	local reply = { ok = 0, code = code, codeName = names[code] }
	if type(what) == "table" then
		for k, v in pairs(what) do
			reply[k] = v
		end
	else
		reply.errmsg = select("#", ...) > 0 and what:format(...) or what
	end
	error(reply, 0)
end

return failure
