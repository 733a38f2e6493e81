-- Pipelines with transactions: which commands each EXEC ran, for the errors inside its reply (reef.redis.partial).
local partial = require "reef.redis.partial"

-- A to-be-closed value around a pipeline: names what each EXEC of it ran, in its results or in what was raised.
local naming = {
	__close = function(self, err)
		if type(err) == "string" and err:find("nothing was sent", 1, true) then
			return
		end
		local names = self.binding and self.binding.queued
		for i, op in ipairs(self.ops) do
			local word = tostring(type(op) == "table" and op[1]):upper()
			if word == "MULTI" then
				names = names or {}
			elseif word == "EXEC" then
				local result = self.results and self.results[self.before + i]
				partial.name(result and result.out, names)
				if i == #self.ops then
					partial.name(err, names)
				end
				names = nil
			elseif word == "DISCARD" then
				names = nil
			elseif names then
				names[#names + 1] = word
			end
		end
		if self.binding then
			self.binding.queued = names
		end
	end,
}

---A to-be-closed value for around a pipeline.
---@param ops table[]
---@param results table|nil  that they go to
---@param binding table|nil  of the coroutine: its `queued` are the commands of an open transaction
return function(ops, results, binding)
	return setmetatable({ ops = ops, results = results, before = results and #results, binding = binding }, naming)
end
