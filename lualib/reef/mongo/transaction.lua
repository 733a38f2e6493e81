-- The optional part `transaction` of skynet's driver: mongo.enable "transaction" gives databases run_transaction. New
-- code has session:withTransaction, which also tries again.
local transaction = {}

---@param parts { mongo_db: table } methods of databases
function transaction.init(parts)
	---Runs f in a transaction: all operations of this coroutine on the client are part of it. Commits when f returns,
	---aborts when it raises.
	---@param f fun()
	---@return any nothing when it was committed, else what went wrong
	function parts.mongo_db:run_transaction(f)
		local core = self.client._core
		-- By coroutine: the session that its operations take.
		core.current = core.current or setmetatable({}, { __mode = "k" })
		local me, session = coroutine.running(), self.client:startSession()
		local before = core.current[me]
		session:startTransaction()
		core.current[me] = session
		local ok, err = xpcall(f, debug.traceback)
		core.current[me] = before
		if ok then
			ok, err = pcall(session.commitTransaction, session)
		elseif session:inTransaction() then
			session:abortTransaction()
		end
		session:endSession()
		return not ok and err or nil
	end
end

return transaction
